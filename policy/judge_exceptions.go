package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// exceptionIndex finds exceptions by id and counts what became of each.
type exceptionIndex struct {
	byID   map[string][]int // the policy's
	counts []exceptionCount
}

type exceptionCount struct {
	seen    int // findings with the id, or other items that the exception is for
	matches int // and in scope
	applied int // and covered
	refused string
	late    string // why it ends too far ahead for something that it matches
	tooLong []int  // findings it would cover if it ended earlier
}

func newExceptionIndex(p *Policy) *exceptionIndex {
	return &exceptionIndex{byID: p.exceptionIDs, counts: make([]exceptionCount, len(p.exceptions))}
}

// candidates returns the exceptions for any of the finding's ids, in the order
// of the policy.
func (x *exceptionIndex) candidates(f *evidence.Finding) []int {
	if len(x.counts) == 0 {
		return nil
	}
	own := x.byID[strings.ToUpper(f.ID)]
	out := slices.Clip(own) // the list is the policy's: growing it makes a copy
	for _, a := range f.Aliases {
		out = append(out, x.byID[strings.ToUpper(a)]...)
	}
	if len(out) == len(own) {
		return own
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// find returns the first exception that covers a finding, nil when none does,
// and counts for all of them.
func (x *exceptionIndex) find(j *judge, f *Judged) *exception {
	var found *exception
	for _, i := range x.candidates(f.Finding) {
		e, c := j.policy.exceptions[i], &x.counts[i]
		c.seen++
		if !e.inScope(j.img.Reference.Name, f.Finding) {
			continue
		}
		c.matches++
		if e.expired(j.now) {
			continue
		}
		if why := j.refusal(e, f); why != "" {
			c.refused = why
			if why == j.tooLong(e, f.Severity) {
				c.late, c.tooLong = why, append(c.tooLong, len(j.findings))
			}
			continue
		}
		c.applied++
		if found == nil {
			found = e
		}
	}
	return found
}

// refusal says why the policy's own limits keep an exception from covering a
// finding, or "".
func (j *judge) refusal(e *exception, f *Judged) string {
	if id := j.deniedID(f.Finding); id != "" && j.s.level(ruleDeny) == levelFail {
		return id + " is denied by vulnerabilities.deny"
	}
	if why := j.exploitedRefusal(f); why != "" {
		return why
	}
	return j.beyondLimits(e, f.ID, f.Severity)
}

// beyondLimits says why exception-limits keep an exception from covering
// something of a severity, or "". What has no severity has the severity "".
func (j *judge) beyondLimits(e *exception, what string, sev evidence.Severity) string {
	if why := j.tooLong(e, sev); why != "" {
		return why
	}
	if never := j.policy.limits.never; never.set && sev != "" && worth(sev) >= rank(evidence.Severity(never.value)) {
		return fmt.Sprintf("%s is %s, and exception-limits.never covers %s and worse", what, sev, never.value)
	}
	return ""
}

// tooLong says that an exception ends too far ahead for what it is to cover.
func (j *judge) tooLong(e *exception, sev evidence.Severity) string {
	var severities []evidence.Severity
	if sev != "" {
		severities = append(severities, sev)
	}
	limit, ok := j.policy.limits.days(severities...)
	if days := e.daysLeft(j.now); ok && days > limit {
		return fmt.Sprintf("it ends in %d days, exception-limits.max-days allows %d", days, limit)
	}
	return ""
}

// blocksForTooLong reports whether a finding blocks that an exception would
// cover if it ended earlier.
func (x *exceptionIndex) blocksForTooLong(findings []Judged) bool {
	for i := range x.counts {
		if slices.ContainsFunc(x.counts[i].tooLong, func(k int) bool { return findings[k].Class == ClassBlocking }) {
			return true
		}
	}
	return false
}

// exceptionUses says what became of each exception. It is asked when all rules
// that exceptions can be for have answered.
func (j *judge) exceptionUses() []ExceptionUse {
	if j.uses != nil {
		return j.uses
	}
	j.uses = []ExceptionUse{}
	for i, e := range j.policy.exceptions {
		if e.ofRelease() != j.ofRelease {
			continue
		}
		if u, ok := j.use(e, &j.index.counts[i]); ok {
			j.uses = append(j.uses, u)
		}
	}
	for _, o := range j.applied.overrides {
		if why := j.policy.overrideTooLong(o, j.now); why != "" {
			j.refused = append(j.refused, fmt.Sprintf("the override at %s: %s", o.pos, why))
		}
	}
	return j.uses
}

// use says what became of one exception. When the evidence that the exception
// is about was not collected, it is only known whether the exception has
// expired.
func (j *judge) use(e *exception, c *exceptionCount) (u ExceptionUse, ok bool) {
	u = ExceptionUse{Exception: &e.Exception, Matches: c.matches, DaysLeft: e.daysLeft(j.now)}
	long := cmp.Or(c.late, j.tooLong(e, ""))
	switch {
	case e.expired(j.now):
		u.Status = ExceptionExpired
	case c.applied > 0:
		u.Status, u.Matches = ExceptionUsed, c.applied
		u.EndsSoon = u.DaysLeft <= endsSoonDays
	case c.matches > 0:
		u.Status, u.Why = ExceptionRefused, c.refused
	case c.seen > 0:
		u.Status, u.Why = ExceptionOutOfScope, e.outOfScope()
	case !j.lookedFor(e):
		return u, false
	default:
		u.Status = ExceptionUnused
	}
	if long != "" && u.Status != ExceptionExpired {
		j.refused = append(j.refused, fmt.Sprintf("%s (%s): %s", e.Name(), e.Position, long))
	}
	return u, true
}

// lookedFor reports whether the evidence can show what the exception is about.
func (j *judge) lookedFor(e *exception) bool {
	need := evidence.NeedPackages
	switch e.Kind() {
	case exceptRule:
		return true
	case exceptSecret:
		need = evidence.NeedSecrets
	case exceptLicense:
		need = evidence.NeedLicenses
	case exceptGap:
		return j.img.Scan != nil && j.img.Scan.Coverage.Gaps != nil
	}
	return j.img.Scanned(need) != nil
}

func checkExceptionUse(j *judge) answer {
	own := slices.DeleteFunc(slices.Clone(j.policy.exceptions), func(e *exception) bool { return e.ofRelease() != j.ofRelease })
	if len(own) == 0 {
		return off("the policy has no exceptions")
	}
	var warn []string
	used, first := 0, own[0].Position
	for _, u := range j.exceptionUses() {
		var what string
		switch {
		case u.Status == ExceptionExpired && u.Matches > 0:
			what = fmt.Sprintf("ended on %s and would cover %s", u.Exception.Expires.Format("2006-01-02"), words.Plural(u.Matches, "finding"))
		case u.Status == ExceptionRefused:
			what = "does not apply: " + u.Why
		case u.EndsSoon:
			what = "ends on " + u.Exception.Expires.Format("2006-01-02")
		}
		if what != "" {
			warn = append(warn, fmt.Sprintf("%s (%s) %s", u.Exception.Name(), u.Exception.Position, what))
		}
		if u.Status == ExceptionUsed {
			used++
		}
	}
	a := passing("%d of %s used", used, words.Plural(len(own), "exception"))
	if len(warn) > 0 {
		a.result, a.details = ResultWarn, warn
		a.allowed = "exceptions that apply and do not end soon"
		a.message += fmt.Sprintf("; %d to look at", len(warn))
	}
	a.pos = first
	return a
}

// checkExceptionLimits fails an image that is blocked because an exception ends
// too late. The exception must not work silently, and a reader of the finding
// must learn why it did not work.
func checkExceptionLimits(j *judge) answer {
	l := j.policy.limits
	if !l.maxDays.set && !l.never.set {
		return off("the policy sets no limits that depend on time or finding")
	}
	j.exceptionUses()
	if len(j.refused) == 0 {
		return passing("every exception is within the limits")
	}
	a := answer{result: ResultWarn, message: words.Plural(len(j.refused), "exception") + " too far ahead, without effect"}
	if j.relied {
		a = failing("%s too far ahead, and what it was to cover blocks", words.Plural(len(j.refused), "exception"))
	}
	a.details, a.pos = slices.Clone(j.refused), l.maxDays.pos
	a.allowed = "an end within " + l.maxDays.value.String()
	return a
}

// MergeUses joins what became of the exceptions over many images: used in one
// is used, and an exception is unused only if no image had its id.
func MergeUses(all ...[]ExceptionUse) []ExceptionUse {
	type key struct {
		kind, subject, pkg string
		pos                Position
	}
	place := map[key]int{}
	var out []ExceptionUse
	for _, uses := range all {
		for _, u := range uses {
			if u.Exception == nil {
				continue
			}
			k := key{u.Exception.Kind(), u.Exception.Subject(), u.Exception.Package, u.Exception.Position}
			i, ok := place[k]
			if !ok {
				place[k] = len(out)
				out = append(out, u)
				continue
			}
			out[i] = mergeUse(out[i], u)
		}
	}
	slices.SortStableFunc(out, func(a, b ExceptionUse) int {
		p, q := a.Exception.Position, b.Exception.Position
		return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
	})
	return out
}

func mergeUse(a, b ExceptionUse) ExceptionUse {
	if useRank(b.Status) > useRank(a.Status) {
		a, b = b, a
	}
	if a.Status == b.Status {
		a.Matches += b.Matches
	}
	a.DaysLeft = min(a.DaysLeft, b.DaysLeft)
	a.EndsSoon = a.EndsSoon || a.Status == ExceptionUsed && b.EndsSoon
	return a
}

func useRank(s ExceptionStatus) int {
	return slices.Index([]ExceptionStatus{ExceptionUnused, ExceptionOutOfScope, ExceptionRefused, ExceptionUsed, ExceptionExpired}, s)
}
