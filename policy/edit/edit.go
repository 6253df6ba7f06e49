// Package edit changes the exceptions in the text of a policy file. What it does
// not change stays byte for byte: comments, layout, and the end of lines.
//
// It finds places through the nodes of the YAML reader and changes the text there.
// Every result is read again and compared with what was there before, so a layout
// that it does not understand is an error and never a damaged file.
package edit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Field is one key of an exception. A field without a value and a list is left
// out.
type Field struct {
	Key   string
	Value string
	List  []string
}

// Entry is one exception.
type Entry []Field

const section = "exceptions"

// ErrLayout is the error for a file whose layout cannot be edited.
var ErrLayout = errors.New("the layout of the file cannot be edited; change it by hand")

// document is the text of a policy and its nodes.
type document struct {
	text  []byte
	lines []int // offsets of their beginnings
	end   string
	root  *yaml.Node
	key   *yaml.Node // of the exceptions, nil for none
	list  *yaml.Node
}

func read(src []byte) (*document, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, ErrLayout
	}
	d := &document{text: src, lines: []int{0}, end: "\n", root: doc.Content[0]}
	for i, b := range src {
		if b == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	if bytes.Contains(src, []byte("\r\n")) {
		d.end = "\r\n"
	}
	for i := 0; i+1 < len(d.root.Content); i += 2 {
		if k := d.root.Content[i]; k.Value == section {
			d.key, d.list = k, d.root.Content[i+1]
			if d.list.Kind != yaml.SequenceNode || len(d.list.Content) == 0 {
				return nil, ErrLayout
			}
		}
	}
	return d, nil
}

// line returns the text of a line, counted from 1, without its end.
func (d *document) line(n int) string {
	if n < 1 || n > len(d.lines) {
		return ""
	}
	end := len(d.text)
	if n < len(d.lines) {
		end = d.lines[n]
	}
	return strings.TrimRight(string(d.text[d.lines[n-1]:end]), "\r\n")
}

// start returns the offset of a line, that of the end of the text for one behind
// the last.
func (d *document) start(n int) int {
	if n > len(d.lines) {
		return len(d.text)
	}
	return d.lines[n-1]
}

// offset returns the offset of a node. Its column counts characters.
func (d *document) offset(n *yaml.Node) int {
	before := []rune(d.line(n.Line))
	return d.start(n.Line) + len(string(before[:min(n.Column-1, len(before))]))
}

func flow(n *yaml.Node) bool { return n.Style&yaml.FlowStyle != 0 }

// Add appends exceptions to those of a policy.
func Add(src []byte, entries []Entry) ([]byte, error) {
	d, err := read(src)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return src, nil
	}
	var out []byte
	switch {
	case flow(d.root):
		return nil, ErrLayout
	case d.list == nil:
		out = d.addSection(entries)
	case flow(d.list):
		out, err = d.addFlow(entries)
	default:
		out, err = d.addBlock(entries)
	}
	if err != nil {
		return nil, err
	}
	return out, verify(src, out, func(before []*yaml.Node) ([]*yaml.Node, error) {
		for _, e := range entries {
			n, err := e.node(0)
			if err != nil {
				return nil, err
			}
			before = append(before, n)
		}
		return before, nil
	})
}

func (d *document) addSection(entries []Entry) []byte {
	out := slices.Clone(d.text)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, d.end...)
	}
	out = append(out, d.end+section+":"+d.end...)
	for _, e := range entries {
		out = append(out, e.block("  ", d.end)...)
	}
	return out
}

func (d *document) addBlock(entries []Entry) ([]byte, error) {
	at := d.start(d.lastLine() + 1)
	var added []byte
	if at == len(d.text) && len(d.text) > 0 && d.text[at-1] != '\n' {
		added = append(added, d.end...)
	}
	for _, e := range entries {
		added = append(added, e.block(strings.Repeat(" ", d.list.Column-1), d.end)...)
	}
	return slices.Concat(d.text[:at], added, d.text[at:]), nil
}

// lastLine is the last line of the list: what follows are blank lines, comments
// that begin left of the list, and the next key.
func (d *document) lastLine() int {
	n := len(d.lines)
	for i := 0; i < len(d.root.Content); i += 2 {
		if k := d.root.Content[i]; k.Line > d.key.Line {
			n = min(n, k.Line-1)
		}
	}
	for ; n > d.key.Line; n-- {
		text := d.line(n)
		trimmed := strings.TrimLeft(text, " ")
		indent := len(text) - len(trimmed)
		if trimmed != "" && (trimmed[0] != '#' || indent >= d.list.Column) {
			break
		}
	}
	return n
}

