package gate

import (
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/plan"
)

// Result is what became of one target, or of one reference that could not be
// resolved to any.
type Result struct {
	Ref string // as asked
	// Evidence is what was collected, nil when nothing could be.
	Evidence *evidence.Image
	// Verdict is the policy's answer; its zero value is "no verdict".
	Verdict policy.Verdict
	// InRelease is the verdict of the image as a part of the release whose documents
	// name it, nil when that is Verdict. What is said about the image alone, such as
	// an attestation, uses Verdict.
	InRelease *policy.Verdict
	// Skipped lists manifests of the same index that were not judged. Only
	// the first result of each reference has it.
	Skipped []evidence.Skipped
	// Plan computes what would make a denied image pass, once. It is nil when no
	// finding of a package blocks the image.
	Plan func() *plan.Plan
	// ByDecision is the answer of a signed decision that took the place of the layers,
	// nil where those were judged.
	ByDecision *policy.RuleResult
	// Err is why there is no verdict, nil when the policy was evaluated.
	Err error
}

// Fixes returns what would make a denied image pass, nil when no finding of a
// package blocks it. It costs as much as judging the image, so it is computed when
// a report shows it.
func (r *Result) Fixes() *plan.Plan {
	if r.Plan == nil || r.Err != nil {
		return nil
	}
	return r.Plan()
}

// Decision returns the outcome in this run: the verdict's, and Undecided after an
// error.
func (r *Result) Decision() policy.Decision {
	if r.Err != nil {
		return policy.Undecided
	}
	return r.Judged().Decision
}

// Own returns the outcome of the image alone, whatever documents say about how it is
// run: the one that can be signed.
func (r *Result) Own() policy.Decision {
	if r.Err != nil {
		return policy.Undecided
	}
	return r.Verdict.Decision
}

// Judged returns the verdict that counts in this run.
func (r *Result) Judged() *policy.Verdict {
	if r.InRelease != nil {
		return r.InRelease
	}
	return &r.Verdict
}

// Summarize returns the outcome of a whole run. A denial outranks a missing
// verdict, because a retry cannot save it; no result at all is no verdict.
func Summarize(results []Result) policy.Decision {
	outcome := policy.Passed
	for i := range results {
		switch results[i].Decision() {
		case policy.Passed:
		case policy.Denied:
			return policy.Denied
		default:
			outcome = policy.Undecided
		}
	}
	if len(results) == 0 {
		return policy.Undecided
	}
	return outcome
}
