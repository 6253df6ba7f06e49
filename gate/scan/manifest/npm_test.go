package manifest

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestReadNPM(t *testing.T) {
	for _, test := range []struct {
		name, text   string
		pkg, version string
		refused      bool
	}{
		{"plain", `{"name":"lodash","version":"4.17.20"}`, "lodash", "4.17.20", false},
		{"byte order mark", "\ufeff" + `{"name":"lodash","version":"4.17.20"}`, "lodash", "4.17.20", false},
		{"a key in capitals beside", `{"name":"lodash","NAME":"a","version":"4.17.20","Version":"9"}`, "lodash", "4.17.20", false},
		{"keys in capitals only", `{"NAME":"lodash","VERSION":"4.17.20"}`, "", "", false},
		{"a key twice", `{"name":"a","name":"lodash","version":"1","version":"4.17.20"}`, "lodash", "4.17.20", false},
		{"an escaped key", `{"n\u0061me":"lodash","version":"4.17.20"}`, "lodash", "4.17.20", false},
		{"invalid UTF-8 elsewhere", "{\"author\":\"\xff\",\"name\":\"lodash\",\"version\":\"1\"}", "lodash", "1", false},
		{"no strings", `{"name":["lodash"],"version":4}`, "", "", false},
		{"empty", "", "", "", true},
		{"cut off", `{"name":"lodash","version":"4.17`, "", "", true},
		{"more behind", `{"name":"lodash","version":"1"} {"name":"a"}`, "", "", true},
		{"no object", `["lodash"]`, "", "", true},
		{"NUL", "{\"name\":\"lodash\"\x00}", "", "", true},
		{"a comment", "{\"name\":\"lodash\" // x\n}", "", "", true},
	} {
		got, err := ReadNPM([]byte(test.text))
		if got.Name != test.pkg || got.Version != test.version || (err != nil) != test.refused {
			t.Errorf("%s: got %+v, %v", test.name, got, err)
		}
	}
}

func TestNPMPlace(t *testing.T) {
	for path, want := range map[string]string{
		"app/node_modules/lodash/package.json":                               "lodash",
		"node_modules/lodash/package.json":                                   "lodash",
		"app/node_modules/@angular/core/package.json":                        "@angular/core",
		"app/node_modules/.pnpm/a@1/node_modules/lodash/package.json":        "lodash",
		"app/node_modules/a/node_modules/b/package.json":                     "b",
		"app/node_modules/rxjs/ajax/package.json":                            "",
		"app/node_modules/@angular/core/testing/package.json":                "",
		"app/node_modules/@angular/package.json":                             "",
		"app/node_modules/.cache/package.json":                               "",
		"app/node_modules/package.json":                                      "",
		"app/package.json":                                                   "",
		"app/my_node_modules/lodash/package.json":                            "",
		"app/node_modules/resolve/test/resolver/node_modules/x/package.json": "",
		"srv/test/node_modules/lodash/package.json":                          "lodash",
		"app/node_modules/lodash/package.jsonx":                              "",
	} {
		if got, ok := NPMPlace(path); got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v", path, got, ok)
		}
	}
}

// What is read is what a reader that keeps the last of equal keys, exactly as
// written, finds.
func FuzzReadNPM(f *testing.F) {
	f.Add(`{"name":"a","NAME":"b","version":"1"}`)
	f.Add(`{"name":"a","name":1,"version":"\ud800"}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ReadNPM([]byte(text))
		var want map[string]any
		if json.Unmarshal([]byte(strings.TrimPrefix(text, "\ufeff")), &want) != nil || want == nil {
			if err == nil {
				t.Errorf("read %q as %+v", text, got)
			}
			return
		}
		if err != nil {
			t.Fatalf("did not read %q: %v", text, err)
		}
		name, _ := want["name"].(string)
		version, _ := want["version"].(string)
		if got.Name != name || got.Version != version {
			t.Errorf("read %q as %+v", text, got)
		}
	})
}
