package safe_test

import (
	"encoding/json"
	"encoding/xml"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/gate/report/safe"
)

// hostile is what the encoders are seeded and tested with.
var hostile = []string{
	"", " ", "plain", "openssl 3.0.11-1~deb12u2+b1",
	"\x1b[31mred\x1b[0m", "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07", "\u009b31m", "a\rb", "a\nb", "a\r\nb", "tab\there", "nul\x00", "del\x7f",
	"\u202eevil\u202c", "\u2066x\u2069", "zero\u200bwidth", "\ufeffbom", "\u2028line", "\u00a0nbsp", "\u00adshy", "\u3164filler", "\u2800", "tag\U000e0041", "vs\ufe0f", "\ue000private", "\U0010ffff",
	"bad\xff\xfeutf8", "\xc0\xaf", "\xed\xa0\x80", "cut\xe2\x82",
	"::error::pwned", "  ::error::pwned", "\u00a0::add-mask::a", "x ::set-output name=a::b", ":::error::x", "::::warning::x", "Foo::Bar", "dial tcp [::1]:5000: refused", "::", ":", "a::", "::1",
	"##[error]pwned", "x##[command]y", "##vso[task.complete result=Succeeded]", "##teamcity[buildStatus status='SUCCESS']", "####", "#",
	"section_start:1:x\r\x1b[0K", "SECTION_END:1:x", "a section_start:1:x", "section_start", "section_start::x", "section_end:::error::x", "a\n::error::b", "a\n  ##[group]b",
	"50%25", "%0A::error::x", "a:b,c", "100%",
	"`", "``", "a`b", "`x`", "a|b", `a\|b`, `a\\|b`, `\`, `\\`, "|", "||", "<script>alert(1)</script>", "<!-- x", "-->", "<a href='http://e.example'>", "&lt;", "&#124;", "&amp;",
	"[x](http://evil.example)", "![x](http://evil.example/p.png)", "https://evil.example/x", "www.evil.example", "WWW.evil.example", "mailto:a@b.example", "root@evil.example", "ftp://x.example",
	"@octocat", "@@org/team", "#1", "GH-1", "gh-12", "org/repo#1", "$x$", "$$x$$", ":smile:", "**bold**", "_it_", "~~s~~", "# heading", "- item", "1. item", "1) item", "> quote", "===", "---", "+ x", "    code", "^1^", "==m==", "[^1]", "trailing  ", "trailing\\",
	"]]>", "<![CDATA[", "\ufffe", "\uffff", "\"quoted\"", "日本語パッケージ", "naïve-Ünïcode", "é́́",
}

func TestTerminalShowsWhatIsThere(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                       "plain",
		"a\x1b[2Jb":                   `a\x1b[2Jb`,
		"a\nb":                        `a\x0ab`,
		"a\tb":                        `a\x09b`,
		"\u009b31m":                   `\x9b31m`,
		"a\xffb":                      `a\xffb`,
		"\u202eevil":                  `\u{202e}evil`,
		"tag\U000e0041":               `tag\u{e0041}`,
		"日本語":                         "日本語",
		"::error::x":                  `:\x3aerror:\x3ax`,
		"Foo::Bar":                    `Foo:\x3aBar`,
		"dial tcp [::1]:5000":         "dial tcp [::1]:5000",
		"::1":                         `:\x3a1`,
		"##[error]x":                  `#\x23[error]x`,
		"x ##vso[task]":               `x #\x23vso[task]`,
		"Section_Start:1:x":           `Section_Start\x3a1:x`,
		"section_end::x":              `section_end\x3a:x`,
		`C:\dir`:                      `C:\dir`,
		"\u3164":                      `\u{3164}`,
		"registry.example:5000/a@b:c": "registry.example:5000/a@b:c",
	} {
		if got := safe.Terminal(in); got != want {
			t.Errorf("Terminal(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	got := safe.Lines("one\r\ntwo\x1b\n::error::x\n\n")
	if diff := cmp.Diff([]string{"one", `two\x1b`, `:\x3aerror:\x3ax`}, got); diff != "" {
		t.Errorf("Lines (-want +got):\n%s", diff)
	}
}

func TestCommandsSeesThroughSpaceAndColour(t *testing.T) {
	for in, want := range map[string]string{
		"\x1b[31m::error::x":   "\x1b[31m" + `:\x3aerror:\x3ax`,
		"\x1b[1;31m  ::1":      "\x1b[1;31m  " + `:\x3a1`,
		"a\n\u00a0::1":         "a\n\u00a0" + `:\x3a1`,
		"a\n\u3000::1":         "a\n\u3000" + `:\x3a1`,
		"a\n\xff::1":           "a\n\xff" + `:\x3a1`,
		"x \x1b[31m[::1]:5000": "x \x1b[31m[::1]:5000",
	} {
		if got := safe.Commands(in); got != want {
			t.Errorf("Commands(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAnnotation(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb":           "a%0Ab",
		"50%":            "50%25",
		"%0A::error::x":  `%250A:\x3aerror:\x3ax`,
		"a\n::error::x":  `a%0A:\x3aerror:\x3ax`,
		"a\r\nb\rc\x1b[": `a%0Ab\x0dc\x1b[`,
	} {
		if got := safe.Annotation(in); got != want {
			t.Errorf("Annotation(%q) = %q, want %q", in, got, want)
		}
	}
	if got, want := safe.Property("a:b,c%\n"), `a%3Ab%2Cc%25\x0a`; got != want {
		t.Errorf("Property = %q, want %q", got, want)
	}
}

func TestEncodersHoldForHostileText(t *testing.T) {
	for _, s := range hostile {
		checkAll(t, s)
	}
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a fixed seed, so that a failure repeats
	for range 5000 {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			b.WriteString(hostile[r.IntN(len(hostile))])
		}
		checkAll(t, b.String())
	}
}

func FuzzEncoders(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkAll(t, s) })
}

// checkAll holds every encoder to what it promises for s.
func checkAll(t *testing.T, s string) {
	t.Helper()
	checkTerminal(t, s)
	checkAnnotation(t, s)
	checkJSON(t, s)
	checkMarkdown(t, s)
	checkXML(t, s)
}

func checkTerminal(t *testing.T, s string) {
	t.Helper()
	got := safe.Terminal(s)
	if !utf8.ValidString(got) {
		t.Errorf("Terminal(%q) = %q is not UTF-8", s, got)
	}
	for _, r := range got {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) {
			t.Errorf("Terminal(%q) = %q lets %U through", s, got, r)
		}
	}
	if i := command(got); i != "" {
		t.Errorf("Terminal(%q) = %q has %q", s, got, i)
	}
	if again := safe.Terminal(got); again != got {
		t.Errorf("Terminal is not idempotent for %q: %q, then %q", s, got, again)
	}
}

// command returns the workflow command that a line contains, by rules that
// share no code with the encoder.
func command(line string) string {
	if strings.HasPrefix(strings.TrimSpace(line), "::") {
		return "::"
	}
	for rest := line; ; {
		_, after, ok := strings.Cut(rest, "::")
		if !ok {
			break
		}
		if r, _ := utf8.DecodeRuneInString(after); unicode.IsLetter(r) {
			return "::" + after
		}
		rest = after
	}
	lower := strings.ToLower(line)
	for _, bad := range []string{"##[", "##vso[", "##teamcity[", "section_start:", "section_end:"} {
		if strings.Contains(lower, bad) {
			return bad
		}
	}
	return ""
}

func checkAnnotation(t *testing.T, s string) {
	t.Helper()
	got := safe.Annotation(s)
	if strings.ContainsAny(got, "\r\n") {
		t.Errorf("Annotation(%q) = %q breaks the line", s, got)
	}
	decoded := strings.NewReplacer("%25", "%", "%0D", "\r", "%0A", "\n").Replace(got)
	for line := range strings.SplitSeq(decoded, "\n") {
		if bad := command(line); bad != "" {
			t.Errorf("Annotation(%q) decodes to a line with %q", s, bad)
		}
	}
	if got := safe.Property(s); strings.ContainsAny(got, "\r\n:,") {
		t.Errorf("Property(%q) = %q ends the property", s, got)
	}
}

func checkJSON(t *testing.T, s string) {
	t.Helper()
	doc, err := json.MarshalIndent(map[string]any{"k": s, s: []string{s}}, "", " ")
	if err != nil {
		return // encoding/json refuses it
	}
	got := safe.JSON(doc)
	var before, after any
	if err := json.Unmarshal(doc, &before); err != nil {
		t.Fatalf("Unmarshal(%q): %v", doc, err)
	}
	if err := json.Unmarshal(got, &after); err != nil {
		t.Errorf("JSON(%q) = %q: %v", doc, got, err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("JSON changed the meaning of %q:\n%s", doc, diff)
	}
	for line := range strings.SplitSeq(string(got), "\n") {
		if bad := command(line); bad != "" {
			t.Errorf("JSON(%q) has a line with %q", doc, bad)
		}
		if safe.Escape(line) != line {
			t.Errorf("JSON(%q) has an invisible character: %q", doc, line)
		}
	}
}

func checkXML(t *testing.T, s string) {
	t.Helper()
	type elem struct {
		A string `xml:"a,attr"`
		T string `xml:",chardata"`
	}
	in := elem{A: safe.Terminal(s), T: strings.Join(safe.Lines(s), "\n")}
	doc, err := xml.Marshal(in)
	if err != nil {
		t.Fatalf("Marshal(%q): %v", s, err)
	}
	var out elem
	if err := xml.Unmarshal(doc, &out); err != nil {
		t.Fatalf("Unmarshal(%q): %v", doc, err)
	}
	if diff := cmp.Diff(in, out); diff != "" { // encoding/xml would put U+FFFD for what XML 1.0 forbids
		t.Errorf("XML of %q does not survive:\n%s", s, diff)
	}
}
