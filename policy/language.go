package policy

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/words"
)

// section is a part of a policy file: its key, and the rules that are set in
// it. The language is a list of sections. The parser, the schema, the
// reference, `imagegate policy explain` and the order of reports are made from
// that list.
type section struct {
	name  string // "" for rules whose key is at the top
	doc   string
	rules []*Rule
}

// sections lists the language in the order of reports.
func sections() []section {
	return []section{
		{rules: []*Rule{evidenceRule()}},
		{name: "reference", doc: "How the image is named and where it comes from.", rules: []*Rule{
			pinRule(), releaseTagsRule(), denyTagsRule(), allowRule(),
		}},
		{name: "config", doc: "What the image config says.", rules: []*Rule{
			userRule(), denyPortsRule(), labelsRule(), maxAgeRule(), maxSizeRule(), maxLayersRule(), denyHistoryRule(), healthcheckRule(), denyEnvRule(),
		}},
		{rules: []*Rule{platformsRule()}},
		vulnerabilitySection(),
		exploitedSection(),
		deadlinesSection(),
		exposureSection(),
		baselineSection(),
		vexSection(),
		secretSection(),
		licenseSection(),
		packagesSection(),
		filesSection(),
		coverageSection(),
		{rules: []*Rule{customRulesRule()}},
		{rules: []*Rule{trustRule()}},
		signaturesSection(),
		{rules: []*Rule{approvalsRule(), provenanceRule(), baseImageRule(), decisionRule()}},
		workloadSection(),
		dockerfileSection(),
		promoteSection(),
		{rules: []*Rule{exceptionsRule()}},
		exceptionLimitSection(),
		{rules: []*Rule{overridesRule(), levelsRule()}},
	}
}

// language is the list of sections, ready for use.
type language struct {
	sections []section
	rules    []*Rule
	keys     []key
	leaves   []leaf
}

// newLanguage returns the language. It is no variable, because the checks of rules
// refer to it: that would be a cycle of initialisation.
func newLanguage() *language {
	l := &language{sections: sections()}
	for _, s := range l.sections {
		for _, r := range s.rules {
			r.Since = sinceFirst
			l.rules = append(l.rules, r)
			l.keys = append(l.keys, r.keys...)
		}
	}
	l.keys = append(l.keys, l.levels())
	for _, k := range l.keys {
		l.leaves = append(l.leaves, k.leaves()...)
	}
	return l
}

