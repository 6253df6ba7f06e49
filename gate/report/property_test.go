package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"html"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Anyone who can write a file of evidence can change the verdict about it, and
// every report says so. The text of such a pass does not say that the image may ship.
func TestSavedEvidenceIsNamed(t *testing.T) {
	for name, run := range samples() {
		run.Saved = true
		for _, f := range report.OwnFormats() {
			text := string(write(t, f.Name, run, report.Options{Width: 1000}))
			if !strings.Contains(text, "not sealed") || strings.Contains(text, "What was judged may ship") {
				t.Errorf("%s: %s does not say that the evidence is not sealed:\n%s", name, f.Name, text)
			}
		}
	}
}

// Every format says what is known of the exploitation of a finding that blocks: since
// when, until when it has to be fixed, that this day has passed, and how likely it is.
func TestExploitationIsInEveryFormat(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	run := failRun()
	f := &run.Results[0].Verdict.Findings[0]
	f.KEV, f.EPSS, f.DuePassed = &evidence.KEVEntry{Added: day(1), Due: day(22)}, &evidence.EPSSScore{Probability: 0.9435, Percentile: 0.999}, true
	f.Mark = "known to be exploited since 2026-11-01, due 2026-11-22, which has passed; EPSS 0.9435 (percentile 0.999)"
	for _, format := range report.OwnFormats() {
		text := string(write(t, format.Name, run, report.Options{Width: 1000}))
		for _, want := range []string{"2026-11-01", "2026-11-22", "assed", "0.9435"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %s:\n%s", format.Name, want, text)
			}
		}
	}
}

// A verdict for another day is marked in every format, and never tells anyone to ship.
func TestHypotheticalVerdictIsNamed(t *testing.T) {
	for name, run := range samples() {
		run.Saved, run.Hypothetical = true, true
		for _, f := range report.OwnFormats() {
			text := string(write(t, f.Name, run, report.Options{Width: 1000}))
			if !strings.Contains(strings.ToLower(text), "hypothetical") || strings.Contains(text, "ay ship; mind") || strings.Contains(text, "Do not ship") {
				t.Errorf("%s: %s does not say that the verdict is hypothetical:\n%s", name, f.Name, text)
			}
		}
	}
}

// Every report says what was copied from where to where, and what a person decided
// about an image that fails.
func TestPromotionsAreNamed(t *testing.T) {
	for name, want := range map[string][]string{
		"promoted":  {"registry.example.no/test/app", "registry.example.no/prod/app", "mirror.example.no/prod/app", digestA, "2 manifests", "9 blobs", "1.4.2 (new)", digestI, "1.4.3 loses orders", "503"},
		"emergency": {"fail, promoted in an emergency", "anna.berg", "2026-11-25", "the shop is down", "registry.example.no/prod/app", digestA},
	} {
		run := samples()[name]
		for _, f := range report.OwnFormats() {
			text := html.UnescapeString(string(write(t, f.Name, run, report.Options{Width: 10000})))
			for _, w := range want {
				if f.Name == "json" && strings.ContainsAny(w, " ,") {
					continue // it has fields of its own, see below
				}
				if !strings.Contains(text, w) {
					t.Errorf("%s: %s does not say %q:\n%s", name, f.Name, w, text)
				}
			}
		}
	}
	var d report.Document
	if err := json.Unmarshal(write(t, "json", emergencyRun(), report.Options{}), &d); err != nil {
		t.Fatal(err)
	}
	p := d.Promotion
	if d.Verdict != "fail" || p == nil || !p.Done || p.Emergency == nil || p.Emergency.Reason != "the shop is down" || p.Targets[0].Nodes[0].Parent != digestA || p.Targets[0].Tags[2].Before != digestI {
		t.Errorf("%s, %+v", d.Verdict, p)
	}
	if !slices.ContainsFunc(d.Notes, func(n string) bool { return strings.HasPrefix(n, "fail, promoted in an emergency by anna.berg") }) {
		t.Errorf("notes %q", d.Notes)
	}
}

