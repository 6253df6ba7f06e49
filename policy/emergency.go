package policy

import (
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// Emergency is who may promote an image that the policy denies, and for how long.
type Emergency struct {
	By       []string // names of persons
	MaxDays  int      // how many days ahead an emergency may end
	Position Position
}

// String returns the terms as a policy file spells them.
func (e Emergency) String() string {
	return "{by: " + spelledValue(e.By) + ", max-days: " + itoa(e.MaxDays) + "}"
}

const (
	emergencyBy   = "by"
	emergencyDays = "max-days"
)

// emergencyKey is one value: a name without an end, or an end without a name, would
// be no emergency. An override may not have it: which images may skip the policy is
// not a matter of their names.
var emergencyKey = allowedByBase(&setting[Emergency]{
	path: ruleEmergency, doc: "Who may promote an image that the policy denies, and for how many days. Without the key nobody may.",
	schema: emergencySchema(), read: (*decoder).emergency, global: true,
})

// allowedByBase compares the terms. A policy above a pinned base may take names and
// days away. It may not add the key where the base does not have it.
func allowedByBase(k *setting[Emergency]) *setting[Emergency] {
	k.compare = func(child, base *settings) bool {
		c, b := k.of(child), k.of(base)
		return !c.set || b.set && shorter(same)(c.value.By, b.value.By) && c.value.MaxDays <= b.value.MaxDays
	}
	return k
}

func emergencySchema() object {
	return object{"type": "object", "additionalProperties": false, "required": []string{emergencyBy, emergencyDays}, "properties": object{
		emergencyBy: listOf(textSchema()), emergencyDays: daySchema(),
	}}
}

func (d *decoder) emergency(n *yaml.Node, name string) (e Emergency, ok bool) {
	const cure = "write {by: [anna@example.no], max-days: 3}"
	mistakes := len(d.diags)
	seen := map[string]bool{}
	d.entries(n, name, cure, func(k, v *yaml.Node) {
		w, _ := d.choice(k, "a key of "+name, []string{emergencyBy, emergencyDays})
		seen[w] = true
		switch w {
		case emergencyBy:
			e.By, _ = list(d, v, name+"."+w, true, d.text)
		case emergencyDays:
			e.MaxDays, _ = d.countFromOne(v, name+"."+w)
		}
	})
	for _, key := range []string{emergencyBy, emergencyDays} {
		if len(d.diags) == mistakes && !seen[key] {
			d.fail(n, cure, "%s has no %q", name, key)
		}
	}
	e.Position = d.pos(n)
	return e, len(d.diags) == mistakes
}

func emergencyRule() *Rule {
	return &Rule{
		ID: ruleEmergency, Title: "Who may promote a denied image in an emergency.", Setting: true,
		Why: "When production is down, a fix with a known finding is better than none. Without a way for that, people copy with other tools, and nothing is recorded.",
		How: "name the persons who may decide that",
		Settings: "by: the names that --emergency-by may give. max-days: how many days ahead --emergency-until may be. " +
			"With both, imagegate promote --emergency REASON promotes an image that fails, and every report says \"fail, promoted in an emergency\". " +
			"An image without a verdict, or with a rule that is undecided, is not promoted, nor one that a rule of the section promote refuses. " +
			"A policy above a pinned base cannot add the key.",
		Default: "there are no emergencies", Example: "promote: {emergency: {by: [anna@example.no], max-days: 3}}\n",
		keys: []key{emergencyKey}, modifies: true,
	}
}

// EmergencyTerms returns who may promote an image that the policy denies, nil when
// the policy has no emergencies.
func (p *Policy) EmergencyTerms(ref evidence.Reference, now time.Time) *Emergency {
	s := p.settingsFor(ref.Name, now).settings.at(now, p.lang.leaves)
	o := emergencyKey.of(s)
	if !o.set {
		return nil
	}
	terms := o.value
	terms.Position = o.pos
	return &terms
}

// Refuses says why the terms do not cover an emergency that someone calls until a
// day, "" when they do. The last day counts whole, in UTC.
func (e *Emergency) Refuses(by string, until, now time.Time) string {
	last := dayOf(now).AddDate(0, 0, e.MaxDays)
	switch {
	case !slices.Contains(e.By, by):
		return "promote.emergency does not name " + words.Quote(by) + ", only " + words.And(e.By)
	case until.Before(dayOf(now)):
		return "the emergency ended on " + until.Format(time.DateOnly)
	case until.After(last):
		return "the emergency would end on " + until.Format(time.DateOnly) + ", and promote.emergency allows " + words.Plural(e.MaxDays, "day") + ": until " + last.Format(time.DateOnly)
	}
	return ""
}

// NotCovered says why an emergency does not cover a verdict, "" when it does: it covers
// what the rules about the image refuse, and nothing that is not known.
func (v *Verdict) NotCovered() string {
	if v.Decision == Undecided {
		return "there is no verdict"
	}
	for _, r := range v.Rules {
		switch {
		case r.Result == ResultUndecided:
			return "rule " + r.Rule + " has no answer: " + r.Message
		case r.Result == ResultFail && IsPromotionRule(r.Rule):
			return "rule " + r.Rule + " refuses it: " + r.Message
		}
	}
	return ""
}