func (l *language) lookup(id string) *Rule {
	for _, r := range l.rules {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// fields returns the grammar of the keys at the top of a policy, or of those that
// an override may have.
func (l *language) fields(inOverride bool) []field[*settings] {
	var out []field[*settings]
	for _, k := range l.keys {
		if inOverride && !k.leaves()[0].inOverrides() {
			continue
		}
		parts := strings.Split(k.keyPath(), ".")
		out = l.insert(out, parts[:len(parts)-1], "", k.field())
	}
	return out
}

// insert adds a field below the mappings that its path names.
func (l *language) insert(fields []field[*settings], path []string, above string, f field[*settings]) []field[*settings] {
	if len(path) == 0 {
		return append(fields, f)
	}
	full := strings.TrimPrefix(above+"."+path[0], ".")
	i := slices.IndexFunc(fields, func(f field[*settings]) bool { return f.key == path[0] })
	if i < 0 {
		i = len(fields)
		fields = append(fields, field[*settings]{key: path[0], doc: l.doc(full)})
	}
	fields[i].fields = l.insert(fields[i].fields, path[1:], full, f)
	return fields
}

// doc describes a mapping that holds keys: a section, or a rule with keys of
// its own.
func (l *language) doc(path string) string {
	for _, s := range l.sections {
		if s.name == path && path != "" {
			return s.doc
		}
	}
	if r := l.lookup(path); r != nil {
		return r.Title
	}
	return ""
}

// paths lists the keys of a policy file by their full names.
func (l *language) paths() []string {
	out := []string{"version"}
	for _, s := range l.sections {
		if s.name != "" {
			out = append(out, s.name)
		}
		for _, r := range s.rules {
			out = append(out, r.ID)
			for _, k := range r.keys {
				out = append(out, k.keyPath())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// homes names the sections that have a key, but for the one that it was found in, in
// the order of the language.
func (l *language) homes(key, found string) []string {
	var out []string
	for _, s := range l.sections {
		for _, r := range s.rules {
			paths := []string{r.ID}
			for _, k := range r.keys {
				paths = append(paths, k.keyPath())
			}
			for _, path := range paths {
				section, last := splitPath(path)
				if home := orTop(section); last == key && section != found && !slices.Contains(out, home) {
					out = append(out, home)
				}
			}
		}
	}
	return out
}

const levelsPrefix = "levels."

// levelsKey is the section that holds the level of each rule.
type levelsKey struct {
	all  []*Rule
	each []leaf
}

func (l *language) levels() *levelsKey {
	k := &levelsKey{all: l.rules}
	for _, r := range l.rules {
		if r.Levels {
			k.each = append(k.each, &setting[string]{path: levelsPrefix + r.ID, compare: r.levelAsStrict, global: r.ofRelease()})
		}
	}
	return k
}

// levelAsStrict compares the level of a rule with that in the base. A rule that
// the base does not ask for may have any level. A rule that no key sets, such as
// exception-limits, is asked by every policy.
func (r *Rule) levelAsStrict(child, base *settings) bool {
	return !r.asksAnything(base) || strictest(levelWords()...)(child.level(r.ID), base.level(r.ID))
}

func (k *levelsKey) keyPath() string { return strings.TrimSuffix(levelsPrefix, ".") }
func (k *levelsKey) leaves() []leaf  { return k.each }

func (k *levelsKey) field() field[*settings] {
	return field[*settings]{
		key: k.keyPath(), doc: "What a rule does when it is not met: fail (the default), warn or off.",
		schema: k.schema(), decode: k.decode,
	}
}

func (k *levelsKey) schema() object {
	properties := object{}
	for _, id := range k.ids() {
		properties[id] = markSchema(enum(levelWords()...))
	}
	return object{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": properties}
}

// ids lists the rules whose level the section sets.
func (k *levelsKey) ids() []string {
	var out []string
	for _, r := range k.all {
		if r.Levels {
			out = append(out, r.ID)
		}
	}
	return out
}

func (k *levelsKey) decode(d *decoder, n *yaml.Node, name string, s *settings) {
	ids := k.ids()
	d.entries(n, name, "write rules and levels, such as {config.user: warn}", func(key, v *yaml.Node) {
		if !slices.Contains(ids, key.Value) {
			d.fail(key, k.cure(key.Value, ids), "%s cannot set %q", name, clip(key.Value))
			return
		}
		if isNull(v) && !d.bad[v] {
			d.fail(key, "give it a level: "+words.Or(levelWords()), "%s.%s has no value", name, key.Value)
			return
		}
		full := fmt.Sprintf("%s.%s", name, key.Value)
		value, m, ok := d.unmark(v, full)
		if !ok {
			return
		}
		if w, ok := d.choice(value, full, levelWords()); ok {
			s.put(levelsPrefix+key.Value, &option[string]{value: w, pos: d.pos(key), set: true, node: value, mark: m})
		}
	})
}

// cure says what to write for the level of a rule that has none here.
func (k *levelsKey) cure(id string, ids []string) string {
	if strings.HasPrefix(id, customPrefix) {
		return "set it at the rule: {id: " + strings.TrimPrefix(id, customPrefix) + ", ..., level: " + levelWarn + "}"
	}
	i := slices.IndexFunc(k.all, func(r *Rule) bool { return r.ID == id })
	if i < 0 {
		return words.DidYouMean(id, ids)
	}
	switch r := k.all[i]; {
	case r.NoLevel != "":
		return r.NoLevel
	case r.Setting:
		return "it shapes another rule and has no level of its own"
	}
	return "set it at its own key: " + id + ": " + levelWarn
}

func levelWords() []string { return []string{levelFail, levelWarn, levelOff} }
