package strictjson

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
)

// Decoder reads one JSON document from a stream, part by part, as strictly as
// [Unmarshal]. What it has returned is not yet valid as a document: that is known
// when [Decoder.End] returns no error.
type Decoder struct {
	json    *jsontext.Decoder
	options json.Options
	start   int64 // offset of the last value of Value
}

// NewDecoder returns a decoder that reads from r. The options must not allow
// unknown keys.
func NewDecoder(r io.Reader, options ...json.Options) *Decoder {
	all := json.JoinOptions(json.JoinOptions(options...), json.RejectUnknownMembers(true))
	return &Decoder{json: jsontext.NewDecoder(r, all), options: all}
}

// Decode decodes the next value into what v points to.
func (d *Decoder) Decode(v any) error {
	return d.place(json.UnmarshalDecode(d.json, v))
}

// Value reads the next value without decoding it. It is valid until the next
// call of a method.
func (d *Decoder) Value() (jsontext.Value, error) {
	v, err := d.json.ReadValue()
	d.start = d.json.InputOffset() - int64(len(v))
	return v, d.place(err)
}

// DecodeValue decodes what [Decoder.Value] has just returned into what v points to.
func (d *Decoder) DecodeValue(value jsontext.Value, v any) error {
	err := json.Unmarshal(value, v, d.options)
	if err == nil {
		return nil
	}
	e := newError(value, err)
	e.Offset, e.Pointer = d.start+e.Offset, string(d.json.StackPointer())+e.Pointer
	e.Line, e.Column = 0, 0
	return e
}

// Object reads an object and calls member for each of its keys. member must
// read the value.
func (d *Decoder) Object(member func(key string) error) error {
	return d.each('{', "an object", func() error {
		key, err := d.json.ReadToken()
		if err != nil {
			return d.place(err)
		}
		return member(key.String())
	})
}

// Array reads an array and calls element for each of its elements. element must
// read the value.
func (d *Decoder) Array(element func() error) error {
	return d.each('[', "an array", element)
}

func (d *Decoder) each(open jsontext.Kind, name string, read func() error) error {
	token, err := d.json.ReadToken()
	if err != nil {
		return d.place(err)
	}
	if token.Kind() != open {
		return d.Errorf("%s is required here, not %s", name, nameOf(token.Kind()))
	}
	for d.json.PeekKind() > 0 && d.json.PeekKind() != open+2 { // in ASCII, a bracket closes the one two before it
		if err := read(); err != nil {
			return err
		}
	}
	_, err = d.json.ReadToken()
	return d.place(err)
}

// End reads to the end of the stream, where nothing but white space may follow
// the document.
func (d *Decoder) End() error {
	_, err := d.json.ReadToken()
	switch {
	case errors.Is(err, io.EOF) && d.json.InputOffset() > 0:
		return nil
	case err == nil:
		return d.Errorf("there is more data after the end of the document")
	}
	return d.place(err)
}

// Errorf returns an error about the value that was read last.
func (d *Decoder) Errorf(format string, args ...any) error {
	return &Error{Offset: d.json.InputOffset(), Pointer: string(d.json.StackPointer()), Problem: fmt.Sprintf(format, args...)}
}

// place turns an error of the decoder into an [*Error], without lines because
// the stream is not kept. An error of the reader stays as it is.
func (d *Decoder) place(err error) error {
	if err == nil {
		return nil
	}
	_, _, placed := placeOf(err)
	if !placed && !errors.Is(err, io.EOF) {
		return err
	}
	e := newError(nil, err)
	e.Line, e.Column = 0, 0
	if !placed {
		e.Offset = d.json.InputOffset()
	}
	return e
}
