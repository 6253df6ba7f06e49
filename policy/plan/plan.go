// Package plan computes what would make an image pass: which packages to
// upgrade, to which versions, and what remains after that. It is pure: the same
// evidence, policy and moment give the same plan.
package plan

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Plan is what to do with an image that does not pass.
type Plan struct {
	// Steps are the upgrades, those that clear most blocking findings first.
	Steps []Step
	// Decision is the verdict of the policy on the image with all steps applied.
	Decision policy.Decision
	// Left lists the rules that do not pass then, in the order of reports.
	Left []policy.RuleResult
	// Unfixed lists the blocking findings that no step clears.
	Unfixed []Unfixed
	// Rebuild is true when every step upgrades a package of the base image, so that
	// a rebuild on a newer base image may do. The history of the image is the only
	// source for that, and it is its author's claim.
	Rebuild bool
}

// Step is the upgrade of one package, or of all packages that were built from one
// source package.
type Step struct {
	Packages []evidence.Package // the packages to upgrade, sorted by name and path
	From, To string             // versions
	// Clears lists the ids of the blocking findings that the upgrade clears, sorted.
	Clears []string
	// Findings is how many blocking findings that are: one for each id and package.
	Findings int
	// Worst is the worst severity among them.
	Worst evidence.Severity
	// Layer is the layer that brought the packages, nil when it is not known.
	Layer *evidence.Layer
	// Command does the upgrade, in the words of the ecosystem. It is "" where the
	// ecosystem has no such command, and where a name from the image is not safe to
	// paste into a shell.
	Command string
	// Advice says the same for people.
	Advice string
}

// Unfixed is a blocking finding that no step clears.
type Unfixed struct {
	Finding *evidence.Finding
	Why     string
}

// For returns the plan for an image that p judges at now. An image that passes
// has a plan without steps.
func For(p *policy.Policy, img *evidence.Image, now time.Time) Plan {
	verdict := p.Evaluate(img, now)
	return Of(p, img, &verdict, now)
}

// Of is [For] with the verdict of the policy at hand.
func Of(p *policy.Policy, img *evidence.Image, verdict *policy.Verdict, now time.Time) Plan {
	var plan Plan
	for _, g := range groups(verdict.Findings) {
		step, rest := g.solve()
		plan.Unfixed = append(plan.Unfixed, rest...)
		if step != nil {
			step.Layer = layerOf(img, step.Packages)
			plan.Steps = append(plan.Steps, *step)
		}
	}
	slices.SortStableFunc(plan.Steps, compareSteps)
	after := *verdict
	if len(plan.Steps) > 0 {
		after = p.Evaluate(Apply(img, plan.Steps), now)
	}
	plan.Decision = after.Decision
	for _, r := range after.Rules {
		if r.Result == policy.ResultFail || r.Result == policy.ResultUndecided {
			plan.Left = append(plan.Left, r)
		}
	}
	plan.Rebuild = len(plan.Steps) > 0 && !slices.ContainsFunc(plan.Steps, func(s Step) bool {
		return s.Layer == nil || !s.Layer.Base || s.Packages[0].Class != evidence.ClassOS
	})
	return plan
}

func compareSteps(a, b Step) int {
	return cmp.Or(
		cmp.Compare(b.Findings, a.Findings),
		cmp.Compare(severityRank(a.Worst), severityRank(b.Worst)),
		strings.Compare(a.Packages[0].Name, b.Packages[0].Name),
		strings.Compare(a.From, b.From),
	)
}

// layerOf returns the layer of the packages if all of them came with the same.
func layerOf(img *evidence.Image, packages []evidence.Package) *evidence.Layer {
	if img.Config == nil {
		return nil
	}
	id := packages[0].Layer
	if id == "" || slices.ContainsFunc(packages, func(p evidence.Package) bool { return p.Layer != id }) {
		return nil
	}
	i := slices.IndexFunc(img.Config.Layers, func(l evidence.Layer) bool { return l.DiffID == id })
	if i < 0 {
		return nil
	}
	return &img.Config.Layers[i]
}

// severityRank orders severities, 0 is the worst.
func severityRank(s evidence.Severity) int {
	if i := slices.Index(evidence.Severities(), s); i >= 0 {
		return i
	}
	return len(evidence.Severities())
}
