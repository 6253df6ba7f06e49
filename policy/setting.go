package policy

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// setting is one key of the policy language that holds one value: its place in
// the file, how it is read, and which of two values is the stricter one.
type setting[V any] struct {
	path   string // "reference.pin"
	doc    string
	schema object
	// required and cure are for a key without which its section makes no sense.
	required bool
	cure     string
	// global keys are for a whole policy: an override may not have them.
	global bool
	read   func(d *decoder, n *yaml.Node, name string) (V, bool)
	// brief values are printed by their String method and not as the file has them.
	brief bool
	// order compares the value of a policy with the value of its base.
	order order[V]
	// compare takes the place of order where the answer depends on other keys.
	compare func(child, base *settings) bool
	// unset is the value that applies when no policy sets the key. Without it
	// such a policy asks for nothing.
	unset *V
	// join merges a value with that of the base; without it the value replaces
	// that of the base.
	join func(base, by option[V]) option[V]
}

// wordKey is a key whose value is one of several words, of which the strictest comes
// first.
func wordKey(path, doc string, values ...string) *setting[string] {
	return &setting[string]{path: path, doc: doc, schema: enum(values...), read: oneOf(values...), order: strictest(values...)}
}

// switchKey is a key that is true where something is asked for.
func switchKey(path, doc string) *setting[bool] {
	return &setting[bool]{path: path, doc: doc, schema: object{"type": "boolean"}, read: (*decoder).toggle, order: trueIsStricter}
}

// globKey is a key whose value is a list of globs of one kind.
func globKey(path, doc string, kind globKind, fold bool, order order[[]string]) *setting[[]string] {
	return &setting[[]string]{path: path, doc: doc, schema: listOf(textSchema()), read: globs(kind, fold), order: order}
}

// ageKey is a key whose value is a time; a shorter one is stricter.
func ageKey(path, doc string) *setting[time.Duration] {
	return &setting[time.Duration]{path: path, doc: doc, schema: durationSchema(), read: someTime, order: smaller[time.Duration]}
}

// signersKey is a key whose value is names of signers of trust.
func signersKey(path, doc string, order order[[]string]) *setting[[]string] {
	return &setting[[]string]{path: path, doc: doc, schema: signerNamesSchema(), read: signerNames, order: order}
}

// ofPolicy is the key as one for a whole policy, see global.
func (k *setting[V]) ofPolicy() *setting[V] {
	k.global = true
	return k
}

// orElse is the key with the value that applies when no policy sets it.
func (k *setting[V]) orElse(unset V) *setting[V] {
	k.unset = &unset
	return k
}

// key is a key of the policy language that a rule owns: a [setting], or one of
// the mappings that hold a setting for each severity or each rule.
type key interface {
	field() field[*settings]
	keyPath() string
	leaves() []leaf
}

// leaf is a [setting] of any type of value.
type leaf interface {
	keyPath() string
	inOverrides() bool
	position(s *settings) (Position, bool)
	override(into, by *settings)
	atLeastAsStrict(child, base *settings) bool
	hasOrder() bool
	text(s *settings) string
	textBefore(s *settings) string
	marked
}

// option is a value and the place where the policy sets it.
type option[V any] struct {
	value V
	pos   Position
	set   bool
	node  *yaml.Node // the value as the file spells it
	mark             // when it comes into force, and the requirement that it meets
	// before is what applies until the value comes into force, nil for nothing.
	before *option[V]
}

// settings is what the keys are set to: by one file, by one override, or by
// all that apply. A key that is not set has no entry. settings are not changed
// once the policy is parsed.
type settings struct {
	values map[string]any // from the path of a key to its option
}

func (s *settings) put(path string, value any) {
	if s.values == nil {
		s.values = map[string]any{}
	}
	s.values[path] = value
}

// of returns what the key is set to.
func (k *setting[V]) of(s *settings) option[V] {
	if o, ok := s.values[k.path].(*option[V]); ok {
		return *o
	}
	return option[V]{}
}

// value returns what applies: the value that is set, or the value for unset
// keys. It is asked for each finding, and copies no option.
func (k *setting[V]) value(s *settings) (v V) {
	o, ok := s.values[k.path].(*option[V])
	switch {
	case ok && (o.set || k.unset == nil):
		return o.value
	case k.unset != nil:
		return *k.unset
	}
	return v
}

func (k *setting[V]) keyPath() string   { return k.path }
func (k *setting[V]) leaves() []leaf    { return []leaf{k} }
func (k *setting[V]) inOverrides() bool { return !k.global }

func (k *setting[V]) position(s *settings) (Position, bool) {
	o := k.of(s)
	return o.pos, o.set
}

// text returns the value that applies as a policy file spells it, in one line.
func (k *setting[V]) text(s *settings) string {
	o := k.of(s)
	switch {
	case o.set && k.brief:
		return spelledValue(o.value)
	case o.set:
		return o.text()
	case k.unset != nil && !reflect.ValueOf(*k.unset).IsZero():
		return spelledValue(*k.unset)
	}
	return notSet
}

// notSet is the text of a key that has no value.
const notSet = "not set"

// textBefore returns what applies until the value comes into force, "" for
// nothing.
func (k *setting[V]) textBefore(s *settings) string {
	o := k.of(s)
	switch {
	case o.before == nil:
		return ""
	case k.brief:
		return spelledValue(o.before.value)
	}
	return o.before.text()
}

