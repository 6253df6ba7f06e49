package manifests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	// maxDepth bounds how deep values are nested. Manifests have twenty levels.
	maxDepth = 200
	// maxExpanded bounds the bytes of one document after its aliases are replaced: a
	// few lines of aliases of aliases can stand for more than any memory holds.
	maxExpanded = 64 << 20
	// maxValues bounds the values of one document, and maxObjectValues those of one
	// object: an empty container is two bytes of YAML and a kilobyte of memory.
	maxValues       = 4_000_000
	maxObjectValues = 200_000
)

// kind of a value.
type kind byte

const (
	kindScalar kind = iota
	kindMap
	kindList
)

// value is a part of a document as JSON has it, and its place. An alias is the same
// value as its anchor.
type value struct {
	kind   kind
	line   int
	column int
	fields []field         // of a map, in the order of the document
	items  []*value        // of a list
	scalar json.RawMessage // number, string, true, false or null
	size   int             // bytes of its JSON, aliases replaced
	count  int             // values in it, itself and aliases included
}

// field is one key of a map.
type field struct {
	name         string
	line, column int // of the key
	value        *value
}

// field returns the value of a key, nil for none.
func (v *value) field(name string) *value {
	if v == nil {
		return nil
	}
	for i := range v.fields {
		if v.fields[i].name == name {
			return v.fields[i].value
		}
	}
	return nil
}

// text returns a scalar that is a string.
func (v *value) text() string {
	var s string
	if v == nil || v.kind != kindScalar || json.Unmarshal(v.scalar, &s) != nil {
		return ""
	}
	return s
}

func (v *value) isNull() bool { return v.kind == kindScalar && string(v.scalar) == "null" }

// json returns the value as JSON.
func (v *value) json() []byte {
	var b bytes.Buffer
	b.Grow(v.size)
	v.write(&b)
	return b.Bytes()
}

func (v *value) write(b *bytes.Buffer) {
	switch v.kind {
	case kindScalar:
		b.Write(v.scalar)
	case kindList:
		b.WriteByte('[')
		for i, item := range v.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.write(b)
		}
		b.WriteByte(']')
	case kindMap:
		b.WriteByte('{')
		for i := range v.fields {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(quoted(v.fields[i].name))
			b.WriteByte(':')
			v.fields[i].value.write(b)
		}
		b.WriteByte('}')
	}
}

func quoted(s string) []byte {
	q, err := json.Marshal(s)
	if err != nil { // no string fails
		return []byte(`""`)
	}
	return q
}

// converter makes values of the nodes of one document.
type converter struct {
	file     string
	made     map[*yaml.Node]*value // of anchors
	open     map[*yaml.Node]bool   // anchors whose value is being made
	mistakes []evidence.DocumentProblem
}

func (c *converter) wrong(n *yaml.Node, cure, format string, args ...any) *value {
	if len(c.mistakes) < maxProblems {
		c.mistakes = append(c.mistakes, evidence.DocumentProblem{
			At: evidence.Place{File: c.file, Line: n.Line, Column: n.Column}, Message: fmt.Sprintf(format, args...), Cure: cure,
		})
	}
	return &value{line: n.Line, column: n.Column, scalar: json.RawMessage("null"), size: 4}
}

// convert returns the value of a node.
func (c *converter) convert(n *yaml.Node, depth int) *value {
	if depth > maxDepth {
		return c.wrong(n, "nest the values less deeply", "values are nested deeper than %d levels", maxDepth)
	}
	if n.Kind == yaml.AliasNode {
		return c.alias(n, depth)
	}
	if n.Anchor != "" {
		if v := c.made[n]; v != nil {
			return v
		}
		c.open[n] = true
		defer delete(c.open, n)
	}
	var v *value
	if n.Kind == yaml.MappingNode && n.ShortTag() != "!!map" || n.Kind == yaml.SequenceNode && n.ShortTag() != "!!seq" {
		return c.wrong(n, "write the value without a tag", "the tag %s has no meaning in a manifest", clip(n.Tag))
	}
	switch n.Kind {
	case yaml.MappingNode:
		v = c.mapping(n, depth)
	case yaml.SequenceNode:
		v = &value{kind: kindList, line: n.Line, column: n.Column, size: 2}
		for _, item := range n.Content {
			v.add(nil, c.convert(item, depth+1))
		}
	case yaml.ScalarNode:
		v = c.scalar(n)
	default:
		v = c.wrong(n, "write the value as plain YAML", "this is no value")
	}
	if v.size > maxExpanded || v.count > maxValues {
		return c.wrong(n, "write the document without aliases of aliases", "the document is larger than %d MiB, or has more than %d values, after its aliases are replaced", maxExpanded>>20, maxValues)
	}
	if n.Anchor != "" {
		c.made[n] = v
	}
	return v
}

// add adds a field or an item and counts its bytes. The sum cannot overflow: what
// is too large is replaced before it is added to anything.
func (v *value) add(f *field, item *value) {
	if f != nil {
		v.fields = append(v.fields, *f)
		v.size += len(f.name) + 4
	} else {
		v.items = append(v.items, item)
		v.size++
	}
	v.size = min(v.size+item.size, maxExpanded+1)
	v.count = min(v.count+max(item.count, 1), maxValues+1)
}

