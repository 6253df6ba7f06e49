package edit

import (
	"errors"
	"strings"
	"testing"
)

func entry(id string) Entry {
	return Entry{{Key: "id", Value: id}, {Key: "package"}, {Key: "images", List: []string{"r.no/a"}}, {Key: "reason", Value: "it: is # odd"}, {Key: "expires", Value: "2027-01-31"}}
}

const (
	written     = "id: CVE-2026-2\n    images: [\"r.no/a\"]\n    reason: 'it: is # odd'\n    expires: 2027-01-31\n"
	writtenFlow = `{id: CVE-2026-2, images: ["r.no/a"], reason: 'it: is # odd', expires: 2027-01-31}`
)

func TestAdd(t *testing.T) {
	for name, c := range map[string]struct{ src, want string }{
		"no section": {"version: 1 # x\n\nconfig: {user: any}\n", "version: 1 # x\n\nconfig: {user: any}\n\nexceptions:\n  - " + written},
		"no end":     {"version: 1", "version: 1\n\nexceptions:\n  - " + written},
		"block": {
			"version: 1\nexceptions:\n  # mine\n  - id: A   # one\n    reason: x\n\n# other\nconfig: {user: any}\n",
			"version: 1\nexceptions:\n  # mine\n  - id: A   # one\n    reason: x\n  - " + written + "\n# other\nconfig: {user: any}\n",
		},
		"at the end":       {"version: 1\nexceptions:\n  - id: A\n    reason: x", "version: 1\nexceptions:\n  - id: A\n    reason: x\n  - " + written},
		"blank lines":      {"exceptions:\n  - id: A\n\n\n", "exceptions:\n  - id: A\n  - " + written + "\n\n"},
		"not indented":     {"exceptions:\n- id: A\nversion: 1\n", "exceptions:\n- id: A\n- " + strings.ReplaceAll(written, "\n    ", "\n  ") + "version: 1\n"},
		"a block text":     {"exceptions:\n  - id: A\n    reason: |\n      x\n      # not a comment\nversion: 1\n", "exceptions:\n  - id: A\n    reason: |\n      x\n      # not a comment\n  - " + written + "version: 1\n"},
		"flow items":       {"exceptions:\n  - {id: A, reason: \"}\"}\n", "exceptions:\n  - {id: A, reason: \"}\"}\n  - " + written},
		"a flow list":      {"exceptions: [{id: A, reason: \"a } # b\"}] # x\n", "exceptions: [{id: A, reason: \"a } # b\"}, " + writtenFlow + "] # x\n"},
		"several lines":    {"exceptions: [\n  {id: A, reason: it's},\n  {id: B, x: ['}']}\n]\nversion: 1\n", "exceptions: [\n  {id: A, reason: it's},\n  {id: B, x: ['}']}, " + writtenFlow + "\n]\nversion: 1\n"},
		"carriage returns": {"version: 1\r\nexceptions:\r\n  - id: A\r\n", "version: 1\r\nexceptions:\r\n  - id: A\r\n  - " + strings.ReplaceAll(written, "\n", "\r\n")},
	} {
		got, err := Add([]byte(c.src), []Entry{entry("CVE-2026-2")})
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n%q, want\n%q", name, err, got, c.want)
		}
	}
}

