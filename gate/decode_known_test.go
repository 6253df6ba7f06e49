package gate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fullWith is a file of the first form with these findings.
func fullWith(findings ...string) []byte {
	return []byte(`{"schemaVersion":1,"images":[{"schemaVersion":1,"reference":{"asked":"a","source":"registry","name":"a"},` +
		`"digest":"sha256:a","platform":"x","platforms":["x"],"scan":{"engine":"e","need":2,"findings":[` + strings.Join(findings, ",") +
		`],"coverage":{"gaps":[],"unattributedCount":0,"executables":0}}}]}`)
}

// What follows the package is taken as a whole from a finding before. Nothing
// else of that finding may come with it, and no key may stand twice by it.
func TestRestOfAFindingIsTakenAlone(t *testing.T) {
	const pkg = `"package":{"name":"p","version":"1","type":"t","class":"c"}`
	const rest = `"severity":"high","cwes":["CWE-1"],"title":"a title","published":"2026-01-02T03:04:05Z"}`
	first := `{"id":"CVE-1","aliases":["GHSA-1"],` + pkg + `,"fixedVersion":"2","status":"fixed",` + rest
	for name, finding := range map[string]string{
		"the same":               first,
		"another package":        `{"id":"CVE-1","aliases":["GHSA-1"],"package":{"name":"q","version":"","type":"","class":""},` + rest,
		"other aliases":          `{"id":"CVE-1","aliases":["GHSA-2"],` + pkg + `,"status":"affected",` + rest,
		"no aliases":             `{"id":"CVE-1",` + pkg + `,` + rest,
		"another id":             `{"id":"CVE-2",` + pkg + `,` + rest,
		"id later":               `{` + pkg + `,"id":"CVE-1",` + rest,
		"nothing but the rest":   `{"id":"CVE-1",` + rest,
		"one character":          `{"id":"CVE-1",` + pkg + `,` + strings.Replace(rest, "a title", "A title", 1),
		"one more field":         `{"id":"CVE-1",` + pkg + `,` + strings.Replace(rest, `"}`, `","modified":"2026-01-02T03:04:05Z"}`, 1),
		"url before":             `{"id":"CVE-1",` + pkg + `,"url":"u",` + rest,
		"severity before":        `{"id":"CVE-1","severity":"low",` + pkg + `,` + rest,
		"package behind":         `{"id":"CVE-1",` + strings.TrimSuffix(rest, "}") + `,` + pkg + `}`,
		"package behind as well": `{"id":"CVE-1",` + pkg + `,` + strings.TrimSuffix(rest, "}") + `,` + pkg + `}`,
		"spaces":                 `{"id":"CVE-1", ` + pkg + ` , ` + rest,
		"cut":                    `{"id":"CVE-1",` + pkg + `,` + rest[:len(rest)-1],
		"no comma":               `{"id":"CVE-1",` + pkg + rest,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDecoder()
			compare(t, d, fullWith(first, first))
			compare(t, d, fullWith(finding, first))
			compare(t, d, fullWith(first, finding, finding))
		})
	}
}

// An id that several feeds describe in their own ways is not mixed up, and what
// is known of one id stays within bounds.
func TestFeedsDescribeAnIDInTheirOwnWays(t *testing.T) {
	d := newDecoder()
	for range 3 {
		var findings []string
		for i := range 3 * maxTails {
			findings = append(findings, fmt.Sprintf(`{"id":"CVE-1","package":{"name":"p","version":"1","type":"t","class":"c"},"severity":"high","severitySource":"feed %d"}`, i))
		}
		compare(t, d, fullWith(findings...))
	}
}

// Advisories of a file may be those of the file before, which must not show
// what is about the package there.
func TestEntriesAreShared(t *testing.T) {
	r := NewSavedReader()
	for _, finding := range []string{
		`{"advisory":1,"packageAt":1,"status":"fixed","fixedVersion":"2"}`,
		`{"advisory":1,"packageAt":0}`,
		`{"advisory":0,"packageAt":1,"status":"affected"}`,
	} {
		want, wantErr := ParseSaved([]byte(tableWith(finding)))
		got, err := r.Parse([]byte(tableWith(finding)))
		if err != nil || wantErr != nil {
			t.Fatal(err, wantErr)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-alone +after others):\n%s", finding, diff)
		}
	}
}

// A text that equals the one before it is taken from there, unless it is
// written with escapes.
func TestRepeatedTexts(t *testing.T) {
	texts := []string{`"a"`, `"a"`, `"a\\"`, `"a\\"`, `"a\""`, `"a\"`, `""`, `""`, `"\u0061"`, `"a"`, `null`, `"a"`, `"ab"`, `"a" `, ` "a"`, `"a`, `a"`}
	for _, x := range texts {
		for _, y := range texts {
			findings := make([]string, 0, 3)
			for _, s := range []string{x, y, x} {
				findings = append(findings, `{"id":"CVE-1","package":{"name":"p","version":"1","type":`+s+`,"class":"c"},"severity":"high"}`)
			}
			compare(t, newDecoder(), fullWith(findings...))
		}
	}
}
