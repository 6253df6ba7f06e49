// Package policy decides about images: it reads a policy file and judges
// evidence by it.
//
// The package is pure. It reads no files, uses no network and takes the time as
// an argument, so that saved evidence can be judged again with the same answer.
// A pass needs positive evidence. Evidence that is missing, unknown or
// contradictory leaves a rule undecided, and an image with an undecided rule does
// not pass.
package policy

import (
	"cmp"
	_ "embed" // the default policy and the schema
	"slices"
	"strings"
	"sync"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
)

//go:embed default.yaml
var defaultSource string

// Policy is a parsed policy file. It is never changed after [Parse], so it may
// be used by several goroutines at once. The zero value lets nothing pass.
type Policy struct {
	base       settings
	overrides  []*override
	exceptions []*exception
	limits     exceptionLimits
	lang       *language
	extends    extension
	open       []string // what a policy above this one may change although it pins it
	parts      []Part
	rules      []*Rule // nil until the policy was parsed without a mistake
	// exceptionIDs tells the places in exceptions by id, in upper case, and
	// exceptionKinds those of exceptions for something other than an id, by kind.
	exceptionIDs   map[string][]int
	exceptionKinds map[string][]int
	// lastFrom is the last day on which a value comes into force, and controls
	// reports whether any value names the requirement that it meets.
	lastFrom time.Time
	controls bool
}

// Parse reads a policy that builds on the built-in policy or on none. file is only
// used in messages. The error is an [*Error] that holds every mistake found, and
// then there is no policy: a policy that was read in part could pass images that
// its author meant to stop.
func Parse(file string, src []byte) (*Policy, error) { return ParseOn(file, src, nil) }

// ParseOn is [Parse] for a policy that may build on others, which load reads.
func ParseOn(file string, src []byte, load Loader) (*Policy, error) {
	return parse(cmp.Or(file, "policy"), src, load, 0)
}

// parse reads a policy. The built-in policy has no file, and depth counts the
// policies above this one.
func parse(file string, src []byte, load Loader, depth int) (p *Policy, err error) {
	d := &decoder{file: file, bad: map[*yaml.Node]bool{}, bases: load}
	defer func() {
		if r := recover(); r != nil {
			d.at(1, 1, "please report this file as a bug", "the policy could not be read: %v", r)
			p, err = nil, &Error{Diagnostics: sortDiagnostics(d.diags)}
		}
	}()
	p = &Policy{lang: newLanguage()}
	if root := d.load(src); root != nil {
		seen := d.read(root, p)
		d.extend(p, src, load, depth)
		p.addCustomRules()
		p.prepareOverrides()
		if len(d.diags) == 0 {
			d.check(p, root, seen)
		} else {
			d.checkParts(p)
		}
	}
	if len(d.diags) > 0 {
		return nil, &Error{Diagnostics: sortDiagnostics(d.diags)}
	}
	p.indexExceptions()
	p.findMarks()
	p.rules = p.lang.rules
	return p, nil
}

// indexExceptions groups the exceptions by what they are for, so that judging an
// image does not read each of them.
func (p *Policy) indexExceptions() {
	p.exceptionIDs, p.exceptionKinds = map[string][]int{}, map[string][]int{}
	for i, e := range p.exceptions {
		if k := e.Kind(); k != exceptID {
			p.exceptionKinds[k] = append(p.exceptionKinds[k], i)
			continue
		}
		id := strings.ToUpper(e.ID)
		p.exceptionIDs[id] = append(p.exceptionIDs[id], i)
	}
}

// read reads the document, unless it is too large to be worth it.
func (d *decoder) read(root *yaml.Node, p *Policy) map[string]*yaml.Node {
	if d.lint(root, 0); d.elements >= maxElement {
		return nil
	}
	return mapping(d, root, "", grammar().policy, p)
}

// Default returns the built-in policy that applies when there is no file. Its
// settings have no place in a file.
func Default() *Policy { return builtInPolicy() }

// DefaultSource returns the built-in policy as a commented file, for people to
// start from.
func DefaultSource() []byte { return []byte(defaultSource) }

// fieldsOf holds the grammar of policies and of overrides.
type fieldsOf struct {
	policy   []field[*Policy]
	override []field[*override]
}

// made keeps the grammar: it never changes, and making it with its schema takes
// longer than reading a file. It has no initial value, because decoders refer to it:
// that would be a cycle of initialisation.
var made struct {
	once sync.Once
	fieldsOf
}

func grammar() *fieldsOf {
	made.once.Do(func() { made.fieldsOf = fieldsOf{policyFields(), overrideFields()} })
	return &made.fieldsOf
}

