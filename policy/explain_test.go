package policy

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// The chain of a finding is the table of classes up to the row that took it, and
// asking for it changes no verdict.
func TestExplainedStepsEndInTheClass(t *testing.T) {
	policies := shapers(t)
	for seed := range uint64(40) {
		img := randomImage(rand.New(rand.NewPCG(seed, 3)))
		for i, p := range policies {
			name := fmt.Sprintf("seed %d, policy %d", seed, i)
			v, all := p.Explain(img, noon())
			if want := p.Evaluate(img, noon()); !reflect.DeepEqual(v, want) {
				t.Fatalf("%s: the explained verdict differs:\n%+v\n%+v", name, v, want)
			}
			if len(all) != len(v.Findings) {
				t.Fatalf("%s: %d explanations of %d findings", name, len(all), len(v.Findings))
			}
			for k, e := range all {
				checkSteps(t, name, e)
				if e.Judged != &v.Findings[k] {
					t.Errorf("%s: explanation %d is of another finding", name, k)
				}
			}
		}
	}
}

func checkSteps(t *testing.T, name string, e Explanation) {
	t.Helper()
	table := ClassSteps()
	for i, s := range e.Steps {
		if s.Class != table[i].Class || s.Rule != table[i].Rule || s.When != table[i].When || s.Why == "" {
			t.Errorf("%s: %s: step %d is %+v", name, e.ID, i+1, s)
		}
		if s.Taken != (i == len(e.Steps)-1) {
			t.Errorf("%s: %s: step %d is taken: %v", name, e.ID, i+1, s.Taken)
		}
	}
	if len(e.Steps) == 0 || e.Steps[len(e.Steps)-1].Class != e.Class {
		t.Errorf("%s: %s is %s, and its steps are %+v", name, e.ID, e.Class, e.Steps)
	}
}

// Each row says why it does not take a finding, with the line that decides.
func TestExplainSaysWhyNot(t *testing.T) {
	p := mustParse(t, `version: 1
vulnerabilities:
  max: {critical: 0, high: 0}
  grace: {high: 2d}
exceptions:
- {id: CVE-2026-0001, package: other, reason: a, expires: 2026-07-01}
- {id: CVE-2026-0001, reason: b, expires: 2026-06-01}
`)
	f := finding("CVE-2026-0001", "high")
	f.FixedVersion, f.Published = "2.0", ptr(noon().AddDate(0, 0, -10))
	img := goodImage()
	with(f)(img)
	_, all := p.Explain(img, noon())
	var b strings.Builder
	for _, s := range all[0].Steps {
		fmt.Fprintf(&b, "%s %d %v %s\n", s.Class, s.Position.Line, s.Taken, s.Why)
	}
	for _, want := range []string{
		"blocking 0 false the policy denies no id",
		":6:3) is for another package, image or path; ", ":7:3) ended on 2026-06-01",
		"ignored-type 0 false the policy judges packages of every type",
		"unfixed 0 false it is fixed in 2.0",
		"grace 4 false published 2026-06-05, grace ended 2026-06-07",
		"blocking 3 true 1 high, 0 allowed",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the explanation lacks %q:\n%s", want, b.String())
		}
	}
}

func TestExplainWithoutEvidence(t *testing.T) {
	for _, p := range []*Policy{nil, {}, Default()} {
		if v, all := p.Explain(nil, noon()); v.Decision != Undecided || all != nil {
			t.Errorf("no evidence: %s, %v", v.Decision, all)
		}
	}
}
