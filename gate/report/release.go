package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// objection is one thing that a rule has against the documents of a release.
type objection struct {
	workload string // its id, "" for what is about no workload
	rule     *policy.RuleResult
	problem  policy.Problem
}

// objections lists everything that a person must see about the documents: what
// fails first, then what has no answer, then the warnings.
func objections(r *gate.Release) []objection {
	if r == nil || r.Err != nil {
		return nil
	}
	var all []objection
	for i := range r.Verdict.Rules {
		all = append(all, objectionsOf("", &r.Verdict.Rules[i])...)
	}
	for i := range r.Verdict.Workloads {
		for k := range r.Verdict.Workloads[i].Rules {
			all = append(all, objectionsOf(workloadID(r, i), &r.Verdict.Workloads[i].Rules[k])...)
		}
	}
	slices.SortStableFunc(all, func(a, b objection) int {
		return cmp.Compare(resultRank(a.problem.Result), resultRank(b.problem.Result))
	})
	return all
}

func resultRank(r policy.Result) int { return slices.Index(notPassed[:], r) }

// workloadID names the workload of a verdict.
func workloadID(r *gate.Release, i int) string {
	if r.Evidence == nil || i >= len(r.Evidence.Workloads) {
		return ""
	}
	return r.Evidence.Workloads[i].ID()
}

// objectionsOf returns the problems of one rule. A rule without any that did not
// pass is one itself.
func objectionsOf(workload string, r *policy.RuleResult) []objection {
	if !slices.Contains(notPassed[:], r.Result) {
		return nil
	}
	if len(r.Problems) == 0 {
		return []objection{{workload, r, policy.Problem{Result: r.Result, Message: r.Message, Cure: r.Cure}}}
	}
	var all []objection
	for _, p := range r.Problems {
		if slices.Contains(notPassed[:], p.Result) {
			all = append(all, objection{cmp.Or(workload, p.Workload), r, p})
		}
	}
	return all
}

// text is the problem with the name of its container.
func (o *objection) text() string {
	if o.problem.Container == "" {
		return o.problem.Message
	}
	if strings.HasPrefix(o.problem.Message, "the ") {
		return "container " + o.problem.Container + ": " + o.problem.Message
	}
	return "container " + o.problem.Container + " " + o.problem.Message
}

// line is the problem with the workload in front.
func (o *objection) line() string {
	if o.workload == "" {
		return o.text()
	}
	return o.workload + ": " + o.text()
}

// cure is what would make the rule pass.
func (o *objection) cure() string { return cmp.Or(o.problem.Cure, o.rule.Cure) }

// position is the place in the document.
func (o *objection) position() policy.Position { return positionIn(o.problem.At) }

func positionIn(p evidence.Place) policy.Position {
	return policy.Position{File: p.File, Line: p.Line, Column: p.Column}
}

// at names the place in the document for people, "" for none.
func (o *objection) at() string { return o.problem.At.String() }

// documentNames lists the files of a release.
func documentNames(r *gate.Release) []string {
	var names []string
	if r.Evidence != nil {
		for i := range r.Evidence.Documents {
			names = append(names, r.Evidence.Documents[i].File)
		}
	}
	return names
}

// workloadTally counts the workloads of a release by verdict.
func workloadTally(r *gate.Release) string {
	counts := map[policy.Decision]int{}
	for i := range r.Verdict.Workloads {
		counts[r.Verdict.Workloads[i].Decision]++
	}
	text := words.Plural(len(documentNames(r)), "document")
	if n := len(r.Verdict.Workloads); n > 0 {
		text += " with " + words.Plural(n, "workload")
	}
	var parts []string
	for _, d := range []policy.Decision{policy.Denied, policy.Undecided, policy.Passed} {
		if counts[d] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[d], strings.ReplaceAll(d.String(), "-", " ")))
		}
	}
	if len(parts) == 0 {
		return text
	}
	return text + ": " + strings.Join(parts, ", ")
}

// notApplying lists the rules that the policy asks and that have no meaning for a
// workload, with the reason: what was not asked must not look as if it had passed.
func notApplying(rules []policy.RuleResult) []string {
	var out []string
	for _, r := range rules {
		if r.Result == policy.ResultOff && r.NotApplying {
			out = append(out, r.Rule+" ("+r.Message+")")
		}
	}
	return out
}

// releaseFailure is why the documents have no verdict, nil when they have one.
func releaseFailure(r *gate.Release) *failure {
	if r == nil || r.Err == nil {
		return nil
	}
	return failureOf(&gate.Result{Err: r.Err})
}

// resultOfUse finds what became of an image that a document names: of its worst
// platform. It is nil for an image that was not judged.
func resultOfUse(run *gate.Run, ref string) *gate.Result {
	var worst *gate.Result
	for i := range run.Results {
		if r := &run.Results[i]; r.Ref == ref && ref != "" && (worst == nil || urgency(r) < urgency(worst)) {
			worst = r
		}
	}
	return worst
}

// imagesOfWorkload lists the images of a workload, each once, with what became of
// them.
func imagesOfWorkload(run *gate.Run, w *evidence.Workload) []string {
	var out []string
	add := func(n *evidence.ImageName) {
		if text := useText(run, n); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	for i := range w.Containers {
		add(&w.Containers[i].Image)
	}
	for i := range w.Volumes {
		if w.Volumes[i].Image != nil {
			add(w.Volumes[i].Image)
		}
	}
	return out
}

// useText names an image that a document uses, and its verdicts.
func useText(run *gate.Run, n *evidence.ImageName) string {
	name := cmp.Or(n.Image, n.Ref, "an image without a name")
	if n.Source != "" && n.Source != name {
		name += ", judged from " + n.Source
	}
	r := resultOfUse(run, n.Ref)
	switch {
	case r == nil:
		return name + ": not judged"
	case r.InRelease != nil && r.Err == nil:
		return name + ": " + verdictText(r.Decision()) + " in this release, by itself " + verdictText(r.Verdict.Decision)
	}
	return name + ": " + verdictText(r.Decision())
}

func verdictText(d policy.Decision) string { return strings.ReplaceAll(d.String(), "-", " ") }
