package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/plan"
	"github.com/imagegate/imagegate/policy/words"
)

// planPromise says what the verdict is after all steps.
func planPromise(p *plan.Plan) string {
	s := "After these steps the policy says: " + p.Decision.String() + "."
	if p.Rebuild {
		s += " All of these packages came with the base image, so a rebuild on a newer base image may do."
	}
	return s
}

// planRest lists what the steps do not cure.
func planRest(p *plan.Plan) []string {
	var rest []string
	for _, r := range p.Left {
		rest = append(rest, r.Rule+": "+r.Message+prefixed(". To pass: ", r.Cure))
	}
	for _, u := range p.Unfixed {
		rest = append(rest, fmt.Sprintf("%s in %s %s: %s", u.Finding.ID, u.Finding.Package.Name, u.Finding.Package.Version, u.Why))
	}
	return rest
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// stepOrigin says which layer and build step brought the packages of a step.
func stepOrigin(r *gate.Result, s *plan.Step) string {
	if s.Layer == nil {
		return ""
	}
	kind := "a layer of its own build"
	if s.Layer.Base {
		kind = "the base image"
	}
	return strings.TrimSuffix("from "+kind+", layer "+short(s.Layer.DiffID)+", "+clip(buildStep(s.Layer.CreatedBy), cellRunes), ", ")
}

// stepText says what a step does and how much it clears.
func stepText(s *plan.Step) string {
	return fmt.Sprintf("%s (clears %s)", s.Advice, words.Plural(s.Findings, "finding"))
}

// stepsText lists the first steps of the plan of a result.
func stepsText(r *gate.Result, most int) []string {
	p := r.Fixes()
	if p == nil {
		return nil
	}
	var lines []string
	for i := range p.Steps[:min(most, len(p.Steps))] {
		lines = append(lines, stepText(&p.Steps[i]))
	}
	if left := len(p.Steps) - most; left > 0 {
		lines = append(lines, fmt.Sprintf("and %d more steps", left))
	}
	return lines
}

// stepFor returns the step of the plan that clears a finding, nil when none does.
func stepFor(r *gate.Result, f *policy.Judged) *plan.Step {
	if f.Class != policy.ClassBlocking {
		return nil
	}
	fixes := r.Fixes()
	if fixes == nil {
		return nil
	}
	for i := range fixes.Steps {
		s := &fixes.Steps[i]
		if slices.Contains(s.Clears, f.ID) && slices.ContainsFunc(s.Packages, func(p evidence.Package) bool { return p == *f.Package }) {
			return s
		}
	}
	return nil
}

// fixesOf is the plan of a result for programs, nil when it has none.
func fixesOf(r *gate.Result) *FixesInfo {
	p := r.Fixes()
	if p == nil {
		return nil
	}
	out := &FixesInfo{Verdict: p.Decision.String(), RebuildMayDo: p.Rebuild, Steps: []FixInfo{}, Unfixed: []UnfixedInfo{}}
	for i := range p.Steps {
		s := &p.Steps[i]
		fix := FixInfo{From: s.From, To: s.To, Clears: s.Clears, Severity: string(s.Worst), Command: s.Command, Advice: s.Advice, Packages: []string{}}
		for _, pkg := range s.Packages {
			fix.Packages = append(fix.Packages, pkg.Name)
		}
		fix.Packages = slices.Compact(fix.Packages)
		if s.Layer != nil {
			fix.Layer = &LayerInfo{DiffID: s.Layer.DiffID, Base: s.Layer.Base, CreatedBy: s.Layer.CreatedBy}
		}
		out.Steps = append(out.Steps, fix)
	}
	out.Left = convert(p.Left, func(r policy.RuleResult) LeftInfo { return LeftInfo{r.Rule, r.Result.String(), r.Message, r.Cure} })
	for _, u := range p.Unfixed {
		out.Unfixed = append(out.Unfixed, UnfixedInfo{u.Finding.ID, u.Finding.Package.Name, u.Finding.Package.Version, u.Why})
	}
	return out
}
