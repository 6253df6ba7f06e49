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
	// The rest is for types with known values: the fields that differ between
	// findings of one vulnerability, and room for an object while the rest of it
	// is filled in or while nobody knows whether there is an equal one.
	varying     uint64
	room, fresh reflect.Value
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
		if slices.Contains([]string{"package", "fixedVersion", "status"}, key) {
			s.varying |= 1 << len(s.fields)
		}
		read := d.reader(t.Field(i).Type)
		if t.Field(i).Type.Kind() == reflect.String {
			read = orNull(repeatedString())
		}
		s.fields = append(s.fields, fieldReader{key, i, read})
	}
	if t == findingType || t == entryType {
		s.known, s.room, s.fresh = newKnownValues(t), reflect.New(t).Elem(), reflect.New(t).Elem()
	}
	return s
}

// read reads an object into v.
func (s *structReader) read(d *decoder, v reflect.Value) error {
	_, err := s.object(d, v, false)
	return err
}

// readShared lets the pointer v point at the struct for an object. Equal objects
// share one, which nobody may change.
func (s *structReader) readShared(d *decoder, v reflect.Value) error {
	s.fresh.SetZero()
	known, err := s.object(d, s.fresh, true)
	if err != nil {
		return err
	}
	if known == nil {
		v.Set(reflect.New(s.fresh.Type()))
		v.Elem().Set(s.fresh)
		return nil
	}
	v.Set(known.whole)
	return nil
}

// object reads an object into v, or if share says so returns a known one that
// equals it. Fields stand in files in the order of the struct, so the search for
// a key begins behind the last one.
func (s *structReader) object(d *decoder, v reflect.Value, share bool) (*knownTail, error) {
	if !d.take('{') {
		return nil, d.unexpected("an object")
	}
	var seen, before uint64
	var known *knownValue
	next, start := 0, -1 // where the fields begin that do not vary, after those in before
	for more := !d.take('}'); more; next++ {
		if known != nil {
			d.peek()
			if t := known.tail(d.data[d.pos:], seen); t != nil {
				d.pos += len(t.raw)
				if share && seen == onlyID && t.whole.IsValid() {
					return t, nil
				}
				s.fill(v, t, seen)
				return nil, nil
			}
			if start < 0 {
				start, before = d.pos, seen
			}
		}
		var err error
		if next, err = s.field(d, v, known, seen, next); err != nil {
			return nil, err
		}
		seen |= 1 << next
		if s.known != nil && seen == onlyID { // it stands first
			known = s.known.of(v.Field(s.fields[next].index).String())
		}
		if s.varying&(1<<next) != 0 {
			start = -1
		}
		if more, err = d.more('}'); err != nil {
			return nil, err
		}
	}
	if start >= 0 {
		s.known.keepTail(known, knownTail{after: before, seen: seen &^ before}, d.data[start:d.pos], v, s.fields)
	}
	return nil, nil
}

// field reads a key and its value, and returns the place of the field.
func (s *structReader) field(d *decoder, v reflect.Value, known *knownValue, seen uint64, next int) (int, error) {
	key, err := d.bytes()
	if err != nil {
		return 0, err
	}
	if next = s.find(key, next); next < 0 {
		return 0, unknown(string(key))
	}
	f := &s.fields[next]
	if seen&(1<<next) != 0 {
		return 0, twice(f.key)
	}
	if !d.take(':') {
		return 0, d.unexpected("a colon")
	}
	if err := s.value(d, v, f, known); err != nil {
		return 0, inside("."+f.key, err)
	}
	return next, nil
}

// fill takes the rest of an object from one that was read before. seen are the
// fields that it has already.
func (s *structReader) fill(v reflect.Value, t *knownTail, seen uint64) {
	s.room.Set(v)
	v.Set(t.value)
	copyFields(v, s.room, seen, s.fields)
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
