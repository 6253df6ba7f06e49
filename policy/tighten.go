package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// raise is a policy above a base that it must not weaken.
type raise struct {
	base, child *Policy
	own         *settings       // what the file of child sets
	limits      exceptionLimits // likewise
	overrides   []*override
	exceptions  []*exception
	asked       map[string]bool // rules that the base asks of any image on any day
	days        []time.Time
}

// pair is what applies to an image with a policy and with its base alone.
type pair struct{ child, base *settings }

// tightens reports every setting of a policy that is less strict than its pinned
// base, at its place.
func (d *decoder) tightens(r *raise) {
	r.prepare()
	d.reportLooser(r, r.own, r.below(), "", "make it at least as strict as the base, or leave it out")
	if !slices.Contains(r.base.open, "overrides") {
		for _, o := range r.overrides {
			d.reportLooser(r, &o.changes, r.above(&o.changes), fmt.Sprintf("override %d: ", o.number),
				"make it at least as strict as the base; only a base that says open: [overrides] allows more")
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
	d.reportLooserLimits(r)
}

func (d *decoder) reportLooser(r *raise, set *settings, pairs []pair, title, cure string) {
	for _, l := range r.child.lang.leaves {
		pos, isSet := l.position(set)
		if l.keyPath() == ruleVEX && slices.Contains(r.base.open, "vex") {
			continue
		}
		if isSet && slices.ContainsFunc(pairs, func(p pair) bool { return !r.asStrict(l, p) }) {
			d.failPos(pos, cure, "%s%s is less strict than in the base %s", title, l.keyPath(), r.name())
		}
	}
}

// reportLooserLimits reports limits of exceptions that have no effect, because
// those of the base bind too.
func (d *decoder) reportLooserLimits(r *raise) {
	const cure = "make it at least as strict as the base, or leave it out"
	own, base := &r.limits, &r.base.limits
	if own.maxDays.set && base.maxDays.set && own.maxDays.value.longerThan(base.maxDays.value) {
		d.failPos(own.maxDays.pos, cure, "exception-limits.max-days is less strict than in the base %s", r.name())
	}
	if own.never.set && base.never.set && rank(evidence.Severity(own.never.value)) > rank(evidence.Severity(base.never.value)) {
		d.failPos(own.never.pos, cure, "exception-limits.never is less strict than in the base %s", r.name())
	}
}

func (r *raise) name() string { return r.base.parts[len(r.base.parts)-1].Name }

// prepare finds the days on which values come into force, and the rules that the
// base asks.
func (r *raise) prepare() {
	r.days = []time.Time{{}}
	sets := []*settings{r.own, &r.base.base}
	for _, o := range slices.Concat(r.base.overrides, r.overrides) {
		sets = append(sets, &o.changes)
	}
	for _, s := range sets {
		for _, l := range r.child.lang.leaves {
			r.addDay(l, s)
		}
	}
	r.asked = map[string]bool{}
	for _, s := range r.baseStates() {
		for _, p := range r.onEveryDay(s, s) {
			for _, rule := range r.child.lang.rules {
				r.asked[rule.ID] = r.asked[rule.ID] || rule.asksAnything(p.base)
			}
		}
	}
}

func (r *raise) addDay(l leaf, s *settings) {
	for _, day := range l.days(s) {
		if !slices.Contains(r.days, day) {
			r.days = append(r.days, day)
		}
	}
}

// baseStates returns what the base asks of images without an override, and of
// those of each override, while it lasts and after its end.
func (r *raise) baseStates() []*settings {
	all := []*settings{&r.base.base}
	for _, o := range r.base.overrides {
		all = append(all, r.on(&r.base.base, &o.changes), r.on(&r.base.base, &o.tightening))
	}
	return all
}

func (r *raise) on(s, changes *settings) *settings { return s.with(changes, r.child.lang.leaves) }

// below returns what applies when the settings of the file take the place of those
// of the base. Overrides of the base apply on top of both.
func (r *raise) below() []pair {
	file := r.on(&r.base.base, r.own)
	pairs := r.onEveryDay(file, &r.base.base)
	for _, o := range r.base.overrides {
		for _, changes := range []*settings{&o.changes, &o.tightening} {
			pairs = append(pairs, r.onEveryDay(r.on(file, changes), r.on(&r.base.base, changes))...)
		}
	}
	return pairs
}

// above returns what applies when an override of the policy is on top of all of
// the base.
func (r *raise) above(changes *settings) []pair {
	var pairs []pair
	for _, s := range r.baseStates() {
		pairs = append(pairs, r.onEveryDay(r.on(s, changes), s)...)
	}
	return pairs
}

// onEveryDay returns what applies before and from each day on which a value comes
// into force: a value of the base that comes into force later must not be brought
// forward when it is the looser one.
func (r *raise) onEveryDay(child, base *settings) []pair {
	var pairs []pair
	for _, day := range r.days {
		pairs = append(pairs, pair{child.at(day, r.child.lang.leaves), base.at(day, r.child.lang.leaves)})
	}
	return pairs
}

// asStrict compares one key. A level is compared wherever the base asks the rule
// of any image: overrides apply together, and one may ask what another one sets
// the level of.
func (r *raise) asStrict(l leaf, p pair) bool {
	if rule, ok := strings.CutPrefix(l.keyPath(), levelsPrefix); ok {
		return !r.asked[rule] || strictest(levelWords()...)(p.child.level(rule), p.base.level(rule))
	}
	return l.atLeastAsStrict(p.child, p.base)
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

// longerThan reports whether a limit allows more days than another one for any
// severity.
func (l dayLimits) longerThan(other dayLimits) bool {
	return l.rest() > other.rest() || slices.ContainsFunc(evidence.Severities(), func(sev evidence.Severity) bool {
		return l.of(sev) > other.of(sev)
	})
}
