package strictjson_test

import (
	jsonv1 "encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/imagegate/imagegate/gate/strictjson"
)

type document struct {
	Name    string            `json:"name"`
	Size    int               `json:"size,omitempty"`
	Need    uint              `json:"need,omitempty"`
	On      bool              `json:"on,omitempty"`
	Score   float64           `json:"score,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	Parts   []part            `json:"parts,omitempty"`
	ByName  map[string]part   `json:"byName,omitempty"`
	Pointer *part             `json:"pointer,omitempty"`
	Created *time.Time        `json:"created,omitempty"`
	Bytes   []byte            `json:"bytes,omitempty"`
	Kind    string            `json:"kind,omitempty"`
	Embedded
}

// Embedded has a key among those of the struct that holds it.
type Embedded struct {
	Inner string `json:"inner,omitempty"`
}

type part struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// Documents that are errors, with the place and a word of the problem.
func TestUnmarshalRefuses(t *testing.T) {
	tests := []struct {
		name, text   string
		line, column int
		pointer      string
		problem      string
	}{
		{"nothing", ``, 1, 1, "", "ends too early"},
		{"white space", " \n ", 2, 2, "", "ends too early"},
		{"cut", `{"name":"a"`, 1, 12, "", "ends too early"},
		{"cut in a string", `{"name":"a`, 1, 11, "/name", "ends too early"},
		{"cut in a word", `{"on":tru`, 1, 10, "/on", "ends too early"},
		{"data after the document", "{\"name\":\"a\"}\n{}", 2, 1, "", "more data after the end"},
		{"NUL after the document", "{}\x00", 1, 3, "", "more data after the end"},
		{"byte order mark", "\ufeff{}", 1, 1, "", "not JSON"},
		{"key twice", "{\"name\":\"a\",\n \"name\":\"b\"}", 2, 2, "/name", `"name" appears twice`},
		{"key twice by an escape", `{"name":"a","n\u0061me":"b"}`, 1, 13, "/name", `"name" appears twice`},
		{"key twice, deep", `{"parts":[{"size":1},{"size":1,"size":2}]}`, 1, 32, "/parts/1/size", `"size" appears twice`},
		{"key of a map twice", `{"labels":{"a":"1","a":"2"}}`, 1, 20, "/labels/a", `"a" appears twice`},
		{"key in another case", `{"Name":"a"}`, 1, 2, "/Name", `"Name"`},
		{"key in both cases", `{"name":"a","Name":"b"}`, 1, 13, "/Name", `"Name"`},
		{"key with a long s", `{"\u017fize":1}`, 1, 2, "/ſize", `"ſize"`},
		{"key with a Kelvin sign", "{\"\u212aind\":\"\"}", 1, 2, "/\u212aind", `ind"`},
		{"key of an embedded struct in another case", `{"Inner":"a"}`, 1, 2, "/Inner", `"Inner"`},
		{"key in another case in a map of structs", `{"byName":{"A":{"Size":1}}}`, 1, 17, "/byName/A/Size", `"Size"`},
		{"key in another case behind a pointer", `{"pointer":{"Size":1}}`, 1, 13, "/pointer/Size", `"Size"`},
		{"not UTF-8", "{\"name\":\"\xff\"}", 1, 10, "/name", "invalid UTF-8"},
		{"overlong UTF-8", "{\"name\":\"\xc0\xaf\"}", 1, 10, "/name", "invalid UTF-8"},
		{"surrogate in UTF-8", "{\"name\":\"\xed\xa0\x80\"}", 1, 10, "/name", "invalid UTF-8"},
		{"key that is not UTF-8", "{\"na\xff\":\"\"}", 1, 5, "", "invalid UTF-8"},
		{"half of a surrogate pair", `{"name":"\ud800"}`, 1, 10, "/name", "surrogate"},
		{"wrong half of a pair", `{"name":"\ud800\u0041"}`, 1, 10, "/name", "surrogate"},
		{"line break in a string", "{\"name\":\"a\nb\"}", 1, 11, "/name", "not JSON"},
		{"unknown escape", `{"name":"\v"}`, 1, 10, "/name", "not JSON"},
		{"number for a string", "{\n\"name\":1}", 2, 8, "/name", "a string is required here, not a number"},
		{"string for a number", `{"size":"1"}`, 1, 9, "/size", "a number is required here, not a string"},
		{"fraction for an integer", `{"size":1.0}`, 1, 9, "/size", "1.0"},
		{"integer that is too large", `{"size":99999999999999999999}`, 1, 9, "/size", "99999999999999999999"},
		{"negative number", `{"need":-1}`, 1, 9, "/need", "-1"},
		{"leading zero", `{"size":01}`, 1, 10, "", "not JSON"},
		{"array for an object", `{"pointer":[]}`, 1, 12, "/pointer", "an object is required here, not an array"},
		{"object for an array", `{"parts":{}}`, 1, 10, "/parts", "an array is required here, not an object"},
		{"comma at the end", `{"name":"a",}`, 1, 12, "", "not JSON"},
		{"impossible day", `{"created":"2026-02-30T03:04:05Z"}`, 1, 12, "/created", "2026-02-30"},
		{"nested without end", `{"parts":` + strings.Repeat("[", 100_000), 1, 11, "/parts/0", "an object is required here, not an array"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, unknown := range []bool{false, true} {
				err := decode([]byte(test.text), new(document), unknown)
				e, ok := errors.AsType[*strictjson.Error](err)
				if !ok {
					t.Fatalf("unknown keys %t: error = %v, want one with a place", unknown, err)
				}
				if e.Line != test.line || e.Column != test.column || e.Pointer != test.pointer || !strings.Contains(e.Problem, test.problem) {
					t.Errorf("unknown keys %t: %d:%d %q %q\nwant %d:%d %q %q", unknown, e.Line, e.Column, e.Pointer, e.Problem, test.line, test.column, test.pointer, test.problem)
				}
			}
		})
	}
}