func TestSet(t *testing.T) {
	for name, c := range map[string]struct {
		src  string
		line int
		want string
	}{
		"plain":  {"exceptions:\n  - id: A\n    expires: 2026-01-01 # soon\n    reason: 2026-01-01\n", 2, "exceptions:\n  - id: A\n    expires: 2027-01-31 # soon\n    reason: 2026-01-01\n"},
		"quoted": {"exceptions:\n  - id: A\n    expires: \"2026-01-01\"\n", 2, "exceptions:\n  - id: A\n    expires: 2027-01-31\n"},
		"flow":   {"exceptions: [{id: ä, expires: '2026-01-01'},\n  {id: B, expires: 2026-01-01}]\n", 1, "exceptions: [{id: ä, expires: 2027-01-31},\n  {id: B, expires: 2026-01-01}]\n"},
		"second": {"exceptions:\n- {id: A, expires: 2026-01-01}\n- {id: B, expires: 2026-01-01}\n", 3, "exceptions:\n- {id: A, expires: 2026-01-01}\n- {id: B, expires: 2027-01-31}\n"},
	} {
		got, err := Set([]byte(c.src), c.line, "expires", "2027-01-31")
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n%q, want\n%q", name, err, got, c.want)
		}
	}
	for name, src := range map[string]string{
		"two in a line": "exceptions: [{id: A, expires: 2026-01-01}, {id: B, expires: 2026-01-01}]\n", "no such key": "exceptions:\n- id: A\n", "no list": "version: 1\n\n",
	} {
		if _, err := Set([]byte(src), 1, "expires", "2027-01-31"); !errors.Is(err, ErrLayout) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRemove(t *testing.T) {
	const three = "version: 1\nexceptions:\n  # about a\n  - id: A\n    reason: x\n\n  # about b\n  # more\n  - id: B # b\n    reason: |\n      y\n\n  - id: C\n\n# next\nconfig: {user: any}\n"
	for name, c := range map[string]struct {
		src   string
		lines []int
		want  string
	}{
		"first":                       {three, []int{4}, "version: 1\nexceptions:\n  # about b\n  # more\n  - id: B # b\n    reason: |\n      y\n\n  - id: C\n\n# next\nconfig: {user: any}\n"},
		"second":                      {three, []int{9}, "version: 1\nexceptions:\n  # about a\n  - id: A\n    reason: x\n\n  - id: C\n\n# next\nconfig: {user: any}\n"},
		"last":                        {three, []int{13}, "version: 1\nexceptions:\n  # about a\n  - id: A\n    reason: x\n\n  # about b\n  # more\n  - id: B # b\n    reason: |\n      y\n\n\n# next\nconfig: {user: any}\n"},
		"two":                         {three, []int{13, 4}, "version: 1\nexceptions:\n  # about b\n  # more\n  - id: B # b\n    reason: |\n      y\n\n\n# next\nconfig: {user: any}\n"},
		"all":                         {three, []int{4, 9, 13}, "version: 1\n\n# next\nconfig: {user: any}\n"},
		"a comment about the section": {"exceptions:\n  # agreed on Monday\n  - id: A\n  - id: B\n", []int{3}, "exceptions:\n  # agreed on Monday\n  - id: B\n"},
		"the only one, at the end":    {"version: 1\n\nexceptions:\n  - id: A\n", []int{4}, "version: 1\n"},
		"a dash alone":                {"exceptions:\n  -\n    id: A\n  - id: B\n", []int{3}, "exceptions:\n  - id: B\n"},
		"flow, first":                 {"exceptions: [{id: A},\n  {id: B}] # x\n", []int{1}, "exceptions: [{id: B}] # x\n"},
		"flow, last":                  {"exceptions: [{id: A},\n  {id: B}] # x\n", []int{2}, "exceptions: [{id: A}] # x\n"},
		"flow, two of three":          {"exceptions: [{id: A},\n  {id: B},\n  {id: C}]\n", []int{2, 3}, "exceptions: [{id: A}]\n"},
	} {
		got, err := Remove([]byte(c.src), c.lines)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n%s, want\n%s", name, err, got, c.want)
		}
	}
	for name, src := range map[string]string{"in a policy of braces": "{version: 1, exceptions: [{id: A}]}\n", "two in a line": "exceptions: [{id: A}, {id: B}]\n"} {
		if _, err := Remove([]byte(src), []int{1}); !errors.Is(err, ErrLayout) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Add([]byte("{version: 1}\n"), []Entry{entry("A")}); !errors.Is(err, ErrLayout) {
		t.Errorf("a policy in braces: %v", err)
	}
	if _, err := Add([]byte("[]"), nil); !errors.Is(err, ErrLayout) {
		t.Errorf("a list: %v", err)
	}
}

// FuzzEdit edits any text: it either fails, or the text has what it had before and
// the change, and can be undone.
func FuzzEdit(f *testing.F) {
	for _, s := range []string{
		"version: 1\nexceptions:\n  - id: A\n    expires: 2026-01-01\n", "exceptions: [{id: A, expires: 2026-01-01},\n {id: B}]", "version: 1", "exceptions:\n-\n  id: x # y\n\n# z\nb: |\n  - t\n",
		"exceptions:\n  - {id: A, r: \"a\\\"}\"}\n  - &a {id: 'x''}'}\n", "\ufeffversion: 1\r\nexceptions:\r\n- id: a\r\n...\r\n", "---\nexceptions:\n    - id: ä\n      expires: 2026-01-01\n---\n",
	} {
		f.Add(s, 2)
	}
	f.Fuzz(func(t *testing.T, src string, line int) {
		for _, change := range []func() ([]byte, error){
			func() ([]byte, error) { return Add([]byte(src), []Entry{entry("CVE-2026-2")}) },
			func() ([]byte, error) { return Set([]byte(src), line, "expires", "2027-01-31") },
			func() ([]byte, error) { return Remove([]byte(src), []int{line}) },
		} {
			out, err := change()
			if err != nil {
				continue
			}
			if _, err := read(out); err != nil {
				t.Fatalf("%q became %q, which cannot be read: %v", src, out, err)
			}
		}
	})
}
