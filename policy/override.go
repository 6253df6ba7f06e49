package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
)

// override is the settings for images with certain names.
type override struct {
	number    int  // in its file, from 1
	inherited bool // from a base
	images    []string
	final     option[bool]
	account   exception // reason, owner, ticket, approved-by, added and end
	keys      map[string]*yaml.Node
	pos       Position
	changes   settings
	// loosens are the keys in which the override is not as strict as the policy.
	loosens []leaf
	// settings are those of the policy with all changes, and tightening are the
	// changes that are as strict as the policy: they stay when the override ends.
	settings, tightening settings
}

// farFuture is later than the end of every override.
var farFuture = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

func overrideFields() []field[*override] {
	fields := []field[*override]{
		{
			key: "images", doc: "Images it is for. Globs on registry/repository.", required: true,
			cure:   "say which images it is for: images: [\"registry.example.no/static/*\"]",
			schema: listOf(textSchema()),
			decode: func(d *decoder, n *yaml.Node, name string, o *override) {
				// Half a list would make the checks below report what is not so.
				if images, ok := globs(imageGlob, false)(d, n, name); ok {
					o.images = images
				}
			},
		},
		{
			key: "final", doc: "Whether no later override applies to the same image.", schema: object{"type": "boolean"},
			decode: bind((*decoder).toggle, func(o *override) *option[bool] { return &o.final }),
		},
	}
	for _, f := range lift(reasonFields(), func(o *override) *exception { return &o.account }) {
		if f.key != "justification" {
			f.required = false
			fields = append(fields, f)
		}
	}
	return append(fields, lift(newLanguage().fields(true), func(o *override) *settings { return &o.changes })...)
}

func decodeOverrides(d *decoder, n *yaml.Node, name string, p *Policy) {
	if d.bad[n] {
		return
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		d.fail(n, "write a list with one \"- images: [...]\" for each, or leave it out", "%s is %s", name, emptyOr(n))
		return
	}
	if len(n.Content) > maxOverrides {
		d.fail(n, "join those that say the same", "%s has more than %d entries", name, maxOverrides)
		return
	}
	fields := grammar().override
	for i, c := range n.Content {
		o := &override{number: i + 1, pos: d.pos(c)}
		title := fmt.Sprintf("override %d", i+1)
		o.keys = mapping(d, c, title, fields, o)
		if o.keys["images"] != nil && changesNothing(c) {
			d.at(c.Line, c.Column, "give it a section, such as coverage, or remove it", "%s changes nothing", title)
		}
		p.overrides = append(p.overrides, o)
	}
}

// changesNothing reports whether a mapping has no key but those that describe an
// override.
func changesNothing(n *yaml.Node) bool {
	for i := 0; i < len(n.Content); i += 2 {
		if k := n.Content[i].Value; k != "images" && k != "final" && !slices.Contains(accountFields(), k) {
			return false
		}
	}
	return true
}

// prepareOverrides computes what each override makes of the policy.
func (p *Policy) prepareOverrides() {
	for _, o := range p.overrides {
		o.settings = *p.base.with(&o.changes, p.lang.leaves)
		for _, l := range p.lang.leaves {
			switch _, set := l.position(&o.changes); {
			case !set:
			case l.atLeastAsStrict(&o.settings, &p.base):
				l.override(&o.tightening, &o.changes)
			default:
				o.loosens = append(o.loosens, l)
			}
		}
	}
}

// applied is what a policy sets for one image at one moment.
type applied struct {
	settings  *settings
	overrides []*override // those that match, in order
	ended     []*override // those of them whose loosening has ended or may not be
}

// settingsFor returns the settings for an image. All overrides that match apply
// in order, up to one that is final. One that has ended, or that ends too late
// for exception-limits, keeps what it tightens and loses what it loosens.
func (p *Policy) settingsFor(name string, now time.Time) applied {
	a := applied{settings: &p.base}
	for _, o := range p.overrides {
		if !matchesAny(o.images, name, matchImage) {
			continue
		}
		a.overrides = append(a.overrides, o)
		over := o.over(now) || p.overrideTooLong(o, now) != ""
		switch {
		case over:
			a.ended = append(a.ended, o)
			if len(o.tightening.values) > 0 {
				a.settings = a.settings.with(&o.tightening, p.lang.leaves)
			}
		case len(a.overrides) == 1:
			a.settings = &o.settings
		default:
			a.settings = a.settings.with(&o.changes, p.lang.leaves)
		}
		if o.final.value {
			break
		}
	}
	return a
}

// over reports whether the last day of an override has passed. An override
// without an end has none.
func (o *override) over(now time.Time) bool {
	return len(o.loosens) > 0 && !o.account.Expires.IsZero() && o.account.expired(now)
}

// severities lists the severities of the findings and secrets that the override
// lets through, worst first. Keys that are not for one severity let through any.
func (o *override) severities() []evidence.Severity {
	var out []evidence.Severity
	for _, l := range o.loosens {
		section, _, _ := strings.Cut(strings.TrimPrefix(l.keyPath(), levelsPrefix), ".")
		if section != "vulnerabilities" && section != "secrets" {
			continue
		}
		_, last := splitPath(l.keyPath())
		if sev := evidence.Severity(last); slices.Contains(evidence.Severities(), sev) {
			out = append(out, sev)
			continue
		}
		return evidence.Severities()
	}
	return out
}

// overrideTooLong says that an override loosens the policy and ends too far ahead,
// or "". Without a time nothing is too far ahead.
func (p *Policy) overrideTooLong(o *override, now time.Time) string {
	limit, ok := p.limits.days(o.severities()...)
	if !ok || now.IsZero() || len(o.loosens) == 0 || o.account.Expires.IsZero() {
		return ""
	}
	if days := o.account.daysLeft(now); days > limit {
		return fmt.Sprintf("it ends in %d days, exception-limits.max-days allows %d", days, limit)
	}
	return ""
}

// loosened says what an override loosens, one line for each key.
func (p *Policy) loosened(o *override) []string {
	var out []string
	for _, l := range o.loosens {
		out = append(out, fmt.Sprintf("%s is %s instead of %s", l.keyPath(), l.text(&o.changes), l.text(&p.base)))
	}
	return out
}

// spelled returns a value as a policy file spells it, in one line.
func spelled(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	flow := *n
	flow.Style = yaml.FlowStyle
	b, err := yaml.Marshal(&flow)
	if err != nil {
		return "a list"
	}
	return strings.TrimSpace(string(b))
}
