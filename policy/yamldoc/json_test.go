package yamldoc

import (
	"encoding/json"
	"reflect"
	"testing"

	"gopkg.in/yaml.v3"
)

// What the YAML reader makes of a JSON document is what a JSON reader makes of it, and
// each text begins at its place.
func TestJSON(t *testing.T) {
	for _, text := range []string{
		`{"a":"b\/c","d":["\/","\\/","\\\/"],"e\/f":1}`, `{"a":"\ud83d\ude00 \uD83D\uDE00","b":"\u00fc\n\"\/"}`, `["\\ud83d\\ude00", "\/"]`, `{"a": "b"}`,
		"\ufeff" + `{"a":"\/"}`, "{\"a\":\"\\/\",\n \"b\": \"\\/\"\t}\n",
	} {
		var got, want any
		if err := json.Unmarshal([]byte(trimMark(text)), &want); err != nil {
			t.Fatal(err)
		}
		data := JSON([]byte(text))
		if err := yaml.Unmarshal(data, &got); err != nil || !sameJSON(t, got, want) {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
		if len(data) != len(text) {
			t.Errorf("%s: %d bytes, want %d: %s", text, len(data), len(text), data)
		}
	}
	for _, text := range []string{`{a: "\/"}`, `a: '"\/"'`, `{"a":"\/"} x`, `{"a":"\ud83d"}`, `{"a":"\ud83dx"}`, "", `\/`} {
		if got := JSON([]byte(text)); string(got) != text {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func trimMark(text string) string {
	if len(text) >= len(byteOrderMark) && text[:len(byteOrderMark)] == byteOrderMark {
		return text[len(byteOrderMark):]
	}
	return text
}

func sameJSON(t *testing.T, a, b any) bool {
	t.Helper()
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	var u, v any
	if json.Unmarshal(x, &u) != nil || json.Unmarshal(y, &v) != nil {
		return false
	}
	return reflect.DeepEqual(u, v)
}
