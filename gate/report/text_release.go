package report

import (
	"fmt"
	"strings"

	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/words"
)

// textWorkloads is how many workloads that passed the text lists one by one.
const textWorkloads = 20

// release writes what became of the documents: first what is about all of them,
// then workload by workload.
func (t *textReport) release() {
	r := t.run.Release
	if r == nil {
		return
	}
	t.gap()
	d := r.Decision()
	t.line(t.paint(decisionTint(d), word(d)), "  ", safe.Terminal("documents: "+sample(documentNames(r))))
	if f := releaseFailure(r); f != nil {
		t.failure(f)
		return
	}
	for i := range r.Verdict.Rules {
		t.objections(objectionsOf("", &r.Verdict.Rules[i]))
	}
	t.asked(r.Verdict.Rules)
	passed := 0
	for i := range r.Verdict.Workloads {
		v := &r.Verdict.Workloads[i]
		if v.Decision == policy.Passed {
			if passed++; passed > textWorkloads && !t.o.All {
				continue
			}
		}
		t.workload(i, v)
	}
	if passed > textWorkloads && !t.o.All {
		t.line("  … and ", words.Count(passed-textWorkloads), " more workloads that pass: use --show all")
	}
}

// workload writes one workload with its images.
func (t *textReport) workload(i int, v *policy.WorkloadVerdict) {
	r := t.run.Release
	name, at := workloadID(r, i), ""
	if r.Evidence != nil && i < len(r.Evidence.Workloads) {
		at = r.Evidence.Workloads[i].At.String()
	}
	t.line(t.paint(decisionTint(v.Decision), word(v.Decision)), "  ", safe.Terminal(clip(name, entryLimit)), "  ", safe.Terminal(clip(at, entryLimit)))
	for k := range v.Rules {
		t.objections(objectionsOf(name, &v.Rules[k]))
	}
	t.asked(v.Rules)
	if r.Evidence != nil && i < len(r.Evidence.Workloads) {
		for k, text := range imagesOfWorkload(t.run, &r.Evidence.Workloads[i]) {
			label := ""
			if k == 0 {
				label = "images"
			}
			t.entry(2, label, dim, text)
		}
	}
}

// asked counts the rules that passed, and names those that have no meaning here.
func (t *textReport) asked(rules []policy.RuleResult) {
	var passed []string
	for _, r := range rules {
		if r.Result == policy.ResultPass {
			passed = append(passed, r.Rule)
		}
	}
	if len(passed) > 0 {
		text := words.Plural(len(passed), "rule")
		if t.o.All {
			text += ": " + strings.Join(passed, ", ")
		}
		t.entry(2, "pass", green, text)
	}
	if rest := notApplying(rules); len(rest) > 0 {
		t.entry(2, "not asked", dim, strings.Join(rest, "; "))
	}
}

// objections writes what one rule has against the documents.
func (t *textReport) objections(all []objection) {
	for i := range all {
		o := &all[i]
		if i == maxDetails && len(all) > maxDetails+1 {
			t.entry(2, "", plain, fmt.Sprintf("… and %s more of %s: use -o json", words.Count(len(all)-i), o.rule.Rule))
			return
		}
		t.entry(2, o.problem.Result.String(), resultTint(o.problem.Result), o.rule.Rule+": "+o.text())
		if at := o.at(); at != "" {
			t.entry(4, "at", dim, at)
		}
		if cure := o.cure(); cure != "" && o.problem.Exception == nil {
			t.entry(4, "to pass", bold, cure)
		}
	}
	if len(all) > 0 {
		t.entry(4, "policy", dim, place(all[0].rule.Position))
	}
}
