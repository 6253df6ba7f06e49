package policy

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// exceptionLimits are the bounds that a policy sets for its own exceptions, and
// for overrides that loosen it.
type exceptionLimits struct {
	maxDays option[dayLimits]
	require option[[]string]
	never   option[string] // this severity and worse
}

// dayLimits is how many days ahead an exception may end: one number for all, or
// one for each severity and one for every other case.
type dayLimits struct {
	all      int // 0: see the others
	severity map[evidence.Severity]option[int]
	other    int // 0: the largest of the severities
}

// wordOther is what has no severity, or one that is not listed.
const wordOther = "other"

// days returns how many days ahead an exception may end that lets through
// findings of these severities; without one it is for something that has none.
// ok is false when there is no limit.
func (l *exceptionLimits) days(severities ...evidence.Severity) (limit int, ok bool) {
	if !l.maxDays.set {
		return 0, false
	}
	if len(severities) == 0 {
		return l.maxDays.value.rest(), true
	}
	limit = l.maxDays.value.of(severities[0])
	for _, sev := range severities[1:] {
		limit = min(limit, l.maxDays.value.of(sev))
	}
	return limit, true
}

// of returns the limit for a severity. Unknown counts as high unless it is
// listed.
func (l dayLimits) of(sev evidence.Severity) int {
	if l.all > 0 {
		return l.all
	}
	if sev == evidence.SeverityUnknown && !l.severity[sev].set {
		sev = evidence.SeverityHigh
	}
	if o := l.severity[sev]; o.set {
		return o.value
	}
	return l.rest()
}

// rest is the limit for what has no limit of its own.
func (l dayLimits) rest() int {
	limit := max(l.all, l.other)
	if limit == 0 {
		for _, o := range l.severity {
			limit = max(limit, o.value)
		}
	}
	return limit
}

// String returns the limits for people.
func (l dayLimits) String() string {
	if l.all > 0 {
		return words.Plural(l.all, "day")
	}
	var parts []string
	for _, sev := range inOrder(l.severity) {
		parts = append(parts, fmt.Sprintf("%s for %s", words.Plural(l.severity[sev].value, "day"), sev))
	}
	return strings.Join(parts, ", ") + fmt.Sprintf(", %s for the rest", words.Plural(l.rest(), "day"))
}

// requirable are the keys that exception-limits.require may ask for.
func requirable() []string {
	return []string{"reason", "owner", "ticket", "approved-by", "added", "package", "images", "justification"}
}

func limitFields() []field[*exceptionLimits] {
	return []field[*exceptionLimits]{
		{
			key: "max-days", doc: "How many days ahead an exception may end at most: one number, or one for each severity and one for other.",
			schema: object{"oneOf": []any{daySchema(), dayLimitSchema()}},
			decode: func(d *decoder, n *yaml.Node, name string, l *exceptionLimits) {
				if v, ok := d.dayLimits(n, name); ok {
					l.maxDays = option[dayLimits]{value: v, pos: d.pos(n), set: true, node: n}
				}
			},
		},
		{
			key: "require", doc: "What an exception must have besides what it is for, reason and expires. A key that its kind does not have is not asked for.",
			schema: listOf(enum(requirable()...)),
			decode: bind(wordList(requirable()), func(l *exceptionLimits) *option[[]string] { return &l.require }),
		},
		{
			key: "never", doc: "Findings that no exception may cover.", fields: []field[*exceptionLimits]{{
				key: "severity", doc: "This severity and anything worse.", required: true, cure: "write never: {severity: critical}",
				schema: enum("critical", "high", "medium", "low"),
				decode: bind(oneOf("critical", "high", "medium", "low"), func(l *exceptionLimits) *option[string] { return &l.never }),
			}},
		},
	}
}

func daySchema() object { return object{"type": "integer", "minimum": 1} }

func dayLimitSchema() object {
	properties := object{wordOther: daySchema()}
	for _, s := range severityWords() {
		properties[s] = daySchema()
	}
	return object{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": properties}
}

// dayLimits reads a number of days, or one for each severity and for other.
func (d *decoder) dayLimits(n *yaml.Node, name string) (l dayLimits, ok bool) {
	if n.Kind != yaml.MappingNode {
		l.all, ok = d.countFromOne(n, name)
		return l, ok
	}
	mistakes := len(d.diags)
	l.severity = map[evidence.Severity]option[int]{}
	known := append(severityWords(), wordOther)
	d.entries(n, name, "write a number for each severity: {critical: 14, high: 30, other: 90}", func(k, v *yaml.Node) {
		w, ok := d.choice(k, "a key of "+name, known)
		if !ok {
			return
		}
		days, ok := d.countFromOne(v, name+"."+w)
		switch {
		case !ok:
		case w == wordOther:
			l.other = days
		default:
			l.severity[evidence.Severity(w)] = option[int]{value: days, pos: d.pos(v), set: true}
		}
	})
	return l, len(d.diags) == mistakes
}

// checkOverrideLimits asks of overrides that loosen the policy what
// exception-limits ask of exceptions: an override for many images is an exception
// for many findings. Overrides of a base were checked there.
func (d *decoder) checkOverrideLimits(p *Policy) {
	for _, o := range p.overrides {
		if len(o.loosens) == 0 || o.inherited {
			continue
		}
		title := fmt.Sprintf("override %d loosens %s", o.number, o.loosens[0].keyPath())
		for _, key := range p.limits.require.value {
			if slices.Contains(accountFields(), key) && o.keys[key] == nil {
				d.failPos(o.pos, fmt.Sprintf("add %s: exception-limits.require at %s asks for it", key, p.limits.require.pos), "%s and has no %q", title, key)
			}
		}
		if p.limits.maxDays.set && o.keys["expires"] == nil {
			d.failPos(o.pos, fmt.Sprintf("add its last day, such as expires: 2027-01-31: exception-limits.max-days is set at %s", p.limits.maxDays.pos),
				"%s and has no end", title)
		}
		d.checkNever(p, o)
	}
}

// checkNever refuses an override that lets through what exception-limits.never
// keeps from exceptions.
func (d *decoder) checkNever(p *Policy, o *override) {
	never := p.limits.never
	if !never.set {
		return
	}
	for _, l := range o.loosens {
		one := override{loosens: []leaf{l}}
		for _, sev := range one.severities() {
			if worth(sev) >= rank(evidence.Severity(never.value)) {
				pos, _ := l.position(&o.changes)
				d.failPos(pos, fmt.Sprintf("remove it, set it for all images, or change exception-limits.never at %s", never.pos),
					"override %d loosens %s, and exception-limits.never covers %s and worse", o.number, l.keyPath(), never.value)
				break
			}
		}
	}
}

// worth is the rank of a severity where unknown counts as high.
func worth(sev evidence.Severity) int {
	if sev == evidence.SeverityUnknown {
		sev = evidence.SeverityHigh
	}
	return rank(sev)
}
