package edit

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Set changes the value of one key of the exception at a line, counted from 1. The
// key must be there.
func Set(src []byte, line int, key, value string) ([]byte, error) {
	d, err := read(src)
	if err != nil {
		return nil, err
	}
	at := d.at(line)
	if at < 0 {
		return nil, ErrLayout
	}
	item := d.list.Content[at]
	for i := 0; i+1 < len(item.Content); i += 2 {
		if item.Content[i].Value != key {
			continue
		}
		old := item.Content[i+1]
		begin, end, ok := d.scalar(old)
		if !ok {
			return nil, ErrLayout
		}
		replacement := (&Field{Key: key, Value: value}).node()
		text, err := yaml.Marshal(replacement)
		if err != nil {
			return nil, err
		}
		out := slices.Concat(d.text[:begin], []byte(strings.TrimSpace(string(text))), d.text[end:])
		return out, verify(src, out, func(before []*yaml.Node) ([]*yaml.Node, error) {
			changed := *before[at]
			changed.Content = slices.Clone(changed.Content)
			changed.Content[i+1] = replacement
			before[at] = &changed
			return before, nil
		})
	}
	return nil, ErrLayout
}

// at returns the number of the exception at a line, -1 for none. Where several begin
// in one line, none is meant.
func (d *document) at(line int) int {
	found := -1
	if d.list == nil {
		return found
	}
	for i, item := range d.list.Content {
		if item.Line == line {
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}

// scalar returns where the text of a scalar begins and ends.
func (d *document) scalar(n *yaml.Node) (begin, end int, ok bool) {
	if n.Kind != yaml.ScalarNode {
		return 0, 0, false
	}
	begin = d.offset(n)
	quote := ""
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		quote = `"`
	case n.Style&yaml.SingleQuotedStyle != 0:
		quote = "'"
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return 0, 0, false
	}
	raw := quote + n.Value + quote
	return begin, begin + len(raw), strings.HasPrefix(string(d.text[begin:]), raw)
}

// Remove removes the exceptions at the lines. The comment right above an exception
// goes with it.
func Remove(src []byte, lines []int) ([]byte, error) {
	d, err := read(src)
	if err != nil {
		return nil, err
	}
	var gone []int
	for _, line := range lines {
		at := d.at(line)
		if at < 0 {
			return nil, ErrLayout
		}
		gone = append(gone, at)
	}
	slices.Sort(gone)
	gone = slices.Compact(gone)
	if len(gone) == 0 {
		return src, nil
	}
	var out []byte
	switch {
	case len(gone) == len(d.list.Content):
		out, err = d.removeSection()
	case flow(d.list):
		out, err = d.removeFlow(gone)
	default:
		out, err = d.removeBlock(gone)
	}
	if err != nil {
		return nil, err
	}
	return out, verify(src, out, func(before []*yaml.Node) ([]*yaml.Node, error) {
		var kept []*yaml.Node
		for i, n := range before {
			if !slices.Contains(gone, i) {
				kept = append(kept, n)
			}
		}
		return kept, nil
	})
}

// removeSection removes the key and its list.
func (d *document) removeSection() ([]byte, error) {
	if flow(d.root) {
		return nil, ErrLayout
	}
	last := d.lastLine()
	begin, end := d.start(d.key.Line), d.start(last+1)
	if end == len(d.text) { // with the blank lines before it
		for begin > 0 && strings.TrimSpace(d.line(d.lineAt(begin)-1)) == "" && d.lineAt(begin) > 1 {
			begin = d.start(d.lineAt(begin) - 1)
		}
	}
	return slices.Concat(d.text[:begin], d.text[end:]), nil
}

// lineAt returns the line that begins at an offset.
func (d *document) lineAt(offset int) int {
	i, _ := slices.BinarySearch(d.lines, offset)
	return i + 1
}

func (d *document) removeFlow(gone []int) ([]byte, error) {
	type span struct{ begin, end int }
	var spans []span
	for _, item := range d.list.Content {
		end, err := d.flowEnd(item)
		if err != nil {
			return nil, err
		}
		spans = append(spans, span{d.offset(item), end})
	}
	out := slices.Clone(d.text)
	last := len(spans) - 1
	for _, i := range slices.Backward(gone) {
		cut := span{spans[i].begin, 0}
		if i < last {
			cut.end = spans[i+1].begin
		} else { // what is the last item now goes with the comma before it
			cut = span{spans[i-1].end, spans[i].end}
			last = i - 1
		}
		out = slices.Delete(out, cut.begin, cut.end)
	}
	return out, nil
}

func (d *document) removeBlock(gone []int) ([]byte, error) {
	type span struct{ begin, end int } // lines, the end is not a part of it
	var spans []span
	for i, item := range d.list.Content {
		dash := d.dash(item)
		if dash < 0 {
			return nil, ErrLayout
		}
		spans = append(spans, span{begin: dash, end: d.lastLine() + 1})
		if i > 0 {
			spans[i-1].end = dash
		}
	}
	comments := make([]int, len(spans)) // how many lines of comment are right above
	for i := range spans {
		for n := spans[i].begin - 1; n > d.key.Line && strings.HasPrefix(strings.TrimSpace(d.line(n)), "#"); n-- {
			comments[i]++
		}
	}
	// A comment above the first one is about the whole section where no other
	// exception has a comment.
	if len(spans) > 1 && slices.Max(comments[1:]) == 0 {
		comments[0] = 0
	}
	out := slices.Clone(d.text)
	for _, i := range slices.Backward(gone) {
		begin, end := spans[i].begin-comments[i], spans[i].end
		if i+1 < len(spans) {
			end -= comments[i+1]
		}
		out = slices.Delete(out, d.start(begin), d.start(end))
	}
	return out, nil
}

// dash returns the line of the dash of an item.
func (d *document) dash(item *yaml.Node) int {
	for n := item.Line; n > d.key.Line; n-- {
		text := []rune(d.line(n))
		if len(text) >= d.list.Column && text[d.list.Column-1] == '-' && strings.TrimSpace(string(text[:d.list.Column-1])) == "" {
			return n
		}
	}
	return -1
}
