package database

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// decode reads one JSON document into v. encoding/json alone is lenient where
// readers differ: it matches names in any case and lets the last of two equal
// ones win, so two programs can read two different documents.
func decode(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errors.New("not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := checkValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("data after the end of the document")
	}
	return json.Unmarshal(data, v)
}

// maxDepth is far more than any document of ours has.
const maxDepth = 32

func checkValue(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return errors.New("nested too deeply")
	}
	seen := map[string]bool{}
	for d.More() {
		if delim == '{' {
			if err := checkKey(d, seen); err != nil {
				return err
			}
		}
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token() // the closing one
	return err
}

func checkKey(d *json.Decoder, seen map[string]bool) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	key, _ := t.(string)
	// Both ways: encoding/json takes U+017F and U+212A for s and k.
	folded := strings.ToLower(strings.ToUpper(key))
	if seen[folded] {
		return fmt.Errorf("duplicate key %q", key)
	}
	seen[folded] = true
	return nil
}
