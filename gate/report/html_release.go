package report

import (
	"fmt"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/page"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/words"
)

// pageWorkloads is how many workloads the page lists, and pageReasons how many
// reasons.
const (
	pageWorkloads = 2000
	pageReasons   = 500
)

// pageRelease shows the documents: what each workload comes to, and the verdicts of
// its images, in this release and by themselves.
func pageRelease(d *page.Document, run *gate.Run) {
	r := run.Release
	if r == nil {
		return
	}
	out := &page.Release{Class: pageClass(r.Decision()), Word: word(r.Decision()), Summary: workloadTally(r)}
	d.Release = out
	if r.Evidence != nil {
		for _, doc := range r.Evidence.Documents {
			out.Documents = append(out.Documents, page.Fact{Name: doc.File, Text: fmt.Sprintf("%s, sha256 %s", doc.Kind, doc.SHA256)})
		}
	}
	if f := releaseFailure(r); f != nil {
		out.Error = &page.Failure{Message: f.message, Hint: f.hint}
		return
	}
	for i := range r.Verdict.Workloads {
		if i == pageWorkloads || r.Evidence == nil || i >= len(r.Evidence.Workloads) {
			d.Warnings = append(d.Warnings, fmt.Sprintf("This page lists %s of %s workloads. The JSON report has all of them.", words.Count(i), words.Count(len(r.Verdict.Workloads))))
			break
		}
		out.Workloads = append(out.Workloads, pageWorkload(run, i))
	}
	all := objections(r)
	for i := range all {
		if i == pageReasons {
			d.Warnings = append(d.Warnings, fmt.Sprintf("This page shows %s of %s reasons about workloads, the worst first. The JSON report has all of them.", words.Count(i), words.Count(len(all))))
			break
		}
		out.Reasons = append(out.Reasons, pageObjection(&all[i]))
	}
}

func pageWorkload(run *gate.Run, i int) page.Workload {
	v, w := &run.Release.Verdict.Workloads[i], &run.Release.Evidence.Workloads[i]
	out := page.Workload{Class: pageClass(v.Decision), Word: word(v.Decision), Name: w.ID(), At: w.At.String(), Images: imagesOfWorkload(run, w)}
	var names []string
	for _, rule := range v.Rules {
		if rule.Result == policy.ResultFail || rule.Result == policy.ResultUndecided {
			names = append(names, rule.Rule)
		}
	}
	out.Reason, out.NotAsked = sample(names), strings.Join(notApplying(v.Rules), "; ")
	return out
}

func pageObjection(x *objection) page.Rule {
	class := "none"
	if x.problem.Result == policy.ResultFail {
		class = "fail"
	}
	out := page.Rule{
		Class: class, Word: x.problem.Result.String(), Rule: x.rule.Rule, Message: x.line(), Allowed: x.rule.Allowed, Cure: x.cure(), At: place(x.rule.Position),
	}
	if at := x.at(); at != "" {
		out.Message = strings.TrimSuffix(out.Message, ".") + " (" + at + ")"
	}
	return out
}