// text returns the value as a policy file spells it. A value that was joined with
// that of a base is in no file.
func (o *option[V]) text() string {
	if o.node != nil {
		return spelled(o.node)
	}
	return spelledValue(o.value)
}

// spelledValue returns a value that is in no file as a policy file would spell it.
func spelledValue(value any) string {
	switch v := value.(type) {
	case []string:
		return "[" + strings.Join(v, ", ") + "]"
	case time.Duration:
		if v%words.Day == 0 {
			return itoa(int(v/words.Day)) + "d"
		}
		return v.String()
	}
	return fmt.Sprint(value)
}

func (k *setting[V]) field() field[*settings] {
	_, last := splitPath(k.path)
	return field[*settings]{
		key: last, doc: k.doc, schema: markSchema(k.schema), required: k.required, cure: k.cure, decode: k.decode,
	}
}

func (k *setting[V]) decode(d *decoder, n *yaml.Node, name string, s *settings) {
	value, m, ok := d.unmark(n, name)
	if !ok {
		return
	}
	if v, ok := k.read(d, value, name); ok {
		s.put(k.path, &option[V]{value: v, pos: d.pos(value), set: true, node: value, mark: m})
	}
}

func (k *setting[V]) override(into, by *settings) {
	o := k.of(by)
	if !o.set {
		return
	}
	base := k.of(into)
	if base.set && k.join != nil {
		m := o.mark
		o = k.join(base, o)
		o.mark = m
	}
	switch {
	case !base.set: // a copy: what applies until its day stays
	case o.from.IsZero():
		o.before = nil
	default:
		o.before = &base
	}
	into.put(k.path, &o)
}

// severitySetting is a mapping from severities to values. Each severity is a
// setting of its own, so that an override which raises one limit lifts no
// other by leaving it out.
type severitySetting[V any] struct {
	path, doc string
	schema    object
	read      func(d *decoder, n *yaml.Node, name string) (V, bool)
	each      [5]*setting[V] // by rank
}

// perSeverity makes the settings of a mapping from severities to values.
func perSeverity[V any](path, doc string, schema object, read func(*decoder, *yaml.Node, string) (V, bool), order order[V], unset *V) *severitySetting[V] {
	k := &severitySetting[V]{path: path, doc: doc, schema: schema, read: read}
	for _, sev := range evidence.Severities() {
		k.each[rank(sev)] = &setting[V]{path: path + "." + string(sev), order: order, unset: unset}
	}
	return k
}

func (k *severitySetting[V]) keyPath() string { return k.path }

// leaves returns the settings of the severities, worst first.
func (k *severitySetting[V]) leaves() []leaf {
	var out []leaf
	for _, sev := range evidence.Severities() {
		out = append(out, k.each[rank(sev)])
	}
	return out
}

// at returns what is set for a severity.
func (k *severitySetting[V]) at(s *settings, sev evidence.Severity) option[V] {
	return k.each[rank(sev)].of(s)
}

// of returns what is set, by severity.
func (k *severitySetting[V]) of(s *settings) map[evidence.Severity]option[V] {
	out := map[evidence.Severity]option[V]{}
	for _, sev := range evidence.Severities() {
		if o := k.at(s, sev); o.set {
			out[sev] = o
		}
	}
	return out
}

func (k *severitySetting[V]) field() field[*settings] {
	_, last := splitPath(k.path)
	return field[*settings]{key: last, doc: k.doc, schema: markSchema(severitySchema(markSchema(k.schema))), decode: k.decode}
}

func (k *severitySetting[V]) decode(d *decoder, n *yaml.Node, name string, s *settings) {
	all, m, ok := d.unmark(n, name)
	if !ok {
		return
	}
	inner := map[*yaml.Node]mark{}
	values := map[*yaml.Node]*yaml.Node{}
	read := func(d *decoder, n *yaml.Node, name string) (v V, ok bool) {
		if values[n], inner[n], ok = d.unmark(n, name); !ok {
			return v, false
		}
		return k.read(d, values[n], name)
	}
	for sev, o := range severities(d, all, name, read) {
		o.mark, o.node = inner[o.node].or(m), values[o.node]
		o.pos = d.pos(o.node)
		s.put(k.each[rank(sev)].path, &o)
	}
}

// with returns the settings after others that apply on top of them, key by
// key. Lists are replaced whole.
func (s *settings) with(by *settings, all []leaf) *settings {
	out := &settings{values: make(map[string]any, len(s.values)+len(by.values))}
	for _, l := range all {
		l.override(out, s)
		l.override(out, by)
	}
	return out
}

// set reports whether any of the keys is set, and where the first of them is.
func (s *settings) set(keys ...key) (Position, bool) {
	for _, k := range keys {
		for _, l := range k.leaves() {
			if p, ok := l.position(s); ok {
				return p, true
			}
		}
	}
	return Position{}, false
}

// level returns what the levels section says about a rule: fail unless it says
// otherwise.
func (s *settings) level(rule string) string {
	if o := s.levelOption(rule); o.set {
		return o.value
	}
	return levelFail
}

func (s *settings) levelOption(rule string) option[string] {
	if o, ok := s.values[levelsPrefix+rule].(*option[string]); ok {
		return *o
	}
	return option[string]{}
}
