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
	// Workload is the one that the rule was asked of; "" for one about an image, or
	// about documents as a whole.
	Workload string
	Before   policy.Result
	After    policy.RuleResult
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
	return By(func(moment time.Time) policy.Verdict { return p.Evaluate(img, moment) }, now, days)
}

// By is [Of] for an image that judge judges: as a part of a release, for instance.
func By(judge func(time.Time) policy.Verdict, now time.Time, days int) (policy.Verdict, []Change) {
	var first *policy.Verdict
	_, changes := changesOf(func(moment time.Time) *state {
		v := judge(moment)
		if first == nil {
			first = &v
		}
		s := &state{moment: moment, decision: v.Decision, findings: v.Findings}
		s.add("", v.Rules)
		return s
	}, now, days)
	return *first, changes
}

// OfRelease does for documents, judged with their images, what [Of] does for an image.
func OfRelease(p *policy.Policy, r *evidence.Release, images []*evidence.Image, now time.Time, days int) (policy.Decision, []Change) {
	first, changes := changesOf(func(moment time.Time) *state {
		v := p.EvaluateRelease(r, images, moment)
		s := &state{moment: moment, decision: v.Decision}
		s.add("", v.Rules)
		for i := range v.Workloads {
			s.add(r.Workloads[i].ID(), v.Workloads[i].Rules)
		}
		return s
	}, now, days)
	return first.decision, changes
}

// changesOf asks at for each of the coming days, and for the seconds of the changes.
func changesOf(at func(time.Time) *state, now time.Time, days int) (*state, []Change) {
	now = now.UTC().Truncate(time.Second)
	first := at(now)
	var out []Change
	before := first
	for day := range min(days, MaxDays) {
		next := at(now.AddDate(0, 0, day+1))
		for !before.sameAnswer(next) {
			after := firstOther(at, before, next)
			out = append(out, after.since(at(after.moment.Add(-time.Second))))
			before = after
		}
		before = next
	}
	return first, out
}

// state is the answer at one moment.
type state struct {
	moment   time.Time
	decision policy.Decision
	rules    []RuleChange // with what they say at this moment
	findings []policy.Judged
}

func (s *state) add(workload string, rules []policy.RuleResult) {
	for _, r := range rules {
		s.rules = append(s.rules, RuleChange{Workload: workload, After: r})
	}
}

// sameAnswer reports whether the verdict, the results of all rules and the findings
// that block are the same.
func (s *state) sameAnswer(other *state) bool {
	return s.decision == other.decision && slices.EqualFunc(s.rules, other.rules, func(x, y RuleChange) bool {
		return x.After.Rule == y.After.Rule && x.Workload == y.Workload && x.After.Result == y.After.Result
	}) && slices.EqualFunc(s.blocking(), other.blocking(), func(x, y policy.Judged) bool { return x.Finding == y.Finding })
}

// blocking returns the findings that block: they come first in a verdict.
func (s *state) blocking() []policy.Judged {
	n := slices.IndexFunc(s.findings, func(j policy.Judged) bool { return j.Class != policy.ClassBlocking })
	if n < 0 {
		n = len(s.findings)
	}
	return s.findings[:n]
}

// firstOther returns the first second after one moment at which the answer is
// another one. What changes within a day changes once: dates are midnights, and
// what runs out at another hour has run out for good.
func firstOther(at func(time.Time) *state, same, other *state) *state {
	for other.moment.Sub(same.moment) > time.Second {
		middle := at(same.moment.Add(other.moment.Sub(same.moment) / 2).Truncate(time.Second))
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
	c := Change{At: s.moment, Before: before.decision, After: s.decision}
	type asked struct{ workload, rule string }
	results := map[asked]policy.Result{}
	for _, r := range before.rules {
		results[asked{r.Workload, r.After.Rule}] = r.After.Result
	}
	for _, r := range s.rules {
		if r.Before = results[asked{r.Workload, r.After.Rule}]; r.Before != r.After.Result {
			c.Rules = append(c.Rules, r)
		}
	}
	classes := map[*evidence.Finding]policy.Class{}
	for i := range before.findings {
		classes[before.findings[i].Finding] = before.findings[i].Class
	}
	for i := range s.findings {
		j := &s.findings[i]
		if was := classes[j.Finding]; was != j.Class {
			c.Findings = append(c.Findings, FindingChange{was, *j})
		}
	}
	return c
}
