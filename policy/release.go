package policy

import (
	"slices"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Problem is one thing that a rule has against a release, at its place in a
// document.
type Problem struct {
	Result    Result // fail, undecided or warn
	Workload  string // its id, "shop/Deployment/web"; "" for none
	Container string // "" for none
	At        evidence.Place
	Message   string
	Cure      string // "" takes the rule's own
	// Exception is the exception that makes a warning of it, nil for none.
	Exception *Exception
}

// WorkloadVerdict is a policy's answer for one workload.
type WorkloadVerdict struct {
	Decision Decision
	Rules    []RuleResult
}

// ReleaseVerdict is a policy's answer for the documents of a release. The images
// have verdicts of their own.
type ReleaseVerdict struct {
	// Decision is about the documents and all workloads together.
	Decision Decision
	// Rules are those about all documents together, workload.documents first.
	Rules []RuleResult
	// Workloads has a verdict for each workload of the evidence, in its order.
	Workloads []WorkloadVerdict
	// Exceptions tells what became of the exceptions for rules about workloads.
	Exceptions []ExceptionUse
}

// EvaluateRelease judges documents together with the evidence of the images that
// they name, one for each platform. The answer depends on nothing but the
// arguments.
func (p *Policy) EvaluateRelease(r *evidence.Release, images []*evidence.Image, now time.Time) ReleaseVerdict {
	if p == nil || p.rules == nil || r == nil {
		return ReleaseVerdict{Rules: []RuleResult{{Rule: ruleDocuments, Message: "there are no documents or no policy to judge them by"}}}
	}
	j := newReleaseJudge(p, r, images, now)
	v := ReleaseVerdict{Rules: j.askRelease()}
	for i := range r.Workloads {
		rules := j.askWorkload(&r.Workloads[i])
		v.Workloads = append(v.Workloads, WorkloadVerdict{Decision: decideRelease(rules), Rules: rules})
	}
	v.Rules = append(v.Rules, j.accountRules()...)
	v.Exceptions = j.exceptionUses()
	v.Decision = decideAll(decideRelease(v.Rules), v.Workloads)
	return v
}

// decideRelease is the decision of rules about documents or about one workload.
// A workload of which the policy asks nothing passes: that its document was read
// and its images were judged is asked of the release.
func decideRelease(rules []RuleResult) Decision {
	decision := Passed
	for _, r := range rules {
		switch r.Result {
		case ResultFail:
			return Denied
		case ResultPass, ResultWarn, ResultOff:
		default:
			decision = Undecided
		}
	}
	return decision
}

// decideAll demands that the documents were asked about and answered.
func decideAll(documents Decision, workloads []WorkloadVerdict) Decision {
	all := []Decision{documents}
	for _, w := range workloads {
		all = append(all, w.Decision)
	}
	switch {
	case slices.Contains(all, Denied):
		return Denied
	case slices.Contains(all, Undecided):
		return Undecided
	}
	return Passed
}
