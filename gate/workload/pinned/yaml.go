package pinned

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/yamldoc"
)

// YAML returns a YAML or JSON file with the digests behind the names of images. The
// result is read again and compared with the file: where anything but those names
// differs, it returns a [*PlaceError].
func YAML(data []byte, pins []Pin) ([]byte, error) {
	pins, err := unique(pins)
	if err != nil || len(pins) == 0 {
		return data, err
	}
	before, err := documents(data)
	if err != nil {
		return nil, err
	}
	digests := map[*yaml.Node]string{}
	var insertions []insertion
	for _, p := range pins {
		n := nameAt(before, p.At)
		if n == nil {
			return nil, &PlaceError{p.At, "there is no text at this place"}
		}
		if p.Image != "" && strings.TrimSpace(n.Value) != p.Image && !strings.Contains(n.Value, "$") {
			return nil, &PlaceError{p.At, "another text than " + p.Image + " is written there"}
		}
		if digests[n] != "" && digests[n] != p.Digest {
			return nil, &PlaceError{p.At, "it stands for two digests"}
		}
		if digests[n] != "" {
			continue
		}
		end, why := scalarEnd(data, n)
		if why != "" {
			return nil, &PlaceError{p.At, why}
		}
		digests[n] = p.Digest
		insertions = append(insertions, insertion{end, "@" + p.Digest})
	}
	out := insert(data, insertions)
	after, err := documents(out)
	if err != nil || !same(before, after, digests) {
		return nil, &PlaceError{pins[0].At, "the file would mean something else afterwards"}
	}
	return out, nil
}

// documents parses every document of a file.
func documents(data []byte) ([]*yaml.Node, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("the file is no UTF-8 text")
	}
	var all []*yaml.Node
	for decoder := yaml.NewDecoder(bytes.NewReader(yamldoc.JSON(data))); ; {
		doc, err := yamldoc.Next(decoder)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, doc)
	}
}

// nameAt returns the text at a place: a value, or the value of a key.
func nameAt(all []*yaml.Node, at evidence.Place) *yaml.Node {
	var found *yaml.Node
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, c := range n.Content {
			if c.Line == at.Line && c.Column == at.Column {
				if n.Kind == yaml.MappingNode && i%2 == 0 {
					c = n.Content[i+1]
				}
				if c.Kind == yaml.AliasNode {
					c = c.Alias
				}
				if c.Kind == yaml.ScalarNode && found == nil {
					found = c
				}
			}
			walk(n.Content[i])
		}
	}
	for _, n := range all {
		walk(n)
	}
	return found
}

// scalarEnd returns the offset behind the text of a scalar.
func scalarEnd(data []byte, n *yaml.Node) (offset int, why string) {
	offset, ok := offsetOf(data, n.Line, n.Column)
	if !ok {
		return 0, "its place is not in the file"
	}
	offset = skipProperties(data, offset)
	if offset >= len(data) {
		return 0, "its place is at the end of the file"
	}
	text := strings.TrimRight(n.Value, "\n")
	if strings.ContainsAny(text, "\r\n") {
		return 0, "it is written over several lines"
	}
	switch data[offset] {
	case '"':
		return quoteEnd(data, offset, '"')
	case '\'':
		return quoteEnd(data, offset, '\'')
	case '|', '>':
		return blockEnd(data, offset, text)
	}
	if !bytes.HasPrefix(data[offset:], []byte(text)) || text == "" {
		return 0, "it is written over several lines"
	}
	return offset + len(text), ""
}

// offsetOf returns the offset of a line and a column, both from 1. Columns count
// characters, as the parser does.
func offsetOf(data []byte, line, column int) (int, bool) {
	offset := 0
	for ; line > 1; line-- {
		i := bytes.IndexAny(data[offset:], "\r\n")
		if i < 0 {
			return 0, false
		}
		if bytes.HasPrefix(data[offset+i:], []byte("\r\n")) {
			i++
		}
		offset += i + 1
	}
	offset = cmp.Or(offset, len(data)-len(bytes.TrimPrefix(data, []byte("\ufeff"))))
	for ; column > 1; column-- {
		_, size := utf8.DecodeRune(data[offset:])
		if size == 0 {
			return 0, false
		}
		offset += size
	}
	return offset, offset < len(data)
}

// skipProperties skips an anchor and a tag in front of a text.
func skipProperties(data []byte, offset int) int {
	for offset < len(data) && (data[offset] == '&' || data[offset] == '!') {
		end := bytes.IndexAny(data[offset:], " \t\r\n")
		if end < 0 {
			return len(data)
		}
		offset += end
		for offset < len(data) && strings.IndexByte(" \t", data[offset]) >= 0 {
			offset++
		}
	}
	return offset
}

// quoteEnd returns the offset of the closing quote.
func quoteEnd(data []byte, offset int, quote byte) (int, string) {
	for i := offset + 1; i < len(data); i++ {
		switch {
		case data[i] == '\n' || data[i] == '\r':
			return 0, "it is written over several lines"
		case quote == '"' && data[i] == '\\':
			i++
		case data[i] != quote:
		case quote == '\'' && i+1 < len(data) && data[i+1] == quote:
			i++
		default:
			return i, ""
		}
	}
	return 0, "its closing quote is missing"
}

// blockEnd returns the offset behind the only line of a block scalar.
func blockEnd(data []byte, offset int, text string) (int, string) {
	header := bytes.IndexByte(data[offset:], '\n')
	if header < 0 || text == "" {
		return 0, "it is empty"
	}
	content := data[offset+header+1:]
	i := bytes.Index(content, []byte(text))
	if i < 0 || len(bytes.TrimSpace(content[:i])) > 0 {
		return 0, "it is written over several lines"
	}
	return offset + header + 1 + i + len(text), ""
}

// same reports whether two files mean the same but for the digests.
func same(before, after []*yaml.Node, digests map[*yaml.Node]string) bool {
	if len(before) != len(after) {
		return false
	}
	for i := range before {
		if !sameNode(before[i], after[i], digests) {
			return false
		}
	}
	return true
}

func sameNode(a, b *yaml.Node, digests map[*yaml.Node]string) bool {
	if a.Kind != b.Kind || a.Tag != b.Tag || a.Anchor != b.Anchor || a.Style != b.Style || len(a.Content) != len(b.Content) ||
		a.HeadComment != b.HeadComment || a.LineComment != b.LineComment || a.FootComment != b.FootComment {
		return false
	}
	want := a.Value
	if d := digests[a]; d != "" {
		text := strings.TrimRight(a.Value, "\n")
		want = text + "@" + d + a.Value[len(text):]
	}
	if b.Value != want {
		return false
	}
	for i := range a.Content {
		if !sameNode(a.Content[i], b.Content[i], digests) {
			return false
		}
	}
	return true
}
