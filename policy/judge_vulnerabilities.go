package policy

import (
	"fmt"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// weighed is what becomes of all findings of one severity.
type weighed struct {
	class        Class
	rule, reason string
}

// weighAll compares findings with the limits. counts are those that have no
// class yet.
func (j *judge) weighAll(counts map[evidence.Severity]int) {
	j.buckets = map[evidence.Severity]int{}
	j.unrated = counts[evidence.SeverityUnknown]
	for sev, n := range counts {
		bucket, _, _ := j.s.limited(sev)
		j.buckets[bucket] += n
	}
	bySeverity := map[evidence.Severity]weighed{}
	for sev := range counts {
		bySeverity[sev] = j.weigh(sev)
	}
	for i := range j.findings {
		if f := &j.findings[i]; f.Class == "" {
			w := bySeverity[f.Severity]
			if over := j.overdue[f.Finding]; over != "" && w.class != ClassBlocking {
				w = weighed{ClassBlocking, ruleDeadlines, over}
			}
			f.Class, f.Rule, f.Reason = w.class, w.rule, w.reason
		}
	}
}

// weigh compares a severity with the limit for it. Above the limit all findings
// of the severity block, because nothing tells which of them exceed it.
func (j *judge) weigh(sev evidence.Severity) weighed {
	bucket, limit, ok := j.s.limited(sev)
	n := j.buckets[bucket]
	level := j.s.level(ruleMax)
	w := weighed{class: ClassBelowThreshold}
	switch {
	case !ok || level == levelOff:
		w.reason = fmt.Sprintf("the policy does not limit %s", sev)
	case n <= limit:
		w.reason = fmt.Sprintf("%d %s, %d allowed", n, bucket, limit)
	case level == levelWarn:
		w.reason = fmt.Sprintf("%d %s, %d allowed, but vulnerabilities.max only warns", n, bucket, limit)
	default:
		w.class, w.rule = ClassBlocking, ruleMax
		w.reason = fmt.Sprintf("%d %s, %d allowed", n, bucket, limit)
	}
	if sev != bucket {
		w.reason += "; not rated, so it counts as " + string(bucket)
	}
	return w
}

// severity returns the severity that the policy goes by.
func (j *judge) severity(f *evidence.Finding) evidence.Severity {
	own := normalSeverity(f.Severity)
	switch sources := sourcesKey.value(j.s); sources[0] {
	case wordAuto:
	case wordHighest:
		for _, v := range f.VendorSeverity {
			if v = normalSeverity(v); rank(v) > rank(own) {
				own = v
			}
		}
	default:
		for _, source := range sources {
			if v := normalSeverity(f.VendorSeverity[source]); rank(v) > 0 {
				return v
			}
		}
	}
	return own
}

func checkMax(j *judge) answer {
	over := overLimit(maxKey.of(j.s), j.buckets, j.unrated)
	a := passing("%s", foundText(maxKey.of(j.s), j.buckets, j.unrated))
	a.allowed = limitText(maxKey.of(j.s))
	if len(over) > 0 {
		a.result, a.details = ResultFail, over
		a.cure = j.updateCure()
		return a
	}
	if sc, lack := j.scanned(evidence.NeedPackages); lack != nil {
		return *lack
	} else if sc.Database == nil {
		return missing("no advisory database was used")
	}
	return a
}

// updateCure tells how far updating goes.
func (j *judge) updateCure() string {
	blocking, fixable := 0, 0
	for i := range j.findings {
		if f := &j.findings[i]; f.Rule == ruleMax {
			blocking++
			if f.FixedVersion != "" {
				fixable++
			}
		}
	}
	switch {
	case blocking == 0:
		return ""
	case fixable == blocking:
		return "update the packages: every blocking finding has a fixed version"
	case fixable == 0:
		return "no blocking finding has a fix yet: choose another base image, remove the packages, or add exceptions that end"
	}
	return fmt.Sprintf("update the packages: %d of %d blocking findings have a fixed version; for the others choose another base image or add exceptions that end", fixable, blocking)
}

// overLimit says which limits are exceeded. unrated findings of unknown severity
// are in the counts.
func overLimit(limits map[evidence.Severity]option[int], counts map[evidence.Severity]int, unrated int) []string {
	sums := map[evidence.Severity]int{}
	for sev, n := range counts {
		bucket, _, _ := bucketOf(limits, sev)
		sums[bucket] += n
	}
	var over []string
	for sev, n := range sums {
		if _, limit, ok := bucketOf(limits, sev); ok && n > limit {
			over = append(over, fmt.Sprintf("%s, at most %d allowed", countText(limits, sev, n, unrated), limit))
		}
	}
	return over
}

func limitText(limits map[evidence.Severity]option[int]) string {
	var parts []string
	for _, sev := range inOrder(limits) {
		if n := limits[sev].value; n != unlimitedMax {
			parts = append(parts, fmt.Sprintf("%d %s", n, sev))
		}
	}
	if len(parts) == 0 {
		return "any number"
	}
	return "at most " + strings.Join(parts, ", ")
}

// foundText says how many findings count for each limit.
func foundText(limits map[evidence.Severity]option[int], counts map[evidence.Severity]int, unrated int) string {
	var parts []string
	for _, sev := range inOrder(limits) {
		if limits[sev].value == unlimitedMax {
			continue
		}
		parts = append(parts, countText(limits, sev, counts[sev], unrated))
	}
	if len(parts) == 0 {
		return "no severity is limited"
	}
	return "counted: " + strings.Join(parts, ", ")
}

// countText names a count, and how many findings of unknown severity are in it.
func countText(limits map[evidence.Severity]option[int], sev evidence.Severity, n, unrated int) string {
	text := fmt.Sprintf("%d %s", n, sev)
	if bucket, _, _ := bucketOf(limits, evidence.SeverityUnknown); unrated > 0 && sev == bucket && sev != evidence.SeverityUnknown {
		text += fmt.Sprintf(" (%d of them of unknown severity)", unrated)
	}
	return text
}

func checkUnfixed(j *judge) answer {
	levels := unfixedKey.value(j.s)
	warned, ignored := 0, 0
	for i := range j.findings {
		f := &j.findings[i]
		_, _, limited := j.s.limited(f.Severity)
		switch {
		case f.Class != ClassUnfixed || !limited:
		case levels.level(f.Severity, f.Status) == levelIgnore:
			ignored++
		default:
			warned++
		}
	}
	switch {
	case !levels.any(levelWarn) && !levels.any(levelIgnore):
		return passing("findings without a fix count like any other")
	case !levels.any(levelWarn) && !levels.any(levelFail):
		return off("%s without a fix would count and %s ignored", words.Plural(ignored, "finding"), isAre(ignored))
	case warned == 0:
		if _, lack := j.scanned(evidence.NeedPackages); lack != nil {
			return *lack
		}
		return passing("no finding that would count lacks a fix")
	}
	return answer{result: ResultWarn, message: words.Plural(warned, "finding") + " without a fix would count, but the policy only warns", allowed: "any number, with a warning"}
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func checkDeny(j *judge) answer {
	var found []string
	for i := range j.findings {
		if f := &j.findings[i]; j.deniedID(f.Finding) != "" {
			found = append(found, strings.TrimSpace(fmt.Sprintf("%s in %s %s", f.ID, f.Package.Name, f.Package.Version)))
		}
	}
	if len(found) > 0 {
		a := failing("%s of denied vulnerabilities", words.Plural(len(found), "finding"))
		a.details, a.allowed = found, "none of "+words.And(denyKey.value(j.s))
		return a
	}
	if sc, lack := j.scanned(evidence.NeedPackages); lack != nil {
		return *lack
	} else if sc.Database == nil {
		return missing("no advisory database was used")
	}
	return passing("no finding is %s", words.Or(denyKey.value(j.s)))
}
