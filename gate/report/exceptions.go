package report

import (
	"cmp"
	"slices"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
)

// exceptionKey identifies an exception over all images of a run: each image is
// judged with its own copy of the list.
type exceptionKey struct {
	kind, subject, pkg string
	position           policy.Position
}

// exceptionsOf merges what became of every exception over all results: one that
// was used for any image is used, and only one that no image needed is unused.
// They come in the order of the policy file.
func exceptionsOf(results []gate.Result) []policy.ExceptionUse {
	merged := map[exceptionKey]*policy.ExceptionUse{}
	for i := range results {
		if results[i].Err != nil {
			continue
		}
		for _, use := range results[i].Verdict.Exceptions {
			if use.Exception == nil {
				continue
			}
			key := exceptionKey{use.Exception.Kind(), use.Exception.Subject(), use.Exception.Package, use.Exception.Position}
			if m := merged[key]; m != nil {
				mergeUse(m, use)
				continue
			}
			first := use // use itself would be moved to the heap every time
			merged[key] = &first
		}
	}
	uses := make([]policy.ExceptionUse, 0, len(merged))
	for _, use := range merged {
		uses = append(uses, *use)
	}
	sortUses(uses)
	return uses
}

func sortUses(uses []policy.ExceptionUse) {
	slices.SortFunc(uses, func(a, b policy.ExceptionUse) int {
		x, y := a.Exception, b.Exception
		return cmp.Or(
			cmp.Compare(x.Position.File, y.Position.File),
			cmp.Compare(x.Position.Line, y.Position.Line),
			cmp.Compare(x.Position.Column, y.Position.Column),
			cmp.Compare(x.Subject(), y.Subject()),
			cmp.Compare(x.Package, y.Package),
		)
	})
}

func mergeUse(into *policy.ExceptionUse, use policy.ExceptionUse) {
	into.Matches += use.Matches
	into.EndsSoon = into.EndsSoon || use.EndsSoon
	if statusRank(use.Status) < statusRank(into.Status) {
		into.Status, into.Why = use.Status, use.Why
	}
}

// statuses lists the statuses of exceptions, the one that outranks first.
func statuses() []policy.ExceptionStatus {
	return []policy.ExceptionStatus{
		policy.ExceptionExpired, policy.ExceptionRefused, policy.ExceptionUsed, policy.ExceptionOutOfScope, policy.ExceptionUnused,
	}
}

func statusRank(s policy.ExceptionStatus) int { return max(slices.Index(statuses(), s), 0) }

// day writes the last day of an exception.
func day(e *policy.Exception) string {
	if e.Expires.IsZero() {
		return "no end"
	}
	return e.Expires.UTC().Format("2006-01-02")
}

// allExceptions returns what became of every exception, over all images and the
// documents.
func allExceptions(run *gate.Run) []policy.ExceptionUse {
	return exceptionsOf(append(slices.Clone(run.Results), releaseUses(run)))
}

// releaseUses is a result with what became of the exceptions for workloads.
func releaseUses(run *gate.Run) gate.Result {
	if run.Release == nil || run.Release.Err != nil {
		return gate.Result{}
	}
	return gate.Result{Verdict: policy.Verdict{Exceptions: run.Release.Verdict.Exceptions}}
}
