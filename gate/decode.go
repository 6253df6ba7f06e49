package gate

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// decoder reads JSON into the structs of this package and of evidence, in one
// pass and strictly: keys that no struct has, keys in another case, keys that
// stand twice and values of another kind are errors. It is made from the structs
// themselves, so that a new field can neither be forgotten nor mistaken.
type decoder struct {
	scanner
	readers map[reflect.Type]readFunc
}

// readFunc reads the next value into v, which is zero.
type readFunc func(d *decoder, v reflect.Value) error

func newDecoder() *decoder {
	return &decoder{scanner: newScanner(), readers: map[reflect.Type]readFunc{}}
}

// Decode reads data, one JSON document and nothing else, into the struct that to
// points at, as strictly as saved evidence is read: keys that the struct does not
// have, keys in another case, keys that stand twice, values of another kind and
// text that is no UTF-8 are errors. It is for structs of evidence and what holds
// them; a field of a kind that they do not have makes it panic.
func Decode(data []byte, to any) error { return newDecoder().document(data, to) }

// document reads data, which is one value and nothing else, into the struct
// that to points at.
func (d *decoder) document(data []byte, to any) error {
	d.data, d.pos = data, 0
	defer func() { d.data = nil }()
	v := reflect.ValueOf(to).Elem()
	if err := d.reader(v.Type())(d, v); err != nil {
		return err
	}
	if d.peek(); d.pos < len(d.data) {
		return errors.New("something follows the JSON document")
	}
	return nil
}

// noVersion is the answer of version for a document that does not begin with it.
const noVersion = -1

// version reads the schemaVersion that a document begins with.
func (d *decoder) version(data []byte) (int, error) {
	d.data, d.pos = data, 0
	defer func() { d.data = nil }()
	if !d.take('{') {
		return 0, d.unexpected("an object")
	}
	if d.peek() == '}' {
		return noVersion, nil
	}
	key, err := d.bytes()
	if err != nil || string(key) != "schemaVersion" {
		return noVersion, err
	}
	if !d.take(':') {
		return 0, d.unexpected("a colon")
	}
	n, err := d.integer()
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

// around lets before and after, which may be nil, be called whenever a t is
// read. It must come before the readers of the types that hold a t are made.
func (d *decoder) around(t reflect.Type, before func(), after func(reflect.Value)) {
	read := d.reader(t)
	d.readers[t] = func(d *decoder, v reflect.Value) error {
		if before != nil {
			before()
		}
		err := read(d, v)
		if err == nil && after != nil {
			after(v)
		}
		return err
	}
}

// reader returns what reads a t.
func (d *decoder) reader(t reflect.Type) readFunc {
	if d.readers[t] == nil {
		// The types hold themselves nowhere, so this ends, and so does reading:
		// what nests deeper than they do is a value of another kind.
		d.readers[t] = orNull(d.compile(t))
	}
	return d.readers[t]
}

// orNull lets null stand for the zero value of any type, as encoding/json does.
func orNull(read readFunc) readFunc {
	return func(d *decoder, v reflect.Value) error {
		if d.peek() == 'n' && d.word("null") {
			return nil
		}
		return read(d, v)
	}
}

func (d *decoder) compile(t reflect.Type) readFunc {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return readTime
	case t.Kind() == reflect.Pointer:
		return d.pointerReader(t)
	case t.Kind() == reflect.Struct:
		return d.structReader(t).read
	case t.Kind() == reflect.Slice:
		return d.sliceReader(t)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		return d.mapReader(t)
	}
	switch t.Kind() {
	case reflect.String:
		return readString
	case reflect.Bool:
		return readBool
	case reflect.Int, reflect.Int64:
		return readInt
	case reflect.Uint:
		return readUint
	case reflect.Float64:
		return readFloat
	}
	panic("no field of saved evidence may be a " + t.String())
}

func (d *decoder) pointerReader(t reflect.Type) readFunc {
	read := d.reader(t.Elem())
	return func(d *decoder, v reflect.Value) error {
		v.Set(reflect.New(t.Elem()))
		return read(d, v.Elem())
	}
}

// sliceReader reads into room that is used again for the next list, so that the
// list itself takes no more than it needs.
func (d *decoder) sliceReader(t reflect.Type) readFunc {
	const keep = 1 << 16
	read := d.reader(t.Elem())
	room := reflect.New(t).Elem()
	return func(d *decoder, v reflect.Value) error {
		if !d.take('[') {
			return d.unexpected("a list")
		}
		n := 0
		for more := !d.take(']'); more; n++ {
			if n == room.Len() {
				room.Grow(1)
				room.SetLen(room.Cap())
			}
			room.Index(n).SetZero()
			if err := read(d, room.Index(n)); err != nil {
				return inside(fmt.Sprintf("[%d]", n), err)
			}
			var err error
			if more, err = d.more(']'); err != nil {
				return err
			}
		}
		v.Set(reflect.MakeSlice(t, n, n))
		reflect.Copy(v, room)
		if n > keep {
			room.SetZero()
		}
		return nil
	}
}

func (d *decoder) mapReader(t reflect.Type) readFunc {
	read := d.reader(t.Elem())
	return func(d *decoder, v reflect.Value) error {
		v.Set(reflect.MakeMap(t))
		if !d.take('{') {
			return d.unexpected("an object")
		}
		key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		for more := !d.take('}'); more; {
			name, err := d.text()
			if err != nil {
				return err
			}
			key.SetString(name)
			if v.MapIndex(key).IsValid() {
				return twice(name)
			}
			if !d.take(':') {
				return d.unexpected("a colon")
			}
			value.SetZero()
			if err := read(d, value); err != nil {
				return inside("."+name, err)
			}
			v.SetMapIndex(key, value)
			if more, err = d.more('}'); err != nil {
				return err
			}
		}
		return nil
	}
}

// more reports whether a comma follows, and not the bracket that ends the list.
func (d *decoder) more(end byte) (bool, error) {
	if d.take(',') {
		return true, nil
	}
	if !d.take(end) {
		return false, d.unexpected(fmt.Sprintf("a comma or %q", end))
	}
	return false, nil
}

// placedError is a mistake and where in the document it is.
type placedError struct {
	place string
	err   error
	form  string // of a message about the place itself, with one %q; else ""
}

func (e *placedError) Error() string {
	place := strings.TrimPrefix(e.place, ".")
	if e.form != "" {
		return fmt.Sprintf(e.form, place)
	}
	return place + ": " + e.err.Error()
}

func (e *placedError) Unwrap() error { return e.err }

// inside puts a place in front of where err happened.
func inside(place string, err error) error {
	var e *placedError
	if errors.As(err, &e) {
		return &placedError{place + e.place, e.err, e.form}
	}
	return &placedError{place: place, err: err}
}

func twice(key string) error {
	return &placedError{place: "." + key, form: "key %q stands twice"}
}

func unknown(key string) error {
	return &placedError{place: "." + key, form: "unknown key %q: was it written by a newer imagegate?"}
}