// policyFields is the grammar of the whole file.
func policyFields() []field[*Policy] {
	fields := []field[*Policy]{{
		key: "version", doc: "The version of the policy language.", required: true, cure: "begin the policy with version: 1",
		schema: object{"const": 1}, decode: decodeVersion,
	}, {
		key: "extends", doc: "The policy to build on: default (the built-in policy, without a word), none, or a file or artifact with its hash.",
		schema: extendsSchema(), decode: decodeExtends,
	}, {
		key: "open", doc: "What policies may change that pin this one as their base.",
		schema: listOf(enum(opens()...)), decode: decodeOpen,
	}}
	fields = append(fields, lift(newLanguage().fields(false), func(p *Policy) *settings { return &p.base })...)
	return append(fields,
		field[*Policy]{
			key: "exceptions", doc: "Findings that may ship for now, each with a reason and an end.",
			schema: listOf(exceptionSchema()), decode: decodeExceptions,
		},
		field[*Policy]{
			key: "exception-limits", doc: "What exceptions must have and may not do.",
			fields: lift(limitFields(), func(p *Policy) *exceptionLimits { return &p.limits }),
		},
		field[*Policy]{
			key: "overrides", doc: "Other settings for images with certain names. All that match apply, in order, up to one with final: true.",
			schema: listOf(schemaOf(overrideFields())), decode: decodeOverrides,
		},
	)
}

func decodeVersion(d *decoder, n *yaml.Node, name string, _ *Policy) {
	if v, ok := d.count(n, name); ok && v != 1 {
		d.fail(n, "write version: 1, or use the imagegate that reads it", "version %d of the policy language is not known", v)
	}
}

// lift makes fields of a part into fields of the whole.
func lift[P, T any](fields []field[T], part func(P) T) []field[P] {
	out := make([]field[P], len(fields))
	for i, f := range fields {
		g := field[P]{key: f.key, doc: f.doc, required: f.required, cure: f.cure, schema: f.schema}
		if f.fields != nil {
			g.fields = lift(f.fields, part)
		}
		if f.decode != nil {
			g.decode = func(d *decoder, n *yaml.Node, name string, whole P) { f.decode(d, n, name, part(whole)) }
		}
		out[i] = g
	}
	return out
}

// Exceptions lists the exceptions of the policy in the order of the file.
func (p *Policy) Exceptions() []*Exception {
	var out []*Exception
	for _, e := range p.exceptions {
		out = append(out, &e.Exception)
	}
	return out
}

// needs returns what has to be collected to judge by these settings.
func (p *Policy) needs(s *settings) evidence.Need {
	var n evidence.Need
	for _, r := range p.lang.rules {
		if r.needs != nil && r.active(s) {
			n |= r.needs(s)
		}
	}
	if s.asksCoverage() {
		n |= needFindings(s)
	}
	return n
}

// Needs returns what has to be collected to judge any image by this policy.
// Several overrides may apply together, and one may turn on a rule that another
// sets. A rule counts if any of them sets it and any of them leaves it on.
func (p *Policy) Needs() evidence.Need {
	var n evidence.Need
	all := p.everySettings()
	for _, r := range p.lang.rules {
		asked := slices.ContainsFunc(all, func(s *settings) bool { _, asked := r.asked(s); return asked })
		on := slices.ContainsFunc(all, func(s *settings) bool { return r.levelIn(s) != levelOff })
		if r.needs == nil || !asked || !on {
			continue
		}
		for _, s := range all {
			n |= r.needs(s)
		}
	}
	for _, s := range all {
		n |= p.needs(s)
	}
	return n
}

// NeedsFor returns what has to be collected to judge this image, now and after
// the end of overrides.
func (p *Policy) NeedsFor(ref evidence.Reference) evidence.Need {
	var n evidence.Need
	for _, s := range p.states(ref) {
		n |= p.needs(s)
	}
	return n
}

// states returns what the policy sets for an image at any time: now, after the end
// of overrides, and on each day on which a value comes into force.
func (p *Policy) states(ref evidence.Reference) []*settings {
	var out []*settings
	for _, at := range []time.Time{{}, farFuture} { // of the end of overrides
		out = append(out, p.statesOf(p.settingsFor(ref.Name, at).settings)...)
	}
	return out
}

// statesOf returns settings as they are, and as they are on each day on which a
// value comes into force.
func (p *Policy) statesOf(s *settings) []*settings {
	out := []*settings{s}
	if days := p.comingDays(s, time.Time{}); len(days) > 0 {
		for _, day := range append(days, time.Time{}) {
			out = append(out, s.at(day, p.lang.leaves))
		}
	}
	return out
}

// DatabaseMaxAge returns how old the advisory database may be for every image
// to be judged: the smallest age that the policy or an override sets.
func (p *Policy) DatabaseMaxAge() time.Duration {
	var ages []time.Duration
	for _, s := range p.everySettings() {
		ages = append(ages, databaseAgeKey.value(s))
	}
	return slices.Min(ages)
}