// TestWritersOnlyWrite is the promise of the package: a writer changes nothing,
// so neither the verdict nor another format depends on which formats are written.
func TestWritersOnlyWrite(t *testing.T) {
	sameErr := cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) || a.Error() == b.Error() })
	for name, run := range samples() {
		fresh := samples()[name]
		before := run.Outcome()
		var first [][]byte
		for _, f := range report.OwnFormats() {
			first = append(first, write(t, f.Name, run, report.Options{}))
		}
		formats := report.OwnFormats()
		slices.Reverse(formats)
		for i, f := range formats {
			again := write(t, f.Name, run, report.Options{})
			if !bytes.Equal(again, first[len(first)-1-i]) {
				t.Errorf("%s: %s differs from what was written before", name, f.Name)
			}
		}
		if run.Outcome() != before {
			t.Errorf("%s: the outcome changed from %s to %s", name, before, run.Outcome())
		}
		if diff := cmp.Diff(fresh, run, sameErr, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(gate.Result{}, "Plan")); diff != "" {
			t.Errorf("%s: writing changed the run:\n%s", name, diff)
		}
	}
}

// TestVerdictIsTheSameEverywhere reads the verdict back from every format.
func TestVerdictIsTheSameEverywhere(t *testing.T) {
	for name, run := range samples() {
		want := run.Outcome().String()
		more := "" // in every format, an excused image still fails
		if run.Excused() {
			more = ", promoted in an emergency"
		}
		shout := strings.ToUpper(strings.ReplaceAll(want, "-", " ")) + more
		for format, has := range map[string]string{
			"text": shout + "  ", "markdown": "## imagegate: " + shout + "\n",
			"markdown-comment": "## imagegate: " + shout + "\n", "gitlab": "verdict: " + want + more + " (",
		} {
			got := string(write(t, format, run, report.Options{}))
			if i := strings.Index(got, has); i < 0 || i > 1200 {
				t.Errorf("%s: %s does not begin with %q: %.100q", name, format, has, got)
			}
		}
		var document struct{ Verdict string }
		if err := json.Unmarshal(write(t, "json", run, report.Options{}), &document); err != nil || document.Verdict != want {
			t.Errorf("%s: json says %q, %v, want %s", name, document.Verdict, err, want)
		}
		passed := run.Outcome() == policy.Passed
		if red := strings.Contains(string(write(t, "junit", run, report.Options{})), "<failure") ||
			strings.Contains(string(write(t, "junit", run, report.Options{})), "<error"); red == passed {
			t.Errorf("%s: junit is red: %t, verdict %s", name, red, want)
		}
		for _, format := range []string{"sarif", "codequality", "github"} {
			got := string(write(t, format, run, report.Options{}))
			bad := strings.Contains(got, `"level": "error"`) || strings.Contains(got, "::error ") ||
				strings.Contains(got, `"severity": "critical"`) || strings.Contains(got, `"severity": "blocker"`)
			if bad == passed {
				t.Errorf("%s: %s shows errors: %t, verdict %s", name, format, bad, want)
			}
		}
	}
}

// TestRefusalIsNeverGreen takes away everything but the decision.
func TestRefusalIsNeverGreen(t *testing.T) {
	for _, d := range []policy.Decision{policy.Denied, policy.Undecided} {
		for _, rules := range [][]policy.RuleResult{nil, {rule("config.user", policy.ResultPass, 1, "fine")}} {
			run := newRun(gate.Result{Ref: "a", Evidence: newImage("a", "a", digestA, "linux/amd64"), Verdict: policy.Verdict{Decision: d, Rules: rules}})
			if got := string(write(t, "junit", run, report.Options{})); !strings.Contains(got, "<failure") && !strings.Contains(got, "<error") {
				t.Errorf("%s with %d passing rules is green in junit:\n%s", d, len(rules), got)
			}
		}
	}
}

// TestNoVerdictHasNoAnswers: what was evaluated before a run was cut short must
// not look like an answer, in any format.
func TestNoVerdictHasNoAnswers(t *testing.T) {
	run := failRun()
	run.Results[0].Err = &gate.Fault{Phase: gate.PhaseScan, Err: errors.New("cut short")}
	for _, f := range report.OwnFormats() {
		got := string(write(t, f.Name, run, report.Options{}))
		for _, answer := range []string{"CVE-2024-0001", "config.user", "reference.deny-tags"} {
			if strings.Contains(got, answer) {
				t.Errorf("%s shows %s of a result without a verdict", f.Name, answer)
			}
		}
		if !strings.Contains(got, "cut short") {
			t.Errorf("%s does not say why there is no verdict", f.Name)
		}
	}
}