func (c *converter) alias(n *yaml.Node, depth int) *value {
	if n.Alias == nil || c.open[n.Alias] {
		return c.wrong(n, "remove the alias", "the alias *%s is a part of its own anchor", n.Value)
	}
	return c.convert(n.Alias, depth)
}

// mapping returns the value of a map. Keys that are merged with << give way to
// those that are written, as YAML says; a key that is written twice is a mistake.
func (c *converter) mapping(n *yaml.Node, depth int) *value {
	v := &value{kind: kindMap, line: n.Line, column: n.Column, size: 2}
	seen := map[string]*yaml.Node{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, item := n.Content[i], n.Content[i+1]
		if isMerge(k) {
			merged = append(merged, item)
			continue
		}
		name, ok := c.key(k)
		if !ok {
			continue
		}
		if first := seen[name]; first != nil {
			c.wrong(k, fmt.Sprintf("the first is on line %d: keep one", first.Line), "the key %q is written twice", clip(name))
			continue
		}
		seen[name] = k
		child := c.convert(item, depth+1)
		v.add(&field{name: name, line: k.Line, column: k.Column, value: child}, child)
	}
	for _, m := range merged {
		c.merge(v, m, seen, depth)
	}
	return v
}

func isMerge(k *yaml.Node) bool {
	return k.Kind == yaml.ScalarNode && k.Value == "<<" && (k.Tag == "" || k.Tag == "!!merge" || k.ShortTag() == "!!merge")
}

// merge adds the keys of another map, or of a list of maps, that are not there yet.
func (c *converter) merge(v *value, n *yaml.Node, seen map[string]*yaml.Node, depth int) {
	from := c.convert(n, depth+1)
	maps := []*value{from}
	if from.kind == kindList {
		maps = from.items
	}
	for _, m := range maps {
		if m.kind != kindMap {
			c.wrong(n, "write << with an alias of a map", "only maps can be merged")
			return
		}
		for i := range m.fields {
			f := &m.fields[i]
			if v.size > maxExpanded {
				return
			}
			if seen[f.name] == nil {
				seen[f.name] = n
				v.add(f, f.value)
			}
		}
	}
}

// key returns the name of a key. kubectl writes numbers as they are; what it would
// turn into another word is refused.
func (c *converter) key(k *yaml.Node) (string, bool) {
	if k.Kind == yaml.AliasNode && k.Alias != nil {
		k = k.Alias
	}
	if k.Kind != yaml.ScalarNode {
		c.wrong(k, templateCure, "a key is no plain word: is this a template that was not rendered?")
		return "", false
	}
	switch tag := k.ShortTag(); {
	case tag == "!!str" && (k.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 || !oldBool(k.Value)), tag == "!!int" && plainInt(k.Value):
		return k.Value, true
	case tag == "!!timestamp":
		return k.Value, true
	}
	c.wrong(k, "put the key into quotes", "the key %q is no text", clip(k.Value))
	return "", false
}

const templateCure = "render it first: helm template, kustomize build"

// scalar returns the value of a scalar as kubectl reads it, which is by YAML 1.1.
func (c *converter) scalar(n *yaml.Node) *value {
	v := &value{line: n.Line, column: n.Column}
	plain := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	switch tag := n.ShortTag(); {
	case tag == "!!str" && plain && n.Style&yaml.TaggedStyle == 0 && oldBool(n.Value):
		v.scalar = json.RawMessage(strconv.FormatBool(oldTrue(n.Value)))
	case tag == "!!str", tag == "!!timestamp" && n.Style&yaml.TaggedStyle == 0:
		v.scalar = quoted(n.Value)
	case tag == "!!null":
		v.scalar = json.RawMessage("null")
	case tag == "!!bool":
		var b bool
		if n.Decode(&b) != nil {
			return c.wrong(n, "write true or false", "%q is neither true nor false", clip(n.Value))
		}
		v.scalar = json.RawMessage(strconv.FormatBool(b))
	case tag == "!!int", tag == "!!float":
		number, ok := numberOf(n)
		if !ok {
			return c.wrong(n, "write a plain number", "%q is no number that JSON has", clip(n.Value))
		}
		v.scalar = json.RawMessage(number)
	default:
		return c.wrong(n, "write the value without a tag", "the tag %s has no meaning in a manifest", clip(n.Tag))
	}
	v.size = len(v.scalar)
	return v
}

// oldBool reports the words that YAML 1.1, and with it kubectl, reads as true or
// false, and that YAML 1.2 reads as text.
func oldBool(s string) bool {
	switch s {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF":
		return true
	}
	return false
}

func oldTrue(s string) bool {
	return strings.HasPrefix(strings.ToLower(s), "y") || strings.EqualFold(s, "on")
}

func plainInt(s string) bool {
	return s == "0" || s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

// numberOf returns a number as JSON writes it. 0644 and 0o644 are octal, 1_000 is a
// thousand.
func numberOf(n *yaml.Node) (string, bool) {
	if plainInt(n.Value) {
		return n.Value, true
	}
	text := strings.ReplaceAll(n.Value, "_", "")
	if n.ShortTag() == "!!int" {
		i, ok := new(big.Int).SetString(strings.TrimPrefix(text, "+"), 0)
		if !ok {
			return "", false
		}
		return i.String(), true
	}
	var f float64
	if n.Decode(&f) != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return "", false
	}
	return strconv.FormatFloat(f, 'g', -1, 64), true
}
