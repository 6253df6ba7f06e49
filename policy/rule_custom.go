package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/expression"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	ruleCustom = "rules"
	// customPrefix begins the id of each rule of a policy's own in reports. No rule of
	// imagegate has it.
	customPrefix = ruleCustom + "."
	// maxCustomRules bounds what the evaluation of all of them can take.
	maxCustomRules = 100
	maxCustomID    = 64
)

// customRule is a rule of the policy's own.
type customRule struct {
	id, message, level, control string
	expression                  *expression.Expression
	pos                         Position
}

// customRules are the rules of one file, or of all that apply.
type customRules []*customRule

// String lists the rules in one line.
func (r customRules) String() string {
	var out []string
	for _, c := range r {
		out = append(out, c.id+" ("+c.level+")")
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// find returns the rule with this id, or nil.
func (r customRules) find(id string) *customRule {
	if i := slices.IndexFunc(r, func(c *customRule) bool { return c.id == id }); i >= 0 {
		return r[i]
	}
	return nil
}

var customKey = &setting[customRules]{
	path: ruleCustom, doc: "Rules of the policy's own: expressions over the evidence.",
	brief: true, join: joinCustomRules, order: keepsCustomRules,
}

// customRulesKey reads the key. Its reader refers to the language, which has the
// key: as a part of customKey that would be a cycle of initialisation.
type customRulesKey struct{ *setting[customRules] }

func (k customRulesKey) field() field[*settings] {
	s := *k.setting
	s.schema, s.read = customSchema(), readCustomRules
	return s.field()
}

func customRulesRule() *Rule {
	return &Rule{
		ID: ruleCustom, Title: "Rules of the policy's own.",
		Why: "Not every requirement of a company has a key of its own.",
		Settings: "a list of rules. id: its name, which reports print with rules. before it; deny: an expression in CEL, which denies the image where it is true, or where it is a list of texts that is not empty; " +
			"message: what the report then says; level: fail (the default), warn or off; control: the requirement that it meets. An expression that has no value for an image leaves the rule undecided.",
		How:     "change the image so that the expression no longer denies it",
		Default: "none", Setting: true,
		Example: "rules:\n- id: no-shell\n  deny: packages.exists(p, p.name in [\"bash\", \"busybox\"])\n  message: the image has a shell\n",
		keys:    []key{customRulesKey{customKey}},
	}
}

var customIDForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func customSchema() object {
	item := schemaOf(customFields())
	return object{"type": "array", "minItems": 1, "maxItems": maxCustomRules, "items": item}
}

func customFields() []field[*customRule] {
	return []field[*customRule]{
		{key: "id", doc: "The name of the rule. Reports print it with rules. before it.", required: true, cure: "give it a name: id: no-shell",
			schema: object{"type": "string", "pattern": customIDForm.String(), "maxLength": maxCustomID}, decode: decodeCustomID},
		{key: "deny", doc: "An expression in CEL. The image is denied where it is true, or a list of texts that is not empty.", required: true,
			cure: "write an expression: deny: packages.exists(p, p.name == \"bash\")", schema: textSchema(), decode: decodeCustomDeny},
		{key: "message", doc: "What the report says of an image that is denied.", required: true, cure: "say what is wrong with such an image: message: the image has a shell",
			schema: textSchema(), decode: func(d *decoder, n *yaml.Node, name string, r *customRule) { r.message, _ = d.text(n, name) }},
		{key: "level", doc: "What the rule does when it is not met: fail (the default), warn or off.", schema: enum(levelWords()...),
			decode: func(d *decoder, n *yaml.Node, name string, r *customRule) {
				r.level, _ = d.choice(n, name, levelWords())
			}},
		{key: markControl, doc: "The requirement that the rule meets, such as CIS 4.1.", schema: textSchema(),
			decode: func(d *decoder, n *yaml.Node, name string, r *customRule) { r.control, _ = d.text(n, name) }},
	}
}

func readCustomRules(d *decoder, n *yaml.Node, name string) (customRules, bool) {
	switch {
	case d.bad[n]:
		return nil, false
	case n.Kind != yaml.SequenceNode || len(n.Content) == 0:
		d.fail(n, "write a list with one \"- id: ...\" for each, or leave it out", "%s is %s", name, emptyOr(n))
		return nil, false
	case len(n.Content) > maxCustomRules:
		d.fail(n, "join those that say the same with ||", "%s has more than %d entries", name, maxCustomRules)
		return nil, false
	}
	var out customRules
	mistakes := len(d.diags)
	for i, c := range n.Content {
		r := &customRule{level: levelFail, pos: d.pos(c)}
		keys := mapping(d, c, fmt.Sprintf("rule %d", i+1), customFields(), r)
		if same := out.find(r.id); same != nil && r.id != "" {
			d.fail(keys["id"], fmt.Sprintf("the first is on line %d: give this one another id", same.pos.Line), "two rules have the id %q", r.id)
		}
		out = append(out, r)
	}
	return out, len(d.diags) == mistakes
}

func decodeCustomID(d *decoder, n *yaml.Node, name string, r *customRule) {
	id, ok := d.text(n, name)
	switch {
	case !ok:
	case len(id) > maxCustomID || !customIDForm.MatchString(id):
		d.fail(n, "write words of lower-case letters and digits with - between them, such as no-shell", "%s is %q, which is no id", name, clip(id))
	case slices.Contains(newLanguage().paths(), id):
		d.fail(n, "choose another id", "%s is %q, and imagegate has a rule or section of this name", name, id)
	default:
		r.id = id
	}
}

func decodeCustomDeny(d *decoder, n *yaml.Node, name string, r *customRule) {
	src, ok := d.text(n, name)
	if !ok {
		return
	}
	x, err := expression.Compile(src)
	if err == nil {
		r.expression = x
		return
	}
	cure := "see docs/policy.md for the variables, and cel.dev for the language"
	d.bad[n] = true
	var wrong *expression.Error
	if !errors.As(err, &wrong) {
		d.failPos(d.pos(n), cure, "%s: %v", name, err)
		return
	}
	if near := meantField(wrong.Message); near != "" {
		cure = "did you mean " + near + "? " + cure
	}
	if line, column, ok := d.inside(n, wrong.Line, wrong.Column); ok {
		d.at(line, column, cure, "%s: %s", name, wrong.Message)
		return
	}
	d.at(n.Line, n.Column, cure, "%s: %s (line %d, column %d of the expression)", name, wrong.Message, wrong.Line, wrong.Column)
}

var undefinedField = regexp.MustCompile(`undefined field '([^']*)'`)

// meantField returns the field that was probably meant, "" for none.
func meantField(message string) string {
	m := undefinedField.FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	var names []string
	for _, f := range expression.Fields() {
		_, last := splitPath(f.Name)
		names = append(names, last)
	}
	return words.Nearest(m[1], names)
}

// inside returns the place in the file of a place in the text of a scalar. It is
// known where the file has the text as it is: not where lines are folded or
// characters are written as escapes.
func (d *decoder) inside(n *yaml.Node, line, column int) (fileLine, fileColumn int, ok bool) {
	if n.Style&yaml.LiteralStyle != 0 {
		all := strings.Split(n.Value, "\n")
		if line > len(all) || n.Line+line > len(d.lines) {
			return 0, 0, false
		}
		source := strings.TrimSuffix(d.lines[n.Line+line-1], "\r")
		indent, found := strings.CutSuffix(source, all[line-1])
		return n.Line + line, len(indent) + column, found && strings.TrimLeft(indent, " ") == ""
	}
	if n.Line > len(d.lines) || line != 1 || strings.Contains(n.Value, "\n") {
		return 0, 0, false
	}
	source := []rune(d.lines[n.Line-1])
	if n.Column > len(source) {
		return 0, 0, false
	}
	quote := ""
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0:
		quote = "'"
	case n.Style&yaml.DoubleQuotedStyle != 0:
		quote = `"`
	}
	if !strings.HasPrefix(string(source[n.Column-1:]), quote+n.Value+quote) {
		return 0, 0, false
	}
	return n.Line, n.Column + len(quote) + column - 1, true
}

// joinCustomRules adds the rules of a policy to those of its base. One with the id
// of a rule of the base takes its place.
func joinCustomRules(base, by option[customRules]) option[customRules] {
	all := slices.Clone(base.value)
	for _, r := range by.value {
		if i := slices.IndexFunc(all, func(b *customRule) bool { return b.id == r.id }); i >= 0 {
			all[i] = r
			continue
		}
		all = append(all, r)
	}
	by.value = all
	return by
}

// keepsCustomRules reports whether child has all rules of base as they are there.
// Only the level may be stricter.
func keepsCustomRules(child, base customRules) bool {
	for _, b := range base {
		c := child.find(b.id)
		if c == nil || c.expression.Source() != b.expression.Source() || c.message != b.message || c.control != b.control ||
			!strictest(levelWords()...)(c.level, b.level) {
			return false
		}
	}
	return true
}

// IsCustom reports whether an id is that of a rule of a policy's own.
func IsCustom(id string) bool { return strings.HasPrefix(id, customPrefix) }

// CustomRule is a rule of a policy's own, as the policy has it.
type CustomRule struct {
	Deny, Message, Level, Control string
	Position                      Position
}

// CustomRule returns the rule of the policy's own with this id, rules.NAME, or nil.
// A rule that only overrides have is that of the first one.
func (p *Policy) CustomRule(id string) *CustomRule {
	r := p.customRules().find(strings.TrimPrefix(id, customPrefix))
	if r == nil {
		return nil
	}
	return &CustomRule{Deny: r.expression.Source(), Message: r.message, Level: r.level, Control: r.control, Position: r.pos}
}

// customRules lists the rules of the policy's own: those of the base, and then those
// that each override brings. An id can be there more than once.
func (p *Policy) customRules() customRules {
	all := slices.Clone(customKey.value(&p.base))
	for _, o := range p.overrides {
		all = append(all, customKey.value(&o.changes)...)
	}
	return all
}

// addCustomRules puts the rules of the policy's own into its language, where rules
// and reports have them like all others.
func (p *Policy) addCustomRules() {
	var ids []string
	for _, r := range p.customRules() {
		if r.id != "" && !slices.Contains(ids, r.id) {
			ids = append(ids, r.id)
		}
	}
	// Before the rule about exceptions, which counts what all others have excepted.
	at := slices.IndexFunc(p.lang.rules, func(r *Rule) bool { return r.ID == ruleCustom }) + 1
	var own []*Rule
	for _, id := range ids {
		own = append(own, customRuleOf(id))
	}
	p.lang.rules = slices.Insert(p.lang.rules, at, own...)
	p.controls = p.controls || len(own) > 0
}

// customRuleOf makes the rule that judges by what settings have under an id.
func customRuleOf(id string) *Rule {
	find := func(s *settings) *customRule { return customKey.value(s).find(id) }
	return &Rule{
		ID: customPrefix + id, Title: "A rule of the policy's own.", Since: sinceFirst, keys: []key{customKey},
		How: "change the image so that the expression of the rule no longer denies it", Why: "Its expression and message are in the policy.",
		on: func(s *settings) bool { return find(s) != nil },
		level: func(s *settings) string {
			if r := find(s); r != nil {
				return r.level
			}
			return levelFail
		},
		control: func(s *settings) string {
			if r := find(s); r != nil {
				return r.control
			}
			return ""
		},
		needs: func(s *settings) evidence.Need {
			r := find(s)
			if r == nil || r.expression == nil {
				return 0
			}
			n := r.expression.Needs()
			if n.Has(evidence.NeedSecrets) {
				n |= needSecrets(s)
			}
			return n
		},
		check: func(j *judge) answer { return find(j.s).check(j) },
	}
}

func (r *customRule) check(j *judge) answer {
	if j.facts == nil {
		j.facts = expression.NewFacts(j.img, j.now)
		j.facts.SecretsAnywhere = secretsAnywhere(j.s)
	}
	var a answer
	if lacking := r.expression.Missing(j.facts); len(lacking) > 0 {
		a = missing("there is no evidence for " + strings.Join(lacking, ", "))
		a.pos = r.pos
		return a
	}
	denied, texts, err := r.expression.Evaluate(j.facts)
	lack := j.lacksFeeds(r.expression.Feeds())
	switch {
	case !denied && lack != nil:
		a = *lack
	case err != nil:
		a = undecided("the expression has no value for this image: %v", err)
		a.valueless = true
		a.cure = "write the expression so that it has a value for every image: has(os.family) asks whether a field is known, and \"x\" in config.labels whether there is a label"
	case denied:
		a = failing("%s", r.message)
		a.details = texts
	default:
		a = passing("the expression does not deny the image")
	}
	a.allowed, a.pos = "an image for which this is false or empty: "+oneLine(r.expression.Source()), r.pos
	return a
}

// lacksFeeds says what keeps the feeds that an expression asks from telling, nil when
// nothing does. Without a finding an expression would never ask for one.
func (j *judge) lacksFeeds(kev, epss bool) *answer {
	if kev {
		if lack := j.lacks(kevFeed(false)); lack != nil {
			return lack
		}
	}
	if epss {
		return j.lacks(epssFeed(false))
	}
	return nil
}

// oneLine puts an expression into one line of a report.
func oneLine(src string) string {
	line := []rune(strings.Join(strings.Fields(src), " "))
	if len(line) > 200 {
		return string(line[:200]) + " ..."
	}
	return string(line)
}