// TestExceptionsOfSeveralImages: an exception that one image needs is in use,
// even if the other images do not need it.
func TestExceptionsOfSeveralImages(t *testing.T) {
	e := &policy.Exception{ID: "CVE-1", Position: policy.Position{File: "p.yaml", Line: 4}}
	other := *e
	use := func(e *policy.Exception, s policy.ExceptionStatus, n int) gate.Result {
		return gate.Result{Ref: "a", Verdict: policy.Verdict{Decision: policy.Passed, Exceptions: []policy.ExceptionUse{{Exception: e, Status: s, Matches: n}}}}
	}
	for _, c := range []struct {
		a, b policy.ExceptionStatus
		want string
	}{
		{policy.ExceptionUnused, policy.ExceptionUsed, "used"}, {policy.ExceptionUsed, policy.ExceptionUnused, "used"},
		{policy.ExceptionOutOfScope, policy.ExceptionUsed, "used"}, {policy.ExceptionUnused, policy.ExceptionOutOfScope, "out-of-scope"},
		{policy.ExceptionUsed, policy.ExceptionRefused, "refused"}, {policy.ExceptionUnused, policy.ExceptionUnused, "unused"},
	} {
		var doc report.Document
		run := newRun(use(e, c.a, 1), use(&other, c.b, 2))
		if err := json.Unmarshal(write(t, "json", run, report.Options{}), &doc); err != nil {
			t.Fatal(err)
		}
		if len(doc.Exceptions) != 1 || string(doc.Exceptions[0].Status) != c.want || doc.Exceptions[0].Matches != 3 {
			t.Errorf("%s and %s: %+v, want one that is %s", c.a, c.b, doc.Exceptions, c.want)
		}
	}
}

func TestNoFormatLetsControlCharactersThrough(t *testing.T) {
	for name, run := range samples() {
		for _, f := range report.OwnFormats() {
			checkClean(t, name+"/"+f.Name, f.Name, write(t, f.Name, run, report.Options{}))
		}
	}
}

func FuzzHostileText(f *testing.F) {
	for _, s := range []string{hostileText, "::error::x", "\u202e", "a\nb", "CVE-2024-1\x00", "../../etc/passwd", "https://x.example/%zz", "", "|", "`", "GHSA-35jh-r3h4-6jhm"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		run := hostileRun(s)
		for _, format := range report.OwnFormats() {
			checkClean(t, format.Name, format.Name, write(t, format.Name, run, report.Options{Width: 80}))
		}
	})
}

// checkClean holds the output of one format to what every format promises.
func checkClean(t *testing.T, what, format string, out []byte) {
	t.Helper()
	if !utf8.Valid(out) {
		t.Errorf("%s: not UTF-8", what)
	}
	for _, r := range string(out) {
		if r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
			t.Errorf("%s: %U gets through", what, r)
			break
		}
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		if format == "github" && (strings.HasPrefix(line, "::error ") || strings.HasPrefix(line, "::notice ") || strings.HasPrefix(line, "::warning ")) {
			_, line, _ = strings.Cut(line[2:], "::") // our own command; nothing in its message may be one
		}
		lower := strings.ToLower(line)
		for _, bad := range []string{"##[", "##vso[", "##teamcity[", "section_start:", "section_end:", "::error", "::add-mask", "::set-"} {
			if strings.Contains(lower, bad) {
				t.Errorf("%s: a line has %q: %.200q", what, bad, line)
			}
		}
		if strings.HasPrefix(strings.TrimSpace(line), "::") {
			t.Errorf("%s: a line begins a command: %.200q", what, line)
		}
	}
	switch format {
	case "json", "sarif", "gitlab", "codequality":
		if !json.Valid(out) {
			t.Errorf("%s: not JSON", what)
		}
	case "junit":
		checkXML(t, what, out)
	}
}

func checkXML(t *testing.T, what string, out []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(out))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
	}
}

func TestWriteReportsTheWritersError(t *testing.T) {
	full := errors.New("full")
	for _, f := range report.OwnFormats() {
		if err := f.Write(failingWriter{full}, failRun(), report.Options{}); !errors.Is(err, full) {
			t.Errorf("%s: %v, want %v", f.Name, err, full)
		}
		if err := f.Write(io.Discard, nil, report.Options{}); err == nil {
			t.Errorf("%s: no run is no error", f.Name)
		}
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
