package gate

import (
	"reflect"
	"strconv"
	"time"
)

func readString(d *decoder, v reflect.Value) error {
	s, err := d.text()
	if err == nil {
		v.SetString(s)
	}
	return err
}

// repeatedString returns the reader of a field that often has the text of the
// one before it, as the type and the layer of packages have.
func repeatedString() readFunc {
	last, plain := "", false // a text without escapes stands in a file as it is
	return func(d *decoder, v reflect.Value) error {
		d.peek()
		if rest, n := d.data[d.pos:], len(last); plain && len(rest) >= n+2 &&
			rest[0] == '"' && string(rest[1:n+1]) == last && rest[n+1] == '"' {
			d.pos += n + 2
			v.SetString(last)
			return nil
		}
		start := d.pos
		s, err := d.text()
		if err == nil {
			v.SetString(s)
			last, plain = s, len(s) <= longestShare && d.pos-start == len(s)+2
		}
		return err
	}
}

func readBool(d *decoder, v reflect.Value) error {
	switch {
	case d.word("true"):
		v.SetBool(true)
	case !d.word("false"):
		return d.unexpected("true or false")
	}
	return nil
}

func readInt(d *decoder, v reflect.Value) error {
	n, err := d.integer()
	if err == nil {
		v.SetInt(n)
	}
	return err
}

func readUint(d *decoder, v reflect.Value) error {
	text, err := d.number()
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err == nil {
		v.SetUint(n)
	}
	return err
}

func readFloat(d *decoder, v reflect.Value) error {
	text, err := d.number()
	if err != nil {
		return err
	}
	f, err := strconv.ParseFloat(text, 64)
	if err == nil {
		v.SetFloat(f)
	}
	return err
}

// readTime takes a time as it is written, without escapes.
func readTime(d *decoder, v reflect.Value) error {
	d.peek()
	start := d.pos
	if _, err := d.bytes(); err != nil {
		return err
	}
	return v.Addr().Interface().(*time.Time).UnmarshalJSON(d.data[start:d.pos])
}
