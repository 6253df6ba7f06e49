package scan

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSpelled(t *testing.T) {
	for name, want := range map[string]string{
		"":                "",
		"usr/bin/ls":      "usr/bin/ls",
		"usr/F\u0151.crt": "usr/F\u0151.crt",
		"a/\xff/b":        "a/\ufffdff/b",
		"a/\xfe\xff":      "a/\ufffdfe\ufffdff",
		"a/\ufffd":        "a/\ufffd=",
		"a/\ufffdff":      "a/\ufffd=ff",
		"\xe2\x82/x":      "\ufffde2\ufffd82/x",
	} {
		if got := spelled(name); got != want {
			t.Errorf("spelled(%q) = %q, want %q", name, got, want)
		}
	}
}

// Two paths must never become one on the way through JSON.
func FuzzSpelled(f *testing.F) {
	f.Add("a/\xff", "a/\xfe")
	f.Add("a/\xff", "a/\ufffd")
	f.Add("a/\xff", "a/\ufffdff")
	f.Add("\xe2\x82", "\xe2\ufffd")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := throughJSON(t, spelled(a)), throughJSON(t, spelled(b))
		if (a == b) != (x == y) {
			t.Errorf("%q and %q become %q and %q", a, b, x, y)
		}
		if strings.Count(a, "/") != strings.Count(x, "/") {
			t.Errorf("%q has other directories than %q", x, a)
		}
	})
}

func throughJSON(t *testing.T, s string) (out string) {
	t.Helper()
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}
