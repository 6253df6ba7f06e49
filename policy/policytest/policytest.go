// Package policytest runs the tests of a policy: examples of images, each with
// the verdict that the policy must give, so that a repository of policies has
// tests like any other code.
package policytest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// File is a file of tests.
type File struct {
	// Policy is the policy under test, a path relative to the file; "" for the
	// policy that applies otherwise.
	Policy string `yaml:"policy"`
	Tests  []Test `yaml:"tests"`
}

// Test is one example of an image and what the policy must say of it.
type Test struct {
	Name string `yaml:"name"`
	// Image is the reference of the image. Without Evidence, the test is about an
	// image of that name that is good in every respect but for Facts and Findings.
	Image string `yaml:"image"`
	// Evidence is a file that "imagegate check --evidence" wrote, with one image,
	// relative to the file of tests.
	Evidence string `yaml:"evidence"`
	// Date is the day of the verdict, at noon UTC.
	Date string `yaml:"date"`
	// Facts replace those of the evidence. The names are those of saved evidence.
	Facts map[string]any `yaml:"facts"`
	// Findings are added to the evidence.
	Findings []Finding `yaml:"findings"`

	Verdict string            `yaml:"verdict"` // pass, fail or no-verdict
	Classes map[string]int    `yaml:"classes"` // how many findings end in a class
	Rules   map[string]string `yaml:"rules"`   // the answers of rules

	// Line is where the test begins.
	Line int `yaml:"-"`
}

// Finding is a vulnerability of a package in short.
type Finding struct {
	ID        string   `yaml:"id"`
	Aliases   []string `yaml:"aliases"`
	Severity  string   `yaml:"severity"`
	Package   string   `yaml:"package"` // a purl with its version
	Path      string   `yaml:"path"`
	OwnedBy   string   `yaml:"owned-by"`
	Fixed     string   `yaml:"fixed"` // the fixed version, "" for none
	Status    string   `yaml:"status"`
	Published string   `yaml:"published"`
}

// Parse reads a file of tests. file is only used in messages.
func Parse(file string, src []byte) (*File, error) {
	var f File
	d := yaml.NewDecoder(bytes.NewReader(src))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: the file is empty", file)
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: there is a second document", file)
	}
	if len(f.Tests) == 0 {
		return nil, fmt.Errorf("%s: there is no test: write tests: [{name: ..., image: ..., verdict: ...}]", file)
	}
	findLines(src, f.Tests)
	var wrong []error
	names := map[string]int{}
	for i := range f.Tests {
		t := &f.Tests[i]
		for _, mistake := range t.check() {
			wrong = append(wrong, fmt.Errorf("%s:%d: %s", file, t.Line, mistake))
		}
		if line := names[t.Name]; line > 0 && t.Name != "" {
			wrong = append(wrong, fmt.Errorf("%s:%d: the test on line %d has the same name", file, t.Line, line))
		}
		names[t.Name] = t.Line
	}
	return &f, errors.Join(wrong...)
}

// findLines sets where each test begins.
func findLines(src []byte, tests []Test) {
	var root yaml.Node
	if yaml.Unmarshal(src, &root) != nil || len(root.Content) == 0 {
		return
	}
	for i := 0; i+1 < len(root.Content[0].Content); i += 2 {
		if root.Content[0].Content[i].Value != "tests" {
			continue
		}
		for k, n := range root.Content[0].Content[i+1].Content {
			if k < len(tests) {
				tests[k].Line = n.Line
			}
		}
	}
}

func verdicts() []string {
	return []string{policy.Passed.String(), policy.Denied.String(), policy.Undecided.String()}
}

func results() []string {
	var out []string
	for r := policy.ResultUndecided; r <= policy.ResultOff; r++ {
		out = append(out, r.String())
	}
	return out
}

