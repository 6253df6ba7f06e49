package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// field is one key of a mapping: how it is read, what it means, and its JSON
// Schema. The decoder and the schema come from the same list of fields, so they
// cannot differ in a key.
type field[T any] struct {
	key      string
	doc      string
	required bool
	cure     string // what to do when it is required and missing
	schema   object
	// fields makes this key a mapping of its own; then decode is nil.
	fields []field[T]
	decode func(d *decoder, n *yaml.Node, name string, target T)
}

// bind makes a field's decode function from a reader and the place in the
// target where the value goes.
func bind[T, V any](read func(d *decoder, n *yaml.Node, name string) (V, bool), at func(T) *option[V]) func(*decoder, *yaml.Node, string, T) {
	return func(d *decoder, n *yaml.Node, name string, target T) {
		if v, ok := read(d, n, name); ok {
			*at(target) = option[V]{value: v, pos: d.pos(n), set: true}
		}
	}
}

// entries calls visit for each key of a mapping, after refusing what is no
// key, duplicates and values that are not there.
func (d *decoder) entries(n *yaml.Node, name, want string, visit func(key, value *yaml.Node)) bool {
	if d.bad[n] {
		return false
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, want, "%s is %s", name, emptyOr(n))
		return false
	}
	if len(n.Content) == 0 {
		d.fail(n, want+", or leave it out", "%s is an empty mapping", name)
		return false
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case d.bad[k]:
		case k.Kind != yaml.ScalarNode:
			d.fail(k, "write a plain word", "a key of %s is %s", name, describe(k))
		case first[k.Value] > 0:
			d.fail(k, fmt.Sprintf("the first is on line %d: keep one", first[k.Value]), "key %q is twice in %s", clip(k.Value), name)
		default:
			first[k.Value] = k.Line
			visit(k, v)
		}
	}
	return true
}

// mapping reads the keys of a mapping into target and returns the nodes of the
// keys that were there.
func mapping[T any](d *decoder, n *yaml.Node, name string, fields []field[T], target T) map[string]*yaml.Node {
	return mappingOf(d, n, name, fields, target, unknownKeyCure[T])
}

// listed is [mapping] for an item of a list that a key reads. It looks for an unknown
// key in no other section: the language is made of the keys, and may not be needed
// to read one.
func listed[T any](d *decoder, n *yaml.Node, name string, fields []field[T], target T) map[string]*yaml.Node {
	return mappingOf(d, n, name, fields, target, func(key, _ string, fields []field[T]) string { return words.DidYouMean(key, keysOf(fields)) })
}

func mappingOf[T any](d *decoder, n *yaml.Node, name string, fields []field[T], target T, unknown func(key, name string, fields []field[T]) string) map[string]*yaml.Node {
	seen, meant := map[string]*yaml.Node{}, map[string]bool{}
	ok := d.entries(n, cmp.Or(name, "the policy"), mappingCure(fields), func(k, v *yaml.Node) {
		f := find(fields, k.Value)
		if f == nil {
			meant[words.Nearest(k.Value, keysOf(fields))] = true
			d.fail(k, unknown(k.Value, name, fields), "unknown key %q in %s", clip(k.Value), cmp.Or(name, "the policy"))
			return
		}
		seen[f.key] = k
		full := f.key
		if name != "" {
			full = name + "." + f.key
		}
		switch {
		case isNull(v) && !d.bad[v]:
			d.fail(k, "give it a value, or leave the key out", "%s has no value", full)
		case f.fields != nil:
			mappingOf(d, v, full, f.fields, target, unknown)
		default:
			f.decode(d, v, full, target)
		}
	})
	for _, f := range fields {
		if ok && f.required && seen[f.key] == nil && !meant[f.key] {
			d.at(n.Line, n.Column, f.cure, "%s has no %q", cmp.Or(name, "the policy"), f.key)
		}
	}
	return seen
}

func find[T any](fields []field[T], key string) *field[T] {
	for i := range fields {
		if fields[i].key == key {
			return &fields[i]
		}
	}
	return nil
}

func keysOf[T any](fields []field[T]) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

// mappingCure shows what a mapping with these keys looks like.
func mappingCure[T any](fields []field[T]) string {
	return "write keys and values under it, such as \"" + fields[0].key + ": ...\"; its keys are " + words.And(keysOf(fields))
}

// unknownKeyCure names the key that was meant: a misspelt one, or one that
// belongs elsewhere.
func unknownKeyCure[T any](key, name string, fields []field[T]) string {
	keys := keysOf(fields)
	if cure := elsewhereCalled(flattenKey(key), keys); cure != "" {
		return cure
	}
	if s := words.Nearest(key, keys); s != "" {
		return "did you mean " + s + "?"
	}
	if homes := newLanguage().homes(flattenKey(key), name); len(homes) > 0 {
		return fmt.Sprintf("%s belongs into %s", flattenKey(key), words.Or(homes))
	}
	return "use " + words.Or(keys)
}

// elsewhereCalled returns what a policy has for a key that other scanners and people
// who know them have for the same thing, "" for a key that is none of these.
func elsewhereCalled(key string, keys []string) string {
	switch key {
	case "severity", "severities", "fail-on", "fail-on-severity", "severity-cutoff", "threshold":
		return "say how many findings of each severity may ship: vulnerabilities: {max: {critical: 0, high: 0}}"
	case "ignore", "ignored", "ignores", "allowlist", "whitelist", "suppress", "suppressions", "waivers", "skip":
		return "write each under exceptions: - {id: CVE-2026-12345, reason: ..., owner: ..., expires: 2027-01-31}"
	case "ignore-unfixed", "only-fixed", "unfixed-only":
		return "write vulnerabilities: {unfixed: ignore}"
	case "cve", "cves", "vuln", "vulnerability":
		if slices.Contains(keys, exceptID) {
			return "did you mean id?"
		}
	}
	if slices.Contains(severityWords(), key) && slices.Contains(keys, "rows") {
		return "write rows: [{severity: " + key + ", within: 30d}]"
	}
	return lastWords(key, keys)
}

// lastWords returns the cure for a key that is the end of one key alone: labels of
// require-labels.
func lastWords(key string, keys []string) string {
	var found []string
	for _, k := range keys {
		if strings.HasSuffix(k, "-"+key) {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return "did you mean " + found[0] + "?"
}

// severities reads a mapping from severity to a value.
func severities[V any](d *decoder, n *yaml.Node, name string, leaf func(d *decoder, n *yaml.Node, name string) (V, bool)) map[evidence.Severity]option[V] {
	out := map[evidence.Severity]option[V]{}
	known := severityWords()
	d.entries(n, name, "write a value for each severity: {critical: ..., high: ...}", func(k, v *yaml.Node) {
		if _, ok := d.choice(k, "a severity of "+name, known); !ok {
			return
		}
		if isNull(v) && !d.bad[v] {
			d.fail(k, "give it a value, or leave it out", "%s.%s has no value", name, k.Value)
			return
		}
		if x, ok := leaf(d, v, name+"."+k.Value); ok {
			out[evidence.Severity(k.Value)] = option[V]{value: x, pos: d.pos(v), set: true, node: v}
		}
	})
	return out
}
