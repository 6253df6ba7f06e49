package policy

import (
	"slices"

	"github.com/imagegate/imagegate/policy/evidence"
)

// raise is a policy above a base that it must not weaken.
type raise struct {
	base, child *Policy
	own         *settings // what the file of child sets
	overrides   []*override
	exceptions  []*exception
}

// tightens reports every setting of a policy that is less strict than its pinned
// base, at its place. Below an override of the base the same holds.
func (d *decoder) tightens(r *raise) {
	for _, l := range r.child.lang.leaves {
		pos, set := l.position(r.own)
		if set && !r.below(l) {
			d.failPos(pos, "make it at least as strict as the base, or leave it out", "%s is less strict than in the base %s", l.keyPath(), r.name())
		}
	}
	for i, o := range r.overrides {
		if slices.Contains(r.base.open, "overrides") {
			break
		}
		for _, l := range r.child.lang.leaves {
			pos, set := l.position(&o.changes)
			if set && !r.above(l, &o.changes) {
				d.failPos(pos, "make it at least as strict as the base; only a base that says open: [overrides] allows more",
					"override %d: %s is less strict than in the base %s", i+1, l.keyPath(), r.name())
			}
		}
	}
	if len(r.exceptions) > 0 && !slices.Contains(r.base.open, "exceptions") {
		d.failPos(r.exceptions[0].Position, "ask the owner of the base for the exception, or for open: [exceptions]",
			"the base %s allows no exceptions above it", r.name())
	}
	for _, word := range r.child.open {
		if !slices.Contains(r.base.open, word) {
			d.at(1, 1, "remove it from open", "open: [%s] allows more than the base %s", word, r.name())
		}
	}
}

func (r *raise) name() string { return r.base.parts[len(r.base.parts)-1].Name }

// below reports whether a key is at least as strict as in the base when the
// settings of the file take the place of those of the base: for images without an
// override, and for those of each override of the base, which applies on top.
func (r *raise) below(l leaf) bool {
	leaves := r.child.lang.leaves
	settings := r.base.base.with(r.own, leaves)
	if !l.atLeastAsStrict(settings, &r.base.base) {
		return false
	}
	for _, o := range r.base.overrides {
		if !l.atLeastAsStrict(settings.with(&o.changes, leaves), r.base.base.with(&o.changes, leaves)) {
			return false
		}
	}
	return true
}

// above reports the same of an override, which applies on top of all of the base.
func (r *raise) above(l leaf, changes *settings) bool {
	leaves := r.child.lang.leaves
	for _, s := range r.base.everySettings() {
		if !l.atLeastAsStrict(s.with(changes, leaves), s) {
			return false
		}
	}
	return true
}

// with returns the limits of exceptions of a policy on a base. Both bind where the
// base is pinned; otherwise a key of the policy takes the place of that of the base.
func (l exceptionLimits) with(by exceptionLimits, pinned bool) exceptionLimits {
	if !pinned {
		if by.maxDays.set {
			l.maxDays = by.maxDays
		}
		if by.require.set {
			l.require = by.require
		}
		if by.never.set {
			l.never = by.never
		}
		return l
	}
	switch {
	case !l.maxDays.set:
		l.maxDays = by.maxDays
	case by.maxDays.set:
		l.maxDays = option[dayLimits]{value: l.maxDays.value.and(by.maxDays.value), pos: by.maxDays.pos, set: true}
	}
	if by.never.set && (!l.never.set || rank(evidence.Severity(by.never.value)) < rank(evidence.Severity(l.never.value))) {
		l.never = by.never
	}
	for _, key := range by.require.value {
		if !slices.Contains(l.require.value, key) {
			require := append(slices.Clone(l.require.value), key)
			if !l.require.set {
				l.require.pos = by.require.pos
			}
			l.require.value, l.require.set = require, true
		}
	}
	return l
}

// and returns the days that both limits allow.
func (l dayLimits) and(by dayLimits) dayLimits {
	if l.all > 0 && by.all > 0 {
		return dayLimits{all: min(l.all, by.all)}
	}
	out := dayLimits{severity: map[evidence.Severity]option[int]{}, other: min(l.rest(), by.rest())}
	for _, sev := range evidence.Severities() {
		out.severity[sev] = option[int]{value: min(l.of(sev), by.of(sev)), set: true}
	}
	return out
}
