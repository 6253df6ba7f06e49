package policy

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/expression"
)

// owned is a finding that every question of the table of classes takes, given
// a policy that asks it.
func owned() evidence.Finding {
	f := finding("CVE-2026-0001", evidence.SeverityHigh)
	f.FixedVersion, f.Published = "", ptr(noon().AddDate(0, 0, -1))
	f.Package.OwnedBy = "zlib1g 1:1.2.13.dfsg-1"
	return f
}

// Each step is asked before all that follow: a finding that answers each
// question with yes gets the class of the first that the policy asks.
func TestClassesInOrder(t *testing.T) {
	const exception = "exceptions:\n- {id: CVE-2026-0001, reason: because, expires: 2026-07-31}\n"
	// Each step is taken away after it was tried, from the first to the last.
	for i, step := range []struct {
		class          Class
		rule           string
		vulnerability  string // what stays of the section
		exception      string
		notDistroOwned bool
	}{
		{ClassBlocking, ruleDeny, "deny: [GHSA-aaaa-bbbb-cccc], types: [os], unfixed: warn, grace: {high: 7d}}\nexploited: {kev: fail, epss: {probability: 0.5}", exception, false},
		{ClassBlocking, ruleKEV, "types: [os], unfixed: warn, grace: {high: 7d}}\nexploited: {kev: fail, epss: {probability: 0.5}", exception, false},
		{ClassBlocking, ruleEPSS, "types: [os], unfixed: warn, grace: {high: 7d}}\nexploited: {kev: warn, epss: {probability: 0.5}", exception, false},
		{ClassExcepted, "", "types: [os], unfixed: warn, grace: {high: 7d}", exception, false},
		{ClassNotAffected, "", "max: {high: 0}, types: [os], unfixed: warn, grace: {high: 7d}}\nvex: {files: [{path: a.json, sha256: " + hashOf(sampleVEX) + "}]", "", false},
		{ClassIgnoredType, "", "types: [os], unfixed: warn, grace: {high: 7d}", "", false},
		{ClassDistroOwned, "", "unfixed: warn, grace: {high: 7d}", "", false},
		{ClassUnfixed, "", "unfixed: warn, grace: {high: 7d}", "", true},
		{ClassGrace, "", "grace: {high: 7d}", "", true},
		{ClassBaseline, "", "max: {high: 0}}\nbaseline: {ceiling: {high: 1}, until: 2026-07-31, files: [" + baselineHash + "]", "", true},
		{ClassBlocking, ruleMax, "max: {high: 0}", "", true},
		{ClassBlocking, ruleDeadlines, "max: {high: 1}}\nexploited: {kev: warn}\ndeadlines: {rows: [{epss: 0.5, within: 1h}]", "", true},
		{ClassBelowThreshold, "", "max: {high: 1}", "", true},
	} {
		section := step.vulnerability
		if !strings.Contains(section, "max:") {
			section = "max: {high: 0}, " + section
		}
		load := func(string, Base) (string, []byte, error) { return "a.json", []byte(sampleVEX), nil }
		p, err := ParseOn("policy.yaml", alone("version: 1\nvulnerabilities: {"+section+"}\n"+step.exception), load)
		if err != nil {
			t.Fatal(err)
		}
		f := owned()
		f.Aliases = []string{"GHSA-aaaa-bbbb-cccc"}
		if step.notDistroOwned {
			f.Package.OwnedBy = ""
		}
		img := goodImage()
		with(f)(img)
		img.Scan.Exploited.Known = []evidence.Exploitation{
			{ID: "CVE-2026-0001", EPSS: &evidence.EPSSScore{Probability: 0.5, Percentile: 0.9}}, {ID: "GHSA-AAAA-BBBB-CCCC", KEV: &evidence.KEVEntry{Added: noon(), Due: noon()}},
		}
		based([]evidence.Finding{f}, []evidence.Finding{f})(img)
		if step.class == ClassBaseline || step.class == ClassNotAffected {
			img.Scan.Exploited.Known = nil // neither covers what is exploited
		}
		got := p.Evaluate(img, noon()).Findings[0]
		if got.Class != step.class || got.Rule != step.rule || got.Reason == "" {
			t.Errorf("step %d: %s by %q (%q), want %s by %q", i+1, got.Class, got.Rule, got.Reason, step.class, step.rule)
		}
		if want := ClassSteps()[i].Class; want != step.class {
			t.Errorf("step %d of the table is %s, want %s", i+1, want, step.class)
		}
	}
}

