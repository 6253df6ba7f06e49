package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// maxJSONDepth bounds how deep a document may nest.
const maxJSONDepth = 64

// decodeStrictly is what [decoder] is compared with: two passes over
// encoding/json, simple and slow. It decodes one JSON document into v, a pointer
// to a struct, and refuses what encoding/json overlooks: unknown keys, keys that differ from a
// field's in case, keys that stand twice, and anything after the document.
func decodeStrictly(data []byte, v any) error {
	if err := checkKeys(data, v); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON document")
	}
	return nil
}

// checkKeys compares every key of a JSON document with the struct that it will
// be decoded into.
func checkKeys(data []byte, v any) error {
	c := &keyChecker{dec: json.NewDecoder(bytes.NewReader(data))}
	c.dec.UseNumber()
	return c.value(reflect.TypeOf(v), "", 0)
}

type keyChecker struct{ dec *json.Decoder }

// value checks the next value, which will be decoded into a t. A nil t takes
// anything: values whose type decodes itself.
func (c *keyChecker) value(t reflect.Type, at string, depth int) error {
	if depth > maxJSONDepth {
		return fmt.Errorf("%s is nested too deep", at)
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	token, err := c.dec.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return c.object(t, at, depth)
	case json.Delim('['):
		return c.array(t, at, depth)
	}
	return nil
}

func (c *keyChecker) object(t reflect.Type, at string, depth int) error {
	seen := map[string]bool{}
	for c.dec.More() {
		token, err := c.dec.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		place := strings.TrimPrefix(at+"."+key, ".")
		if seen[key] {
			return fmt.Errorf("key %q stands twice", place)
		}
		seen[key] = true
		field, err := fieldType(t, key, place)
		if err != nil {
			return err
		}
		if err := c.value(field, place, depth+1); err != nil {
			return err
		}
	}
	_, err := c.dec.Token()
	return err
}

func (c *keyChecker) array(t reflect.Type, at string, depth int) error {
	var elem reflect.Type
	if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
		elem = t.Elem()
	}
	for i := 0; c.dec.More(); i++ {
		if err := c.value(elem, fmt.Sprintf("%s[%d]", at, i), depth+1); err != nil {
			return err
		}
	}
	_, err := c.dec.Token()
	return err
}

// fieldType returns the type that the value of key will have.
func fieldType(t reflect.Type, key, place string) (reflect.Type, error) {
	switch {
	case t == nil:
		return nil, nil
	case t.Kind() == reflect.Map:
		return t.Elem(), nil
	case t.Kind() != reflect.Struct:
		return nil, nil // the decoder refuses the object with better words
	}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == key {
			return t.Field(i).Type, nil
		}
	}
	return nil, fmt.Errorf("unknown key %q: was it written by a newer imagegate?", place)
}
