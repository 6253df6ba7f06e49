package report

import (
	"bytes"
	"encoding/json"
	"testing"
)

// compactAndIndented are the two forms of a document by encoding/json.
func compactAndIndented(t *testing.T, document []byte, prefix string) (compact, indented []byte) {
	t.Helper()
	var a, b bytes.Buffer
	if json.Compact(&a, document) != nil || json.Indent(&b, a.Bytes(), prefix, "  ") != nil {
		t.Skip("not JSON")
	}
	return a.Bytes(), b.Bytes()
}

func checkIndent(t *testing.T, document []byte) {
	t.Helper()
	for _, prefix := range []string{"", "    "} {
		compact, want := compactAndIndented(t, document, prefix)
		if got := appendIndented(nil, compact, prefix); !bytes.Equal(got, want) {
			t.Errorf("%s\nis written as\n%s\nwant\n%s", compact, got, want)
		}
	}
}

var indentSamples = []string{
	`{}`, `[]`, `""`, `0`, `null`, `{"a":{}}`, `[[],{}]`, `[1,[2,{"b":[3,"x"]}],{"c":null}]`,
	`{"a":"{,:[]}","b\"":"\\","c":"\\\"","d":[true,false,-1.5e3]}`, `{"":[""]}`, `"\\\\"`, "\"\u00e6\u2028\"",
}

func TestIndent(t *testing.T) {
	for _, document := range indentSamples {
		checkIndent(t, []byte(document))
	}
}

func FuzzIndent(f *testing.F) {
	for _, document := range indentSamples {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, document []byte) { checkIndent(t, document) })
}
