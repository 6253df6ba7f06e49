// Package forecast tells when a policy's answer about an image changes although
// the image and the advisories do not: exceptions end, grace runs out, support
// ends, things grow too old, and values come into force.
//
// It knows no kind of date. It judges the image on every day, and between two days
// with different answers it searches for the second. A new kind of date in the
// policy language needs no change here.
package forecast

import (
	"slices"
	"time"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// MaxDays is how far a forecast looks.
const MaxDays = 3660

// Change is a moment at which the answer changes.
type Change struct {
	// At is the first second with the new answer, UTC.
	At            time.Time
	Before, After policy.Decision
	Rules         []RuleChange    // whose result changes at that second, in the order of reports
	Findings      []FindingChange // whose class changes at that second
}

// RuleChange is a rule whose result changes.
type RuleChange struct {
	Before policy.Result
	After  policy.RuleResult
}

// FindingChange is a finding whose class changes.
type FindingChange struct {
	Before policy.Class
	After  policy.Judged
}

// Of judges an image now and on each of the coming days, and returns the answer now
// and each change of the verdict, of the result of a rule, or of the findings that
// block.
func Of(p *policy.Policy, img *evidence.Image, now time.Time, days int) (policy.Verdict, []Change) {
	now = now.UTC().Truncate(time.Second)
	f := &forecaster{policy: p, image: img}
	first := f.at(now)
	var out []Change
	before := first
	for day := range min(days, MaxDays) {
		next := f.at(now.AddDate(0, 0, day+1))
		for !before.sameAnswer(next) {
			after := f.firstOther(before, next)
			out = append(out, after.since(f.at(after.moment.Add(-time.Second))))
			before = after
		}
		before = next
	}
	return first.verdict, out
}

type forecaster struct {
	policy *policy.Policy
	image  *evidence.Image
}

// state is the answer at one moment.
type state struct {
	moment  time.Time
	verdict policy.Verdict
}

func (f *forecaster) at(moment time.Time) *state {
	return &state{moment, f.policy.Evaluate(f.image, moment)}
}

// sameAnswer reports whether the verdict, the results of all rules and the findings
// that block are the same.
func (s *state) sameAnswer(other *state) bool {
	a, b := &s.verdict, &other.verdict
	return a.Decision == b.Decision && slices.EqualFunc(a.Rules, b.Rules, func(x, y policy.RuleResult) bool {
		return x.Rule == y.Rule && x.Result == y.Result
	}) && slices.EqualFunc(blocking(a), blocking(b), func(x, y policy.Judged) bool { return x.Finding == y.Finding })
}

// blocking returns the findings that block: they come first in a verdict.
func blocking(v *policy.Verdict) []policy.Judged {
	n := slices.IndexFunc(v.Findings, func(j policy.Judged) bool { return j.Class != policy.ClassBlocking })
	if n < 0 {
		n = len(v.Findings)
	}
	return v.Findings[:n]
}

// firstOther returns the first second after one moment at which the answer is
// another one. What changes within a day changes once: dates are midnights, and
// what runs out at another hour has run out for good.
func (f *forecaster) firstOther(same, other *state) *state {
	for other.moment.Sub(same.moment) > time.Second {
		middle := f.at(same.moment.Add(other.moment.Sub(same.moment) / 2).Truncate(time.Second))
		if middle.sameAnswer(same) {
			same = middle
		} else {
			other = middle
		}
	}
	return other
}

// since says what is different from the state before.
func (s *state) since(before *state) Change {
	c := Change{At: s.moment, Before: before.verdict.Decision, After: s.verdict.Decision}
	results := map[string]policy.Result{}
	for _, r := range before.verdict.Rules {
		results[r.Rule] = r.Result
	}
	for _, r := range s.verdict.Rules {
		if was := results[r.Rule]; was != r.Result {
			c.Rules = append(c.Rules, RuleChange{was, r})
		}
	}
	classes := map[*evidence.Finding]policy.Class{}
	for i := range before.verdict.Findings {
		classes[before.verdict.Findings[i].Finding] = before.verdict.Findings[i].Class
	}
	for i := range s.verdict.Findings {
		j := &s.verdict.Findings[i]
		if was := classes[j.Finding]; was != j.Class {
			c.Findings = append(c.Findings, FindingChange{was, *j})
		}
	}
	return c
}
