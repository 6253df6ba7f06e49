package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Setting is one key as it applies, and the place that sets it.
type Setting struct {
	Key   string // "reference.pin"
	Value string // as a policy file spells it, in one line
	// Position is zero for a value of the built-in policy, and for one that applies
	// because no policy sets the key.
	Position Position
	// Origin says which: part of a policy, or value of keys that are not set.
	Origin SettingOrigin
	// From is the first day on which the value is in force, zero when it is already
	// in force. Until then Before applies, "" for nothing.
	From    time.Time
	Before  string
	Control string // the requirement that the value meets
}

// SettingOrigin says what kind of place sets a key.
type SettingOrigin string

const (
	// OriginFile is the policy that was parsed.
	OriginFile SettingOrigin = "file"
	// OriginBase is a policy that it builds on.
	OriginBase SettingOrigin = "base"
	// OriginBuiltIn is the built-in policy.
	OriginBuiltIn SettingOrigin = "built-in"
	// OriginUnset is no policy: the value is the one of a key that is not set.
	OriginUnset SettingOrigin = "not set"
)

// Override is an override as it applies.
type Override struct {
	Images   []string
	Final    bool
	Reason   string
	Owner    string
	Expires  time.Time // zero for no end
	Settings []Setting
	Loosens  []string // keys in which it is less strict than the policy
	Position Position
	Origin   SettingOrigin
}

// Settings lists the keys of the policy that have a value, in the order of the
// language, and what limits its exceptions.
func (p *Policy) Settings() []Setting {
	var out []Setting
	for _, l := range p.lang.leaves {
		s := p.describe(l, &p.base)
		switch {
		case s.Value == notSet:
		case s.Key == ruleCustom:
			out = append(out, p.describeCustom(s)...)
		default:
			out = append(out, s)
		}
	}
	return append(out, p.limitSettings()...)
}

// InBuiltIn lists the keys of the rule that the built-in policy sets.
func (r *Rule) InBuiltIn() []Setting {
	var out []Setting
	for _, s := range builtInPolicy().Settings() {
		if s.Origin == OriginBuiltIn && r.hasKey(s.Key) {
			out = append(out, s)
		}
	}
	return out
}

// HasKeys reports whether a key of the policy file sets the rule.
func (r *Rule) HasKeys() bool { return len(r.keys) > 0 }

func (r *Rule) hasKey(path string) bool {
	return path == levelsPrefix+r.ID || strings.HasPrefix(path, r.ID+".") || slices.ContainsFunc(r.keys, func(k key) bool {
		return slices.ContainsFunc(k.leaves(), func(l leaf) bool { return l.keyPath() == path })
	})
}

// describeCustom describes each rule of the policy's own.
func (p *Policy) describeCustom(all Setting) []Setting {
	var out []Setting
	for _, r := range customKey.value(&p.base) {
		s := all
		s.Key, s.Position, s.Origin = customPrefix+r.id, r.pos, p.origin(r.pos, true)
		s.Value = r.level + ", where " + oneLine(r.expression.Source())
		s.Control = cmp.Or(r.control, all.Control)
		out = append(out, s)
	}
	return out
}

// Unset lists the keys that have no value, and so ask for nothing.
func (p *Policy) Unset() []string {
	var out []string
	for _, l := range p.lang.leaves {
		if l.text(&p.base) == notSet && !strings.HasPrefix(l.keyPath(), levelsPrefix) {
			out = append(out, l.keyPath())
		}
	}
	return out
}

// Overrides lists the overrides of the policy and of its bases, in the order in
// which they apply.
func (p *Policy) Overrides() []Override {
	var out []Override
	for _, o := range p.overrides {
		described := Override{
			Images: slices.Clone(o.images), Final: o.final.value, Reason: o.account.Reason, Owner: o.account.Owner,
			Expires: o.account.Expires, Position: o.pos, Origin: p.origin(o.pos, true),
		}
		for _, l := range p.lang.leaves {
			if _, set := l.position(&o.changes); set {
				described.Settings = append(described.Settings, p.describe(l, &o.changes))
			}
		}
		for _, l := range o.loosens {
			described.Loosens = append(described.Loosens, l.keyPath())
		}
		out = append(out, described)
	}
	return out
}

func (p *Policy) describe(l leaf, s *settings) Setting {
	pos, set := l.position(s)
	m, _ := l.mark(s)
	return Setting{
		Key: l.keyPath(), Value: l.text(s), Position: pos, Origin: p.origin(pos, set),
		From: m.from, Before: l.textBefore(s), Control: m.control,
	}
}

// origin tells the parts of a policy apart by their names.
func (p *Policy) origin(pos Position, set bool) SettingOrigin {
	switch {
	case !set:
		return OriginUnset
	case pos.IsZero():
		return OriginBuiltIn
	case pos.File == p.parts[len(p.parts)-1].Name:
		return OriginFile
	}
	return OriginBase
}

// limitSettings describes exception-limits, which no override has.
func (p *Policy) limitSettings() []Setting {
	var out []Setting
	add := func(key string, set bool, pos Position, value string) {
		if set {
			out = append(out, Setting{Key: "exception-limits." + key, Value: value, Position: pos, Origin: p.origin(pos, set)})
		}
	}
	l := &p.limits
	add("max-days", l.maxDays.set, l.maxDays.pos, l.maxDays.value.spelled())
	add("require", l.require.set, l.require.pos, "["+strings.Join(l.require.value, ", ")+"]")
	add("never.severity", l.never.set, l.never.pos, l.never.value)
	return out
}

// spelled returns the limits as a policy file spells them.
func (l dayLimits) spelled() string {
	if l.all > 0 {
		return itoa(l.all)
	}
	var parts []string
	for _, sev := range inOrder(l.severity) {
		parts = append(parts, fmt.Sprintf("%s: %d", sev, l.severity[sev].value))
	}
	if l.other > 0 {
		parts = append(parts, fmt.Sprintf("%s: %d", wordOther, l.other))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