// What softens never comes before what tightens, and the limits come last.
func TestSofteningIsAskedLast(t *testing.T) {
	steps := ClassSteps()
	softened := false
	for i, s := range steps {
		if (s.takes == nil) != (i >= len(steps)-3) {
			t.Errorf("%s: the last three steps count what is left, and only they", s.Class)
		}
		if s.Softens == (s.Class == ClassBlocking) {
			t.Errorf("%s: softens is %v", s.Class, s.Softens)
		}
		if s.takes == nil {
			continue
		}
		if softened && !s.Softens {
			t.Errorf("%s blocks, and is asked after what softens", s.Class)
		}
		softened = softened || s.Softens
	}
	for _, s := range steps {
		if !slices.Contains(Classes(), s.Class) {
			t.Errorf("Classes() lacks %s", s.Class)
		}
		if Lookup(s.Rule) == nil && s.Rule != ruleDistroOwned {
			t.Errorf("%s: there is no rule %s", s.Class, s.Rule)
		}
	}
}

// Findings in packages of the distribution never block, and what is only said
// to be the distribution's counts like any other.
func TestDistroOwned(t *testing.T) {
	p := mustParse(t, "version: 1\nvulnerabilities: {max: {high: 0}}\n")
	for name, tt := range map[string]struct {
		change func(*evidence.Image, *evidence.Finding)
		want   Class
	}{
		"owned":                 {func(*evidence.Image, *evidence.Finding) {}, ClassDistroOwned},
		"no owner":              {func(_ *evidence.Image, f *evidence.Finding) { f.Package.OwnedBy = "" }, ClassBlocking},
		"an owner not in image": {func(_ *evidence.Image, f *evidence.Finding) { f.Package.OwnedBy = "python3-wheel 1.0" }, ClassBlocking},
		"a prefix of a name":    {func(_ *evidence.Image, f *evidence.Finding) { f.Package.OwnedBy = "zlib 1.0" }, ClassBlocking},
		"an OS package": {func(_ *evidence.Image, f *evidence.Finding) {
			f.Package.Class, f.Package.Type = evidence.ClassOS, "debian"
		}, ClassBlocking},
		"no class": {func(_ *evidence.Image, f *evidence.Finding) { f.Package.Class = "" }, ClassBlocking},
		"an owner that is a library": {func(i *evidence.Image, _ *evidence.Finding) {
			i.Scan.Packages[0].Class = evidence.ClassLanguage
		}, ClassBlocking},
		"no owner, and a package without a name": {func(i *evidence.Image, f *evidence.Finding) {
			f.Package.OwnedBy, i.Scan.Packages[0].Name = "", ""
		}, ClassBlocking},
		"no packages": {func(i *evidence.Image, _ *evidence.Finding) { i.Scan.Packages = nil }, ClassBlocking},
	} {
		img, f := goodImage(), owned()
		f.FixedVersion = "2.0"
		tt.change(img, &f)
		with(f)(img)
		v := p.Evaluate(img, noon())
		if got := v.Findings[0].Class; got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		if want := map[Class]Decision{ClassDistroOwned: Passed, ClassBlocking: Denied}[tt.want]; v.Decision != want {
			t.Errorf("%s: %s, want %s", name, v.Decision, want)
		}
	}
}

const (
	classesBegin = "<!-- classes: written by UPDATE=1 go test ./policy -->\n"
	classesEnd   = "<!-- end of classes -->\n"
)

// docs/policy.md holds the table of classes.
func TestDocumentedClassesAreCurrent(t *testing.T) {
	src, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(src), classesBegin)
	_, tail, ok2 := strings.Cut(rest, classesEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the classes", docFile)
	}
	var b strings.Builder
	for i, s := range ClassSteps() {
		fmt.Fprintf(&b, "%d. **%s**, when %s;\n", i+1, s.Class, s.When)
	}
	golden(t, docFile, head+classesBegin+strings.TrimSuffix(b.String(), ";\n")+".\n"+classesEnd+tail)
}

const (
	variablesBegin = "<!-- variables: written by UPDATE=1 go test ./policy -->\n"
	variablesEnd   = "<!-- end of variables -->\n"
)

// docs/policy.md holds the tables of what expressions can look at.
func TestDocumentedVariablesAreCurrent(t *testing.T) {
	src, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(src), variablesBegin)
	_, tail, ok2 := strings.Cut(rest, variablesEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the variables", docFile)
	}
	var b strings.Builder
	b.WriteString("| Variable | Type | What it is |\n|---|---|---|\n")
	for _, r := range expression.Variables() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Name, r.Type, r.Doc)
	}
	b.WriteString("\n| Field | Type | What it is |\n|---|---|---|\n")
	for _, r := range expression.Fields() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Name, r.Type, r.Doc)
	}
	golden(t, docFile, head+variablesBegin+b.String()+variablesEnd+tail)
}
