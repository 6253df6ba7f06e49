package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/words"
)

const ruleLabels = "config.require-labels"

// requiredLabel is a label that an image must have, and the form of its value.
type requiredLabel struct {
	name    string
	pattern string         // as the policy spells it, "" for any value
	form    *regexp.Regexp // anchored; nil for any value
}

var (
	labelsKey = &setting[[]requiredLabel]{
		path: ruleLabels, doc: "Labels that must be set and not empty; as a mapping, each with a regular expression for the whole value.",
		schema: labelsSchema(), read: (*decoder).labels, order: longer(labelAsStrict),
	}
	labelName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?$`)
)

// maxPattern bounds the length of a regular expression.
const maxPattern = 256

func labelsRule() *Rule {
	return &Rule{
		ID: ruleLabels, Title: "The image has these labels.",
		Why: "A person who finds an image in production must be able to find its source.",
		How: "set the labels at build time: docker build --label NAME=VALUE", Default: "not asked", Levels: true,
		Settings: "a list of names of labels, each of which must be set and not be blank; or a mapping from names to regular expressions (RE2) that the whole value must match",
		Example:  "config: {require-labels: {org.opencontainers.image.source: \"https://git[.]example[.]no/.+\", org.opencontainers.image.revision: \"[0-9a-f]{7,40}\"}}\n",
		keys:     []key{labelsKey}, check: checkLabels,
	}
}

func labelsSchema() object {
	name := pattern(labelName.String())
	return object{"oneOf": []any{listOf(name), object{
		"type": "object", "minProperties": 1, "propertyNames": object{"pattern": labelName.String()},
		"additionalProperties": object{"type": "string", "minLength": 1, "maxLength": maxPattern},
	}}}
}

func labelAsStrict(child, base requiredLabel) bool {
	return child.name == base.name && (base.form == nil || child.pattern == base.pattern)
}

// labels reads a list of names, or a mapping from names to patterns.
func (d *decoder) labels(n *yaml.Node, name string) (out []requiredLabel, ok bool) {
	if n.Kind != yaml.MappingNode {
		_, ok = list(d, n, name, false, func(c *yaml.Node, item string) (string, bool) {
			s, ok := d.text(c, item)
			if ok = ok && d.labelName(c, s, item); ok {
				out = append(out, requiredLabel{name: s})
			}
			return s, ok
		})
		return out, ok
	}
	mistakes := len(d.diags)
	d.entries(n, name, "write a pattern for each label: {org.opencontainers.image.revision: \"[0-9a-f]{40}\"}", func(k, v *yaml.Node) {
		if d.labelName(k, k.Value, "a label of "+name) {
			out = append(out, d.labelForm(v, k.Value, name+"."+k.Value))
		}
	})
	return out, len(d.diags) == mistakes
}

func (d *decoder) labelName(n *yaml.Node, s, item string) bool {
	if labelName.MatchString(s) {
		return true
	}
	d.fail(n, "write the name alone; a form for its value is written as {NAME: \"[0-9a-f]{40}\"}", "%s is %q, which is no name of a label", item, clip(s))
	return false
}

// labelForm reads the pattern of a value. The pattern is anchored: it has to
// match the whole value.
func (d *decoder) labelForm(n *yaml.Node, label, name string) requiredLabel {
	s, ok := d.text(n, name)
	if !ok {
		return requiredLabel{}
	}
	form, err := regexp.Compile(`\A(?:` + s + `)\z`)
	if err == nil {
		_, err = regexp.Compile(s) // a ) that closes our group is not part of a pattern
	}
	if err != nil || len(s) > maxPattern {
		d.fail(n, fmt.Sprintf("write an RE2 pattern of at most %d letters", maxPattern), "%s is %q, which is no regular expression", name, clip(s))
	}
	return requiredLabel{name: label, pattern: s, form: form}
}

// String describes the label for people.
func (l requiredLabel) String() string {
	if l.form == nil {
		return l.name
	}
	return l.name + " like " + l.pattern
}

func checkLabels(j *judge) answer {
	c := j.img.Config
	if c == nil {
		return missing(noConfig)
	}
	required := labelsKey.value(j.s)
	var lacking []string
	for _, l := range required {
		v, ok := c.Labels[l.name]
		switch {
		case !ok:
			lacking = append(lacking, l.name)
		case strings.TrimSpace(v) == "":
			lacking = append(lacking, l.name+" (empty)")
		case l.form != nil && !l.form.MatchString(v):
			lacking = append(lacking, fmt.Sprintf("%s (%q is not like %s)", l.name, clip(v), l.pattern))
		}
	}
	if len(lacking) == 0 {
		return passing("%s set", words.Plural(len(required), "label"))
	}
	a := failing("%s missing: %s", words.Plural(len(lacking), "label"), words.And(few(lacking)))
	a.allowed = "an image with " + words.And(labelTexts(required))
	return a
}

func labelTexts(labels []requiredLabel) []string {
	var out []string
	for _, l := range labels {
		out = append(out, l.String())
	}
	slices.Sort(out)
	return out
}
