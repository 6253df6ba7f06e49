package policy

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/words"
	"github.com/imagegate/imagegate/policy/yamldoc"
)

// Limits on a policy file. A file beyond them is no policy but an attack or a
// mistake.
const (
	maxSource  = 1 << 20
	maxDepth   = 12
	maxElement = 30_000
	// Each override is compared with those before it.
	maxOverrides = 300
)

// load turns the bytes of a file into the root of its one document, or nil
// after reporting why not.
func (d *decoder) load(src []byte) *yaml.Node {
	if !d.plainText(src) {
		return nil
	}
	d.lines = strings.Split(string(src), "\n")
	dec := yaml.NewDecoder(bytes.NewReader(src))
	doc, err := yamldoc.Next(dec)
	switch {
	case errors.Is(err, io.EOF), err == nil && emptyDocument(doc):
		d.at(1, 1, "start with version: 1, or print the default with imagegate policy init",
			"the policy is empty, and an empty policy would let everything pass")
		return nil
	case err != nil:
		d.yamlError(src, err)
		return nil
	}
	root := doc.Content[0]
	second, err := yamldoc.Next(dec)
	switch {
	case err == nil:
		line, column := 1, 1
		if second.Line > 0 {
			line, column = second.Line, second.Column
		}
		d.at(line, column, "keep one document: remove the --- between them", "a second YAML document begins here")
	case !errors.Is(err, io.EOF):
		d.yamlError(src, err)
	}
	return root
}

// plainText refuses bytes that a person reading the file would not see as
// what YAML makes of them.
func (d *decoder) plainText(src []byte) bool {
	if len(src) > maxSource {
		d.at(1, 1, "split nothing: look what fills the file",
			"the policy has %d bytes, more than the limit of %d", len(src), maxSource)
		return false
	}
	line, column := 1, 1
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			d.at(line, column, "save the file as UTF-8", "byte 0x%02x is not valid UTF-8", src[i])
			return false
		case hiddenRune(r) && (r != '\ufeff' || i > 0):
			d.at(line, column, "remove it, or write it as an escape in double quotes", "invisible character U+%04X", r)
			return false
		case r == '\n':
			line, column = line+1, 0
		}
		i += size
		column++
	}
	return true
}

// hiddenRune reports characters that change what a reader sees: controls,
// bidirectional overrides (trojan source), zero-width spaces, odd line breaks.
func hiddenRune(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return false
	case r < 0x20, r >= 0x7f && r <= 0x9f:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x2069:
		return true
	}
	return r == '\ufeff'
}

func emptyDocument(doc *yaml.Node) bool {
	return len(doc.Content) == 0 || isNull(doc.Content[0])
}

var unknownAnchor = regexp.MustCompile(`unknown anchor '(.+)' referenced`)

// yamlError reports a file that is no YAML. yaml.v3 gives a line at most, and
// for a tab the line before: the column is found here.
func (d *decoder) yamlError(src []byte, err error) {
	line, msg := yamldoc.Problem(err)
	lines := strings.Split(string(src), "\n")
	if m := unknownAnchor.FindStringSubmatch(msg); m != nil {
		for i, text := range lines {
			if column := strings.Index(text, "*"+m[1]); column >= 0 {
				d.at(i+1, column+1, "write the value out, or put it in quotes if the * is meant", "alias *%s: a policy has no aliases", clip(m[1]))
				return
			}
		}
	}
	for _, n := range []int{line, line + 1, line - 1} {
		if column := tabColumn(lines, n); column > 0 {
			d.at(n, column, "indent with spaces", "a tab is used for indentation, which YAML does not allow")
			return
		}
	}
	line = min(max(line, 1), len(lines))
	text := lines[line-1]
	column := 1 + len(text) - len(strings.TrimLeft(text, " "))
	d.at(line, column, "check quotes, brackets and indentation here and on the line before", "not valid YAML: %s", msg)
}

// tabColumn returns the column of a tab in the indentation of a line, or 0.
func tabColumn(lines []string, line int) int {
	if line < 1 || line > len(lines) {
		return 0
	}
	text := lines[line-1]
	indent := len(text) - len(strings.TrimLeft(text, " \t"))
	return strings.IndexByte(text[:indent], '\t') + 1
}

// lint walks the whole tree and reports what the policy language leaves out of
// YAML. Nodes reported here are marked, so that no decoder reports them again.
func (d *decoder) lint(n *yaml.Node, depth int) {
	if d.elements++; d.elements == maxElement {
		d.fail(n, "shorten the file", "the policy has more than %d entries", maxElement)
	}
	if d.elements >= maxElement {
		return
	}
	if depth > maxDepth {
		d.fail(n, "no setting is nested that deep", "nested more than %d levels", maxDepth)
		n.Content = nil
		return
	}
	switch {
	case n.Kind == yaml.AliasNode:
		d.fail(n, "write the value out", "alias *%s: a policy has no aliases", clip(n.Value))
	case n.Anchor != "":
		d.fail(n, "remove &"+clip(n.Anchor)+" and write the value where it is used", "anchor &%s: a policy has no anchors", clip(n.Anchor))
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!":
		d.fail(n, "remove the tag", "explicit tag %s: a policy has no tags", clip(n.Tag))
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Tag == "!!merge" {
			d.fail(c, "write the keys out", "merge key <<: a policy has no merge keys")
			continue
		}
		d.lint(c, depth+1)
	}
}

// clip shortens foreign text for a message.
func clip(s string) string { return words.Clip(s, 60) }
