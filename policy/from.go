package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/words"
)

// A value may be written as a mapping of value, from and control. Until the day
// that from names, the value that it replaces stays in force. An image that the new
// value would refuse gets a warning until then, so that teams can prepare for it.
// control names the requirement that the value meets, for the readers of reports.

// mark holds what such a mapping says in addition to the value.
type mark struct {
	from    time.Time // midnight UTC of the first day; zero when it applies at once
	control string
}

// The keys of the mapping.
const (
	markValue   = "value"
	markFrom    = "from"
	markControl = "control"
)

// markSchema is the schema of a value, written as it is or as such a mapping.
func markSchema(value object) object {
	return object{"anyOf": []any{value, object{
		"type": "object", "additionalProperties": false, "required": []string{markValue}, "minProperties": 2,
		"properties": object{
			markValue: value,
			markFrom: object{"type": "string", "pattern": dayForm.String(), "format": "date",
				"description": "The first day on which the value is in force, UTC. Until then it only warns."},
			markControl: object{"type": "string", "minLength": 1, "description": "The requirement that the value meets, such as CIS 4.1."},
		},
	}}}
}

// unmark returns the value of a mapping of value, from and control, and any other
// node as it is.
func (d *decoder) unmark(n *yaml.Node, name string) (value *yaml.Node, m mark, ok bool) {
	if n.Kind != yaml.MappingNode || d.bad[n] || !hasKey(n, markValue) {
		return n, m, true
	}
	mistakes := len(d.diags)
	known := []string{markValue, markFrom, markControl}
	d.entries(n, name, "write value, from and control", func(k, v *yaml.Node) {
		switch w, _ := d.choice(k, "a key of "+name, known); w {
		case markValue:
			value = v
			if isNull(v) && !d.bad[v] {
				d.fail(k, "give it a value", "%s.value has no value", name)
			}
		case markFrom:
			m.from, _ = d.day(v, name+"."+markFrom)
		case markControl:
			m.control, _ = d.text(v, name+"."+markControl)
		}
	})
	if len(d.diags) == mistakes && m == (mark{}) {
		d.fail(n, "write the value alone, or add from or control", "%s has a value and nothing beside it", name)
	}
	return value, m, len(d.diags) == mistakes
}

