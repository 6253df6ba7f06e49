package gate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// structReader reads objects into structs of one type.
type structReader struct {
	fields []fieldReader // at most 64
	known  *knownValues  // nil for most types
}

type fieldReader struct {
	key   string
	index int
	read  readFunc
}

// structReader makes the reader of a struct; objects may not have the keys in
// without.
func (d *decoder) structReader(t reflect.Type, without ...string) *structReader {
	s := &structReader{}
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if key == "" || key == "-" {
			panic(fmt.Sprintf("field %s of %s has no JSON key", t.Field(i).Name, t))
		}
		if slices.Contains(without, key) {
			continue
		}
		s.fields = append(s.fields, fieldReader{key, i, d.reader(t.Field(i).Type)})
	}
	if t == findingType || t == entryType {
		s.known = newKnownValues(t)
	}
	return s
}

// read reads an object. Fields stand in files in the order of the struct, so
// the search for a key begins behind the last one.
func (s *structReader) read(d *decoder, v reflect.Value) error {
	if !d.take('{') {
		return d.unexpected("an object")
	}
	var seen uint64
	var known *knownValue
	next := 0
	for more := !d.take('}'); more; next++ {
		key, err := d.bytes()
		if err != nil {
			return err
		}
		if next = s.find(key, next); next < 0 {
			return unknown(string(key))
		}
		f := &s.fields[next]
		if seen&(1<<next) != 0 {
			return twice(f.key)
		}
		seen |= 1 << next
		if !d.take(':') {
			return d.unexpected("a colon")
		}
		if err := s.value(d, v, f, known); err != nil {
			return inside("."+f.key, err)
		}
		if s.known != nil && seen == 1 { // the id, and it stands first
			known = s.known.of(v.Field(f.index).String())
		}
		if more, err = d.more('}'); err != nil {
			return err
		}
	}
	return nil
}

// find returns the place of the field with that key, from next on and around,
// -1 for none.
func (s *structReader) find(key []byte, next int) int {
	for i := next; i < len(s.fields); i++ {
		if s.fields[i].key == string(key) {
			return i
		}
	}
	for i := range min(next, len(s.fields)) {
		if s.fields[i].key == string(key) {
			return i
		}
	}
	return -1
}

// value reads the value of one field, or takes it from one that was read before.
func (s *structReader) value(d *decoder, v reflect.Value, f *fieldReader, known *knownValue) error {
	field := v.Field(f.index)
	if known == nil {
		return f.read(d, field)
	}
	d.peek()
	if n := known.take(f.index, d.data[d.pos:], field); n > 0 {
		d.pos += n
		return nil
	}
	start := d.pos
	if err := f.read(d, field); err != nil {
		return err
	}
	s.known.keep(known, f.index, d.data[start:d.pos], field)
	return nil
}
