package report_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

func textOf(t *testing.T, run *gate.Run, o report.Options) string {
	t.Helper()
	f, err := report.Lookup("text")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b, run, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// accepted is an image that passes although it has critical findings.
func accepted(ref string) gate.Result {
	finding := func(id string, class policy.Class, severity evidence.Severity) policy.Judged {
		return policy.Judged{
			Finding:  &evidence.Finding{Advisory: &evidence.Advisory{ID: id, Severity: severity}, Package: &evidence.Package{Name: "openssl", Version: "3.0"}},
			Severity: severity, Class: class,
		}
	}
	return gate.Result{
		Ref:      ref,
		Evidence: &evidence.Image{Digest: digestA, Platform: "linux/amd64", Reference: evidence.Reference{Asked: ref, Name: ref}},
		Verdict: policy.Verdict{
			Decision: policy.Passed,
			Rules:    []policy.RuleResult{{Rule: "config.user", Result: policy.ResultPass}, {Rule: "config.size", Result: policy.ResultOff}},
			Findings: []policy.Judged{
				finding("CVE-1", policy.ClassUnfixed, evidence.SeverityCritical),
				finding("CVE-2", policy.ClassUnfixed, evidence.SeverityLow),
				finding("CVE-3", policy.ClassExcepted, evidence.SeverityCritical),
			},
		},
	}
}

// A pass names its critical findings without a fix. Other accepted findings are
// listed on request.
func TestTextOfAPassNamesWhatItAccepted(t *testing.T) {
	run := &gate.Run{Results: []gate.Result{accepted("app:1")}}
	short, all := textOf(t, run, report.Options{}), textOf(t, run, report.Options{All: true})
	for _, want := range []string{"CVE-1 (openssl 3.0)", "1 rule"} {
		if !strings.Contains(short, want) {
			t.Errorf("the text does not hold %q:\n%s", want, short)
		}
	}
	for _, only := range []string{"config.user", "config.size", "CVE-2", "CVE-3", "excepted  "} {
		if strings.Contains(short, only) || !strings.Contains(all, only) {
			t.Errorf("%q must be in the long text alone:\n%s\n\n%s", only, short, all)
		}
	}
}

// The summary comes before the images, with a line for each that fits a narrow
// terminal. Names with the same beginning stay distinct.
func TestTextSummaryComesFirst(t *testing.T) {
	run := &gate.Run{}
	for i := range 8 {
		run.Results = append(run.Results, accepted(fmt.Sprintf("registry.example.no/a/rather/long/repository/for/one/image/app%d:1.2.3", i)))
	}
	out := textOf(t, run, report.Options{})
	before, _, _ := strings.Cut(out, "\nPASS  registry")
	lines := strings.Split(strings.TrimSpace(before), "\n")
	if len(lines) != 3+8 {
		t.Fatalf("the summary has %d lines, want 11:\n%s", len(lines), before)
	}
	for i, line := range lines[3:] {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
		if !strings.HasSuffix(line, fmt.Sprintf("app%d:1.2.3", i)) {
			t.Errorf("line %d does not tell which image it is about: %s", i, line)
		}
	}
}

// Tables fit 80 columns, and identifiers in them are never cut.
func TestTextTablesFit(t *testing.T) {
	for name, run := range samples() {
		for line := range strings.Lines(textOf(t, run, report.Options{All: true})) {
			line = strings.TrimRight(line, "\n")
			if strings.HasPrefix(line, "    CVE-") && len([]rune(line)) > 80 {
				t.Errorf("%s: %d columns: %s", name, len([]rune(line)), line)
			}
		}
	}
}

// What a format leaves out because of a limit is told, with the number.
func TestLeftOut(t *testing.T) {
	run := &gate.Run{}
	for i := range 26 {
		run.Results = append(run.Results, accepted(fmt.Sprintf("app%d:1", i)))
	}
	f, err := report.Lookup("sarif")
	if err != nil {
		t.Fatal(err)
	}
	for count, want := range map[int][]string{26: {"6 images", "--shard"}, 20: nil} {
		var told []string
		part := *run
		part.Results = run.Results[:count]
		if err := f.Write(new(bytes.Buffer), &part, report.Options{LeftOut: func(s string) { told = append(told, s) }}); err != nil {
			t.Fatal(err)
		}
		if len(want) > 0 != (len(told) == 1) {
			t.Errorf("of %d images: told %q", count, told)
		}
		for _, w := range want {
			if !strings.Contains(strings.Join(told, "\n"), w) {
				t.Errorf("of %d images: told %q, want %q in it", count, told, w)
			}
		}
	}
}