func (d *document) addFlow(entries []Entry) ([]byte, error) {
	last := d.list.Content[len(d.list.Content)-1]
	at, err := d.flowEnd(last)
	if err != nil {
		return nil, err
	}
	var added []byte
	for _, e := range entries {
		text, err := e.flow()
		if err != nil {
			return nil, err
		}
		added = append(added, ", "+text...)
	}
	return slices.Concat(d.text[:at], added, d.text[at:]), nil
}

// flowEnd returns the offset behind a mapping in braces.
func (d *document) flowEnd(n *yaml.Node) (int, error) {
	at := d.offset(n)
	if at >= len(d.text) || d.text[at] != '{' {
		return 0, ErrLayout
	}
	depth := 0
	for i := at; i < len(d.text); i++ {
		switch c := d.text[i]; {
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1, nil
			}
		case (c == '"' || c == '\'') && strings.ContainsRune("{[,: \n", rune(d.text[i-1])):
			if i = quoted(d.text, i); i < 0 {
				return 0, ErrLayout
			}
		case c == '#' && strings.ContainsRune(" \n\t", rune(d.text[i-1])):
			for i < len(d.text) && d.text[i] != '\n' {
				i++
			}
		}
	}
	return 0, ErrLayout
}

// quoted returns the place of the quote that ends a scalar, -1 for none.
func quoted(text []byte, at int) int {
	q := text[at]
	for i := at + 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && q == '"':
			i++
		case text[i] == q && q == '\'' && i+1 < len(text) && text[i+1] == q:
			i++
		case text[i] == q:
			return i
		}
	}
	return -1
}

// node makes a YAML node of an entry.
func (e Entry) node(style yaml.Style) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: style}
	for _, f := range e {
		if f.Value == "" && len(f.List) == 0 {
			continue
		}
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: f.Key}
		n.Content = append(n.Content, key, f.node())
	}
	if len(n.Content) == 0 {
		return nil, errors.New("an exception has no keys")
	}
	return n, nil
}

func (f *Field) node() *yaml.Node {
	text := func(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }
	if len(f.List) == 0 {
		v := text(f.Value)
		if f.Key == "expires" || f.Key == "added" {
			v.Tag = "!!timestamp" // written as it is read: without quotes
		}
		return v
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
	for _, s := range f.List {
		v := text(s)
		v.Style = yaml.DoubleQuotedStyle
		list.Content = append(list.Content, v)
	}
	return list
}

// block writes an entry as an item of a list.
func (e Entry) block(indent, end string) string {
	n, err := e.node(0)
	if err != nil {
		return ""
	}
	text, err := yaml.Marshal(n)
	if err != nil {
		return ""
	}
	var b strings.Builder
	first := indent + "- "
	for line := range strings.Lines(string(text)) {
		b.WriteString(first + strings.TrimRight(line, "\n") + end)
		first = indent + "  "
	}
	return b.String()
}

func (e Entry) flow() (string, error) {
	n, err := e.node(yaml.FlowStyle)
	if err != nil {
		return "", err
	}
	text, err := yaml.Marshal(n)
	return strings.TrimSpace(string(text)), err
}

// verify compares the text before and after a change: the exceptions must be what
// change makes of those before, and everything else must be the same.
func verify(before, after []byte, change func([]*yaml.Node) ([]*yaml.Node, error)) error {
	old, err := read(before)
	if err != nil {
		return err
	}
	changed, err := read(after)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrLayout, err)
	}
	var want, got []*yaml.Node
	if old.list != nil {
		want = slices.Clone(old.list.Content)
	}
	if want, err = change(want); err != nil {
		return err
	}
	if changed.list != nil {
		got = changed.list.Content
	}
	if !slices.EqualFunc(want, got, same) || !slices.EqualFunc(old.rest(), changed.rest(), same) {
		return ErrLayout
	}
	return nil
}

// rest are the keys and values beside the exceptions.
func (d *document) rest() []*yaml.Node {
	var out []*yaml.Node
	for i := 0; i+1 < len(d.root.Content); i += 2 {
		if d.root.Content[i] != d.key {
			out = append(out, d.root.Content[i], d.root.Content[i+1])
		}
	}
	return out
}

// same reports whether two nodes say the same, whatever their layout.
func same(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Value == b.Value && a.ShortTag() == b.ShortTag() && slices.EqualFunc(a.Content, b.Content, same)
}
