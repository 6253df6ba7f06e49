package strictjson

import (
	"bytes"
	"encoding"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// checkCase looks for keys that differ only in case from a key of the Go type
// that they are decoded into. The encoding/json package and others take them for
// the same key. data has been decoded into v before.
func checkCase(data []byte, v any) error {
	c := &caseChecker{
		decoder: jsontext.NewDecoder(bytes.NewReader(data)),
		fields:  map[reflect.Type]map[string]field{},
	}
	if err := c.value(reflect.TypeOf(v)); err != nil {
		return newError(data, err)
	}
	return nil
}

type caseChecker struct {
	decoder *jsontext.Decoder
	fields  map[reflect.Type]map[string]field // by struct type and folded key
}

type field struct {
	key string
	typ reflect.Type
}

// value checks the next value, which is decoded into a t. A nil t is not decoded.
func (c *caseChecker) value(t reflect.Type) error {
	if t == nil {
		return c.decoder.SkipValue()
	}
	for t.Kind() == reflect.Pointer && !decodesItself(t) {
		t = t.Elem()
	}
	switch kind := c.decoder.PeekKind(); {
	case decodesItself(t):
	case kind == '{' && t.Kind() == reflect.Struct:
		return c.object(c.fieldsOf(t), nil)
	case kind == '{' && t.Kind() == reflect.Map:
		return c.object(nil, t.Elem())
	case kind == '[' && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array):
		return c.array(t.Elem())
	}
	return c.decoder.SkipValue()
}

// object checks an object with known fields, or, when fields is nil, with values
// that all have the type elem.
func (c *caseChecker) object(fields map[string]field, elem reflect.Type) error {
	if _, err := c.decoder.ReadToken(); err != nil {
		return err
	}
	seen := map[string]string{}
	for c.decoder.PeekKind() != '}' {
		key, err := c.decoder.ReadValue()
		if err != nil {
			return err
		}
		t := elem
		if fields != nil {
			if t, err = c.key(fields, seen, key); err != nil {
				return err
			}
		}
		if err := c.value(t); err != nil {
			return err
		}
	}
	_, err := c.decoder.ReadToken()
	return err
}

// key returns the type of the field with that key, nil for an unknown key. It
// compares the key with the known ones and with those that came before it.
func (c *caseChecker) key(fields map[string]field, seen map[string]string, quoted jsontext.Value) (reflect.Type, error) {
	plain, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		return nil, err
	}
	key, start := string(plain), c.decoder.InputOffset()-int64(len(quoted))
	folded := fold(key)
	known, isKnown := fields[folded]
	if isKnown && known.key != key {
		return nil, c.errorf(start, "the key %s is %s in another case", quote(key), quote(known.key))
	}
	if before, ok := seen[folded]; ok {
		return nil, c.errorf(start, "the keys %s and %s differ only in case", quote(before), quote(key))
	}
	seen[folded] = key
	return known.typ, nil
}

// fold maps keys that are equal under [strings.EqualFold] to one string. The
// Kelvin sign is equal to the letter k, as it is to encoding/json.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}

func (c *caseChecker) errorf(offset int64, format string, args ...any) error {
	return &json.SemanticError{
		ByteOffset: offset, JSONPointer: c.decoder.StackPointer(), Err: fmt.Errorf(format, args...),
	}
}

func (c *caseChecker) array(elem reflect.Type) error {
	if _, err := c.decoder.ReadToken(); err != nil {
		return err
	}
	for c.decoder.PeekKind() != ']' {
		if err := c.value(elem); err != nil {
			return err
		}
	}
	_, err := c.decoder.ReadToken()
	return err
}

// fieldsOf lists the keys of a struct type, those of embedded structs included.
func (c *caseChecker) fieldsOf(t reflect.Type) map[string]field {
	if fields, ok := c.fields[t]; ok {
		return fields
	}
	fields := map[string]field{}
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("json")
		key, _, _ := strings.Cut(tag, ",")
		switch {
		case tag == "-" || !f.IsExported() || (f.Anonymous && key == ""):
			continue
		case key == "":
			key = f.Name
		}
		fields[fold(key)] = field{key, f.Type}
	}
	c.fields[t] = fields
	return fields
}

// decodesItself reports whether the type has its own method of decoding. Its keys
// are not checked.
func decodesItself(t reflect.Type) bool {
	for _, method := range []reflect.Type{
		reflect.TypeFor[json.UnmarshalerFrom](), reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	} {
		if t.Implements(method) || reflect.PointerTo(t).Implements(method) {
			return true
		}
	}
	return false
}