func decode(data []byte, v any, allowUnknown bool) error {
	if allowUnknown {
		return strictjson.Unmarshal(data, v, strictjson.AllowUnknownKeys())
	}
	return strictjson.Unmarshal(data, v)
}

// Unknown keys are errors unless the caller allows them. Two of them that differ
// only in case are errors in any case, as are equal keys below them.
func TestUnknownKeys(t *testing.T) {
	for text, allowed := range map[string]bool{
		`{"name":"a","more":1}`:                 true,
		`{"name":"a","parts":[{"more":{}}]}`:    true,
		`{"na_me":"a"}`:                         true,
		`{"na-me":"a"}`:                         true,
		`{"labels":{"a":"1","A":"2"},"more":1}`: true, // labels are data
		`{"more":{"x":1,"X":2}}`:                true, // of an object without known keys
		`{"more":1,"More":2}`:                   false,
		`{"more":1,"more":2}`:                   false,
		`{"more":[{"y":{"z":1,"z":2}}]}`:        false,
		`{"more":"\ud800"}`:                     false,
	} {
		if err := decode([]byte(text), new(document), false); err == nil {
			t.Errorf("accepted unknown keys: %s", text)
		}
		if err := decode([]byte(text), new(document), true); (err == nil) != allowed {
			t.Errorf("%s, unknown keys allowed: %v", text, err)
		}
	}
}

func TestUnmarshal(t *testing.T) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	want := document{
		Name: "å😀\"\\/\b\f\n\r\t", Size: -12, Need: 3, On: true, Score: 10, Labels: map[string]string{"": "x", "a": "1", "A": "2"},
		Parts: []part{{"sha256:a", 1}, {}}, ByName: map[string]part{"Size": {Size: 5}}, Pointer: &part{Size: 1}, Created: &created,
		Bytes: []byte("abc"), Embedded: Embedded{Inner: "i"},
	}
	text := ` {"name":"\u00e5\ud83d\ude00\"\\\/\b\f\n\r\t","size":-12,"need":3,"on":true,"score":1e1,"labels":{"":"x","a":"1","A":"2"},
 "parts":[{"digest":"sha256:a","size":1},null],"byName":{"Size":{"digest":"","size":5}},"pointer":{"size":1},
 "created":"2026-01-02T03:04:05.000000006Z","bytes":"YWJj","kind":null,"inner":"i"}` + "\r\n\t "
	for _, unknown := range []bool{false, true} {
		var got document
		if err := decode([]byte(text), &got, unknown); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("unknown keys %t: read %+v\nwant %+v", unknown, got, want)
		}
	}
}

// readList reads a document part by part, one byte at a time.
func readList(text string) (names []string, err error) {
	d := strictjson.NewDecoder(iotest.OneByteReader(strings.NewReader(text)))
	err = d.Object(func(key string) error {
		switch key {
		case "raw":
			return d.Array(func() error {
				value, err := d.Value()
				if err != nil {
					return err
				}
				var p part
				err = d.DecodeValue(value, &p)
				names = append(names, p.Digest)
				return err
			})
		case "parts":
			return d.Array(func() error {
				var p part
				err := d.Decode(&p)
				names = append(names, p.Digest)
				return err
			})
		}
		return d.Errorf("unknown key %q", key)
	})
	if err != nil {
		return nil, err
	}
	return names, d.End()
}

