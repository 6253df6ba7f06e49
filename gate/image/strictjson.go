package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/imagegate/imagegate/policy/words"
)

// maxJSONDepth bounds how deep a document may nest. Image documents need six.
const maxJSONDepth = 64

// shape lists the keys that somebody reads in a JSON object. Where it has no
// keys the object is a map whose keys are data, such as labels.
type Shape map[string]Shape

// decodeStrict decodes one JSON document into v, if every reader must see the
// same in it. Go's decoder matches keys whatever their case and lets the last
// one win, others take the first or only the exact one: so an object may not
// have a key twice, nor a key that differs from a known one by case alone, and
// nothing may follow the document. Unknown keys are allowed, as the OCI spec
// demands.
func DecodeStrict(raw []byte, s Shape, v any) error {
	if !utf8.Valid(raw) {
		return errors.New("it is not valid UTF-8")
	}
	w := &jsonWalker{dec: json.NewDecoder(bytes.NewReader(raw))}
	w.dec.UseNumber()
	if err := w.value(s, "", 1); err != nil {
		return err
	}
	if _, err := w.dec.Token(); err != io.EOF {
		return errors.New("there is more after the end of the JSON document")
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return errors.New(jsonProblem(err))
	}
	return nil
}

// jsonWalker reads tokens. It keeps no values, so that the cost is bounded by
// the document's size.
type jsonWalker struct{ dec *json.Decoder }

// value checks the value that begins with the next token.
func (w *jsonWalker) value(s Shape, at string, depth int) error {
	token, err := w.dec.Token()
	if err != nil {
		return fmt.Errorf("it is not JSON: %s", jsonProblem(err))
	}
	if depth > maxJSONDepth {
		return fmt.Errorf("it is nested deeper than %d levels", maxJSONDepth)
	}
	switch token {
	case json.Delim('{'):
		return w.object(s, at, depth)
	case json.Delim('['):
		return w.array(s, at, depth)
	}
	return nil
}

// array checks the rest of an array; its elements have the array's shape.
func (w *jsonWalker) array(s Shape, at string, depth int) error {
	for w.dec.More() {
		if err := w.value(s, at, depth+1); err != nil {
			return err
		}
	}
	return w.end()
}

// object checks the rest of an object.
func (w *jsonWalker) object(s Shape, at string, depth int) error {
	seen := map[string]string{}
	for w.dec.More() {
		token, err := w.dec.Token()
		if err != nil {
			return fmt.Errorf("it is not JSON: %s", jsonProblem(err))
		}
		key, ok := token.(string)
		if !ok {
			return errors.New("it is not JSON: a key is not a string")
		}
		place := strings.TrimPrefix(at+"."+key, ".")
		if err := checkKey(s, seen, key, place); err != nil {
			return err
		}
		if err := w.value(s[key], place, depth+1); err != nil {
			return err
		}
	}
	return w.end()
}

// end reads a closing bracket.
func (w *jsonWalker) end() error {
	if _, err := w.dec.Token(); err != nil {
		return fmt.Errorf("it is not JSON: %s", jsonProblem(err))
	}
	return nil
}

// checkKey looks for an earlier or a known key that some reader would take for
// the same one.
func checkKey(s Shape, seen map[string]string, key, place string) error {
	same := key
	if len(s) > 0 {
		same = fold(key)
	}
	if earlier, twice := seen[same]; twice {
		if earlier == key {
			return fmt.Errorf("the key %s stands twice", words.Quote(place))
		}
		return fmt.Errorf("the keys %s and %s differ by case alone", words.Quote(earlier), words.Quote(place))
	}
	seen[same] = key
	if _, known := s[key]; known {
		return nil
	}
	for known := range s {
		if fold(known) == same {
			return fmt.Errorf("the key %s is %s in another case", words.Quote(place), words.Quote(known))
		}
	}
	return nil
}

// fold maps keys that Go's JSON decoder takes for the same to one string. That
// is Unicode's simple folding: the Kelvin sign is a k to it.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}

// jsonProblem is what a decoder complains about. Its messages quote parts of
// the document.
func jsonProblem(err error) string {
	// With GOEXPERIMENT=jsonv2 the decoder has the second form of the same.
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "unexpected end of JSON input") {
		return "it ends in the middle"
	}
	return strings.Trim(words.Quote(strings.TrimPrefix(err.Error(), "json: ")), `"`)
}
