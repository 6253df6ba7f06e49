package report

import (
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/words"
)

// textSteps is how many steps of a plan the text shows, and textPlans how many
// images a run may have for the text to show plans at all: to compute a plan costs
// as much as to judge the image.
const (
	textSteps = 10
	textPlans = 20
)

// plan writes what would make the image pass, the step that clears most first.
func (t *textReport) plan(r *gate.Result) {
	p := r.Fixes()
	if p == nil {
		return
	}
	if len(p.Steps) > 0 {
		after := "then the policy says " + p.Decision.String()
		if p.Decision == policy.Passed {
			after = "then the image passes"
		}
		t.gap()
		t.line("  Plan: ", words.Plural(len(p.Steps), "step"), "; ", after)
	}
	for i := range p.Steps[:min(textSteps, len(p.Steps))] {
		s := &p.Steps[i]
		t.entry(4, "clears "+words.Count(s.Findings), bold, s.Advice)
		if s.Command != "" {
			t.entry(4, "", plain, s.Command)
		}
		if from := stepOrigin(r, s); from != "" {
			t.entry(4, "", dim, from)
		}
	}
	if left := len(p.Steps) - textSteps; left > 0 {
		t.line("    ", safe.Terminal(words.Plural(left, "more step")), "; the JSON report and the page have all of them")
	}
	if p.Rebuild {
		t.line("    All of these packages came with the base image: a rebuild on a newer base image may do.")
	}
	if rest := planRest(p); len(p.Steps) > 0 && len(rest) > 0 {
		t.entry(4, "then left", yellow, strings.TrimSpace(sampleOf(rest, "; ")))
	}
}