func TestDecoder(t *testing.T) {
	got, err := readList(" {\"parts\" : [{\"digest\":\"a\"},{\"digest\":\"b\",\"size\":1}], \"raw\":[ {\"digest\":\"c\"}]}\n")
	if want := []string{"a", "b", "c"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for _, test := range []struct {
		text    string
		offset  int64
		pointer string
		problem string
	}{
		{``, 0, "", "ends too early"},
		{" \n", 0, "", "ends too early"},
		{`[]`, 1, "", "an object is required here, not an array"},
		{`{"parts":null}`, 13, "/parts", "an array is required here, not null"},
		{`{"parts":[`, 10, "/parts", "ends too early"},
		{`{"parts":[]`, 11, "", "ends too early"},
		{`{"parts":[]]`, 11, "", "not JSON"},
		{`{"parts":[],"parts":[]}`, 12, "/parts", "appears twice"},
		{`{"parts":[],"other":[]}`, 19, "/other", "unknown"},
		{`{"parts":[{"digest":"a","digest":"b"}]}`, 24, "/parts/0/digest", "appears twice"},
		{`{"parts":[{},{"Digest":"a"}]}`, 14, "/parts/1/Digest", "unknown"},
		{`{"raw":[{"digest":"a","digest":"b"}]}`, 22, "/raw/0/digest", "appears twice"},
		{`{"raw":[{}, {"Digest":"a"}]}`, 13, "/raw/1/Digest", "unknown"},
		{`{"raw":[{}, {"digest":1}]}`, 22, "/raw/1/digest", "a string is required here, not a number"},
		{"{\"raw\":[{\"digest\":\"\xff\"}]}", 19, "/raw/0/digest", "UTF-8"},
		{`{"parts":[]}{}`, 13, "", "more data after the end"},
		{`{"parts":[]}x`, 12, "", "not JSON"},
	} {
		names, err := readList(test.text)
		e, ok := errors.AsType[*strictjson.Error](err)
		if !ok {
			t.Errorf("%s: read %v, %v", test.text, names, err)
		} else if e.Offset != test.offset || e.Pointer != test.pointer || !strings.Contains(e.Problem, test.problem) || e.Line != 0 {
			t.Errorf("%s: byte %d %q %q\nwant byte %d %q %q", test.text, e.Offset, e.Pointer, e.Problem, test.offset, test.pointer, test.problem)
		}
	}
}

// An error of the reader is no mistake of the document.
func TestDecoderReturnsErrorsOfTheReader(t *testing.T) {
	broken := errors.New("broken disk")
	d := strictjson.NewDecoder(io.MultiReader(strings.NewReader(`{"parts":`), iotest.ErrReader(broken)))
	err := d.Object(func(string) error { return d.Decode(new([]part)) })
	if e, ok := errors.AsType[*strictjson.Error](err); ok || !errors.Is(err, broken) {
		t.Errorf("error = %v (%v), want that of the reader", err, e)
	}
}

// A message can hold parts of the document, but nothing that changes a terminal.
func TestErrorsAreHarmless(t *testing.T) {
	for _, key := range []string{`\u001b[31m`, `a\nb`, `\u202e`, strings.Repeat("long", 1000)} {
		for _, text := range []string{`{"` + key + `":1}`, `{"labels":{"` + key + `":1}}`, `{"labels":{"` + key + `":"","` + key + `":""}}`} {
			err := strictjson.Unmarshal([]byte(text), new(document))
			if err == nil {
				t.Fatalf("accepted %s", text)
			}
			if s := err.Error(); len(s) > 600 || strings.ContainsAny(s, "\x1b\n\u202e") {
				t.Errorf("message %q", s)
			}
		}
	}
}

func TestMarshal(t *testing.T) {
	v := map[string]any{"b": "a&b<c>\u2028", "a": []string(nil), "c": map[string]string(nil), "d": document{Name: "x", Size: 0}, "e": []int{}, "f": struct{}{}}
	want := `{"a":null,"b":"a&b<c>` + "\u2028" + `","c":null,"d":{"name":"x"},"e":[],"f":{}}`
	if got, err := strictjson.Marshal(v); err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
	wantIndented := "{\n  \"digest\": \"d\",\n  \"size\": 1\n}\n"
	if got, err := strictjson.MarshalIndent(part{"d", 1}); err != nil || string(got) != wantIndented {
		t.Errorf("%q, %v\nwant %q", got, err, wantIndented)
	}
	if got, err := strictjson.Marshal("a\xff"); err != nil || string(got) != "\"a\ufffd\"" {
		t.Errorf("%q, %v for bytes that are not UTF-8", got, err)
	}
}

// What is accepted is what encoding/json reads, and it means the same.
func FuzzUnmarshal(f *testing.F) {
	for _, text := range []string{
		`{"name":"a","parts":[{"digest":"x","size":1}],"labels":{"a":"b"},"byName":{"a":{"size":1}},"pointer":{"size":2}}`,
		`{"Name":"a"}`, `{"name":"a","name":"b"}`, `{"more":1,"More":2}`, `{"created":"2026-01-02T03:04:05Z","bytes":"YWJj","score":1e3}`, `{}{}`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var closed, open, v1 document
		closedErr, openErr := decode(data, &closed, false), decode(data, &open, true)
		if closedErr == nil && (openErr != nil || !reflect.DeepEqual(closed, open)) {
			t.Fatalf("accepted without unknown keys only: %v\n%q", openErr, data)
		}
		if openErr == nil {
			if err := jsonv1.Unmarshal(data, &v1); err != nil {
				t.Fatalf("encoding/json refuses: %v\n%q", err, data)
			}
			if !reflect.DeepEqual(v1, open) {
				t.Fatalf("encoding/json reads %+v, strictjson %+v\n%q", v1, open, data)
			}
		}
		for _, err := range []error{closedErr, openErr} {
			if err == nil {
				continue
			}
			e, ok := errors.AsType[*strictjson.Error](err)
			if !ok || e.Line < 1 || e.Column < 1 || e.Error() == "" {
				t.Fatalf("error %v without a place\n%q", err, data)
			}
		}
	})
}