func hasKey(n *yaml.Node, key string) bool {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// or returns the mark, with what it lacks from that of a mapping around it.
func (m mark) or(around mark) mark {
	if m.from.IsZero() {
		m.from = around.from
	}
	m.control = cmp.Or(m.control, around.control)
	return m
}

// inForce reports whether the value applies at a moment.
func (m mark) inForce(now time.Time) bool { return !now.Before(m.from) }

// marked is a key whose values can have marks.
type marked interface {
	// mark returns the mark of the key's value, and false when the key is not
	// set.
	mark(s *settings) (mark, bool)
	// days returns the days on which the value, and those that apply before it, come
	// into force.
	days(s *settings) []time.Time
	// keepControl adds to the key in s the requirement that base names beside it.
	keepControl(s, base *settings)
	// settle copies the value that is in force at a moment.
	settle(into, s *settings, now time.Time)
}

func (k *setting[V]) mark(s *settings) (mark, bool) {
	o := k.of(s)
	return o.mark, o.set
}

func (k *setting[V]) keepControl(s, base *settings) {
	o, named := k.of(s), k.of(base).control
	switch {
	case !o.set || named == "" || o.control == named || strings.HasPrefix(o.control, named+", "):
		return
	case o.control == "":
		o.control = named
	default:
		o.control = named + ", " + o.control
	}
	s.put(k.path, &o)
}

func (k *setting[V]) days(s *settings) []time.Time {
	var out []time.Time
	o := k.of(s)
	for o.set {
		if !o.from.IsZero() {
			out = append(out, o.from)
		}
		if o.before == nil {
			break
		}
		o = *o.before
	}
	return out
}

func (k *setting[V]) settle(into, s *settings, now time.Time) {
	o := k.of(s)
	for o.set && !o.inForce(now) {
		if o.before == nil {
			return
		}
		o = *o.before
	}
	if o.set {
		into.put(k.path, &o)
	}
}

// at returns the settings that are in force at a moment.
func (s *settings) at(now time.Time, all []leaf) *settings {
	out := &settings{values: make(map[string]any, len(s.values))}
	for _, l := range all {
		l.settle(out, s, now)
	}
	return out
}

// comingDays returns the days after a moment on which values come into force, in
// order.
func (p *Policy) comingDays(s *settings, now time.Time) []time.Time {
	if !now.Before(p.lastFrom) {
		return nil
	}
	days := map[time.Time]bool{}
	for _, l := range p.lang.leaves {
		if m, set := l.mark(s); set && !m.inForce(now) {
			days[m.from] = true
		}
	}
	return slices.SortedFunc(maps.Keys(days), time.Time.Compare)
}

// findMarks notes whether any setting has a mark, so that a policy without marks is not searched for each image.
func (p *Policy) findMarks() {
	for _, s := range p.everySettings() {
		for _, l := range p.lang.leaves {
			m, _ := l.mark(s)
			if m.from.After(p.lastFrom) {
				p.lastFrom = m.from
			}
			p.controls = p.controls || m.control != ""
		}
	}
}

// foresee turns what an image would not meet from a later day on into warnings
// that name the day. Rules that are not met today stay as they are.
func (j *judge) foresee(rules []RuleResult, all *settings, days []time.Time) []RuleResult {
	return j.foreseeBy(rules, all, days, func(s *settings) []RuleResult {
		later := &judge{policy: j.policy, s: s, applied: j.applied, img: j.img, now: j.now, decision: j.decision}
		later.need = later.needs()
		return later.judgeRules()
	})
}

// foreseeBy is [judge.foresee] for rules that ask asks.
func (j *judge) foreseeBy(rules []RuleResult, all *settings, days []time.Time, ask func(*settings) []RuleResult) []RuleResult {
	told := make([]bool, len(rules))
	for _, day := range days {
		for i, then := range ask(all.at(day, j.policy.lang.leaves)) {
			now := &rules[i]
			if accompanying(now.Rule) || told[i] || stops(now.Result) {
				continue
			}
			switch {
			case stops(then.Result):
				then.Result = ResultWarn
				soften(then.Problems)
				then.Message += "; from " + day.Format(time.DateOnly) + " on that is no longer a warning"
				*now, told[i] = then, true
			case now.Result == ResultOff && then.Result != ResultOff:
				then.Message += "; in force from " + day.Format(time.DateOnly)
				*now = then
			}
		}
	}
	for i := range rules {
		j.announce(&rules[i], all, told[i])
	}
	return rules
}

// stops reports a result that keeps an image from passing.
func stops(r Result) bool { return r == ResultFail || r == ResultUndecided }

// announce names the days on which values of a rule come into force.
func (j *judge) announce(r *RuleResult, all *settings, told bool) {
	rule := j.policy.lang.lookup(r.Rule)
	if rule == nil || told {
		return
	}
	var out []string
	for _, k := range rule.keys {
		for _, l := range k.leaves() {
			if m, set := l.mark(all); set && !m.inForce(j.now) {
				out = append(out, fmt.Sprintf("%s is %s from %s on", l.keyPath(), l.text(all), m.from.Format(time.DateOnly)))
			}
		}
	}
	if m, set := j.policy.lang.levelMark(all, r.Rule); set && !m.inForce(j.now) {
		out = append(out, fmt.Sprintf("%s%s is %s from %s on", levelsPrefix, r.Rule, all.level(r.Rule), m.from.Format(time.DateOnly)))
	}
	if len(out) > 0 {
		r.Message += "; " + words.And(out)
	}
}

// controlOf names the requirements that the values of a rule meet.
func (j *judge) controlOf(r *Rule) string {
	if !j.policy.controls {
		return ""
	}
	var out []string
	for _, k := range r.keys {
		for _, l := range k.leaves() {
			if m, set := l.mark(j.s); set && m.control != "" && !slices.Contains(out, m.control) {
				out = append(out, m.control)
			}
		}
	}
	if r.control != nil {
		if c := r.control(j.s); c != "" && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	if m, _ := j.policy.lang.levelMark(j.s, r.ID); m.control != "" && !slices.Contains(out, m.control) {
		out = append(out, m.control)
	}
	return strings.Join(out, ", ")
}

// levelMark returns the mark of the level of a rule.
func (l *language) levelMark(s *settings, id string) (mark, bool) {
	o := s.levelOption(id)
	return o.mark, o.set
}
