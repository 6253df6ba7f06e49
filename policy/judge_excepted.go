package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// covering returns the first exception of a kind that covers something, nil when
// none does, and counts for all of them. about reports whether an exception is
// for it, and inScope whether the other keys of the exception hold.
func (j *judge) coveringOf(kind, what string, sev evidence.Severity, about, inScope func(*exception) bool) *exception {
	var found *exception
	for _, i := range j.policy.exceptionKinds[kind] {
		e, c := j.policy.exceptions[i], &j.index.counts[i]
		if !about(e) {
			continue
		}
		c.seen++
		if len(e.Images) > 0 && !matchesAny(e.Images, j.img.Reference.Name, matchImage) || !inScope(e) {
			continue
		}
		c.matches++
		if e.expired(j.now) {
			continue
		}
		if why := j.beyondLimits(e, what, sev); why != "" {
			if c.refused = why; why == j.tooLong(e, sev) {
				c.late = why
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

// until says for how long an exception covers something, and why.
func (e *exception) until() string {
	return fmt.Sprintf("excepted until %s: %s", e.Expires.Format(time.DateOnly), e.Reason)
}

// outOfScope says what an exception is not about although its subject is there.
func (e *exception) outOfScope() string {
	switch e.Kind() {
	case exceptSecret:
		return "the rule found a secret, but in another file, content or image"
	case exceptLicense:
		return "the licence is there, but in another package or image"
	case exceptGap:
		return "there is such a gap, but at another path or package, of another cause, or in another image"
	case exceptRule:
		return "the rule is not met, but by another image"
	}
	return "the id is there, but in another package, image or path"
}

// exceptRule turns the answer of a rule that is not met into a warning, where
// an exception covers it. The exception is for the rule and for named images.
func (j *judge) exceptRule(id string, a *answer) {
	if !ExceptableRule(id) {
		return
	}
	if a.valueless {
		j.refuseRule(id, "the expression of the rule has no value for this image, and an exception covers only what a rule denies")
		return
	}
	e := j.coveringOf(exceptRule, id, "", func(e *exception) bool { return e.Rule == id }, func(*exception) bool { return true })
	if e != nil {
		a.result = ResultWarn
		a.message += "; " + e.until()
	}
}

// refuseRule notes of the exceptions for a rule and this image why they do not apply.
func (j *judge) refuseRule(id, why string) {
	for _, i := range j.policy.exceptionKinds[exceptRule] {
		e, c := j.policy.exceptions[i], &j.index.counts[i]
		if e.Rule != id {
			continue
		}
		if c.seen++; matchesAny(e.Images, j.img.Reference.Name, matchImage) {
			c.matches++
			c.refused = why
		}
	}
}

// exceptSecret returns the exception that covers a secret: of the same rule, in
// the same file with the same content. A file that changes may hold another
// secret.
func (j *judge) exceptSecret(s *evidence.Secret) *exception {
	return j.coveringOf(exceptSecret, s.RuleID+" in "+s.Path, normalSeverity(s.Severity),
		func(e *exception) bool { return e.Secret == s.RuleID },
		func(e *exception) bool {
			return s.Content != "" && e.Content == s.Content && s.Path != "" && strings.TrimPrefix(e.Path, "/") == strings.TrimPrefix(s.Path, "/")
		})
}

// exceptLicense returns the exception that covers a licence of a package.
func (j *judge) exceptLicense(sc *evidence.Scan, l evidence.License) *exception {
	if len(j.policy.exceptionKinds[exceptLicense]) == 0 {
		return nil
	}
	name := cmp.Or(l.Name, unknownLicense)
	return j.coveringOf(exceptLicense, name+" in "+l.Package, "",
		func(e *exception) bool {
			return strings.EqualFold(strings.TrimSpace(e.License), strings.TrimSpace(name))
		},
		func(e *exception) bool { return e.pkg.coversAll(sc.Packages, l.Package, l.Type) })
}

// coversAll reports whether the matcher takes every package of a name and type.
// A licence does not say which version of the package it is of.
func (m *packageMatcher) coversAll(packages []evidence.Package, name, typ string) bool {
	if m == nil || name == "" {
		return false
	}
	some := false
	for i := range packages {
		if p := &packages[i]; p.Name == name && (typ == "" || p.Type == typ) {
			if !m.matches(p) {
				return false
			}
			some = true
		}
	}
	return some || m.purl == nil && m.name == name
}

// exceptGap returns the exception that covers a gap: of the same kind and with
// the same cause, at a path or for a package that the exception names. Paths
// that decide about the operating system, the packages or the users are never
// covered, and neither is a gap that names neither path nor package.
func (j *judge) exceptGap(g *evidence.Gap) *exception {
	if !slices.Contains(exceptableGaps(), string(g.Kind)) {
		return nil
	}
	where := gapPath(g)
	if where != "" && decides(where) {
		return nil
	}
	return j.coveringOf(exceptGap, gapLine(*g, g.Kind), "",
		func(e *exception) bool { return e.Gap == string(g.Kind) },
		func(e *exception) bool {
			return strings.Contains(g.Detail, e.Cause) &&
				(len(e.Paths) == 0 || matchesAny(e.Paths, where, matchPath)) &&
				(e.pkg == nil || j.gapPackage(e.pkg, g))
		})
}

// gapPath is the path of a gap. A gap about a hidden file names it as its
// subject.
func gapPath(g *evidence.Gap) string {
	if g.Path == "" && g.Kind == evidence.GapHiddenFiles {
		return g.Subject
	}
	return g.Path
}

// gapPackage reports whether a gap is about the package of a matcher.
func (j *judge) gapPackage(m *packageMatcher, g *evidence.Gap) bool {
	return g.Package != "" && slices.ContainsFunc(j.img.Scan.Packages, func(p evidence.Package) bool {
		return p.Name+" "+p.Version == g.Package && m.matches(&p)
	})
}