// A document that is read part by part is accepted when it is as a whole, and
// means the same. Only a list that is null is refused.
func FuzzDecoder(f *testing.F) {
	for _, text := range []string{
		`{"parts":[{"digest":"a"}],"raw":[{"digest":"b","size":1}]}`, `{"raw":[{"digest":"a","digest":"b"}]}`, `{"parts":null}`, `{"parts":[]}{}`, `[]`, ``,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var whole struct {
			Parts []part `json:"parts"`
			Raw   []part `json:"raw"`
		}
		wholeErr := strictjson.Unmarshal([]byte(text), &whole)
		names, err := readList(text)
		switch {
		case err == nil && wholeErr != nil:
			t.Fatalf("accepted part by part, but not as a whole: %v\n%q", wholeErr, text)
		case err != nil && wholeErr == nil && !strings.Contains(text, "null"):
			t.Fatalf("accepted as a whole, but not part by part: %v\n%q", err, text)
		case err == nil && len(names) != len(whole.Parts)+len(whole.Raw):
			t.Fatalf("read %q, want %+v\n%q", names, whole, text)
		}
		if e, ok := errors.AsType[*strictjson.Error](err); err != nil && (!ok || e.Offset < 0 || e.Offset > int64(len(text))) {
			t.Fatalf("error %v without a place\n%q", err, text)
		}
	})
}

// own decodes itself.
type own struct {
	Key string `json:"key"`
}

func (o *own) UnmarshalJSON(b []byte) error {
	o.Key = string(b)
	return nil
}

// The keys of a struct are those that encoding/json knows: names of fields
// without a tag, and neither hidden nor embedded fields. A type that decodes
// itself has keys of its own.
func TestKeysOfFields(t *testing.T) {
	type fields struct {
		Plain   string
		Skipped string `json:"-"`
		hidden  string
		Embedded
		Named   Embedded `json:"named"`
		Own     own
		Pointer *own
		List    []own
	}
	for text, allowed := range map[string]bool{
		`{"Plain":"a"}`:                   true,
		`{"plain":"a"}`:                   false,
		`{"skipped":1,"Hidden":1}`:        true,
		`{"embedded":{"x":1}}`:            true,
		`{"Named":{}}`:                    false,
		`{"named":{"Inner":""}}`:          false,
		`{"inner":"a"}`:                   true,
		`{"Inner":"a"}`:                   false,
		`{"Own":{"Key":1,"KEY":2}}`:       true,
		`{"Pointer":{"Key":1,"KEY":2}}`:   true,
		`{"List":[{"Key":1,"KEY":2},{}]}`: true,
		`{"own":{}}`:                      false,
	} {
		err := strictjson.Unmarshal([]byte(text), &fields{hidden: ""}, strictjson.AllowUnknownKeys())
		if (err == nil) != allowed {
			t.Errorf("%s: %v, want allowed %t", text, err, allowed)
		}
	}
}