// check returns what is wrong with a test. A test that checks nothing, or
// something that does not exist, would always pass.
func (t *Test) check() []string {
	var wrong []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	add(t.Name == "", "the test has no name")
	add(t.Image == "" && t.Evidence == "", "the test has neither image nor evidence")
	add(t.Verdict == "", "the test has no verdict: write verdict: pass, fail or no-verdict")
	add(t.Verdict != "" && !slices.Contains(verdicts(), t.Verdict), "verdict is %q: write %s", t.Verdict, words.Or(verdicts()))
	add(t.Evidence != "" && t.Date == "", "the test has evidence and no date: its database would be too old in a few days")
	for _, c := range slices.Sorted(maps.Keys(t.Classes)) {
		add(!slices.Contains(policy.Classes(), policy.Class(c)), "there is no class %q", c)
		add(t.Classes[c] < 0, "classes.%s is less than 0", c)
	}
	for _, id := range slices.Sorted(maps.Keys(t.Rules)) {
		r := policy.Lookup(id)
		// The policy may have a rule of its own; whether it has is known later.
		add(r == nil && !policy.IsCustom(id), "there is no rule %q%s", id, didYouMean(policy.Suggest(id)))
		add(r != nil && r.Setting, "%s has no answer of its own", id)
		add(!slices.Contains(results(), t.Rules[id]), "rules.%s is %q: write %s", id, t.Rules[id], words.Or(results()))
	}
	if _, err := t.now(time.Time{}); err != nil {
		wrong = append(wrong, err.Error())
	}
	return wrong
}

func didYouMean(id string) string {
	if id == "" {
		return ""
	}
	return ": did you mean " + id + "?"
}

// now returns the moment of the verdict.
func (t *Test) now(today time.Time) (time.Time, error) {
	if t.Date == "" {
		return today, nil
	}
	day, err := time.Parse(time.DateOnly, t.Date)
	if err != nil {
		return today, fmt.Errorf("date is %q: write it as 2027-01-31", t.Date)
	}
	return day.Add(12 * time.Hour), nil
}

// Run judges an image by a policy and returns what differs from the test,
// nothing when the policy says what it must. saved is the image of the saved
// evidence, nil for a good image with the reference. today is the time where
// the test has none.
func (t *Test) Run(p *policy.Policy, ref evidence.Reference, saved *evidence.Image, today time.Time) ([]string, error) {
	now, err := t.now(today)
	if err != nil {
		return nil, err
	}
	img := saved
	switch {
	case img == nil:
		img = Good(ref, now)
	case t.Image != "":
		renamed := *img
		renamed.Reference = ref
		img = &renamed
	}
	if img, err = withFacts(img, t.Facts); err != nil {
		return nil, err
	}
	if err := addFindings(img, t.Findings); err != nil {
		return nil, err
	}
	return t.compare(p.Evaluate(img, now)), nil
}

// compare returns what differs between a verdict and the test.
func (t *Test) compare(v policy.Verdict) []string {
	var out []string
	if got := v.Decision.String(); got != t.Verdict {
		out = append(out, fmt.Sprintf("the verdict is %s, want %s%s", got, t.Verdict, because(&v)))
	}
	for _, c := range policy.Classes() {
		want, asked := t.Classes[string(c)]
		if got := v.Count(c); asked && got != want {
			out = append(out, fmt.Sprintf("%d %s, want %d", got, c, want))
		}
	}
	answered := map[string]bool{}
	for _, r := range v.Rules {
		answered[r.Rule] = true
		if want, asked := t.Rules[r.Rule]; asked && r.Result.String() != want {
			out = append(out, fmt.Sprintf("%s is %s, want %s: %s", r.Rule, r.Result, want, r.Message))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(t.Rules)) {
		if !answered[id] {
			out = append(out, fmt.Sprintf("the policy has no rule %s", id))
		}
	}
	return out
}

// because names the rules that keep an image from passing.
func because(v *policy.Verdict) string {
	var out []string
	for _, r := range v.Rules {
		if r.Result == policy.ResultFail || r.Result == policy.ResultUndecided {
			out = append(out, r.Rule+": "+r.Message)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, "; ") + ")"
}
