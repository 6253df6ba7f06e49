package report

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/imagegate/imagegate/gate/report/safe"
)

// paper is what the text format writes on. Every line leaves through line,
// which is the last place to break a workflow command that was put together
// from harmless pieces.
type paper struct {
	buf   bytes.Buffer
	color bool
	width int // 0: as wide as needed
}

// tint is an SGR colour.
type tint string

// The colours and what they stand for.
const (
	plain  tint = ""
	bold   tint = "1"
	dim    tint = "2"
	red    tint = "1;31"
	green  tint = "1;32"
	yellow tint = "33"
	cyan   tint = "36"
)

// paint colours text that is already safe.
func (p *paper) paint(t tint, s string) string {
	if !p.color || t == plain || s == "" {
		return s
	}
	return "\x1b[" + string(t) + "m" + s + "\x1b[0m"
}

// line writes one line. Its pieces are safe already.
func (p *paper) line(pieces ...string) {
	s := strings.TrimRight(strings.Join(pieces, ""), " ")
	p.buf.WriteString(safe.Commands(s))
	p.buf.WriteByte('\n')
}

// gap writes an empty line, but never two and none at the top.
func (p *paper) gap() {
	if b := p.buf.Bytes(); len(b) > 0 && !bytes.HasSuffix(b, []byte("\n\n")) {
		p.buf.WriteByte('\n')
	}
}

// textColumn is where the text of every entry begins, whatever its indent.
const textColumn = 16

// entryLimit bounds one line of an entry: no message of ours is that long, but
// the name in it may be.
const entryLimit = 1000

// entry writes a label and its text. The text is wrapped between words; a word
// is never cut, because it may be a digest. Only the caller makes lines: a line
// break inside of one is shown, or an image could write entries of its own.
func (p *paper) entry(indent int, label string, t tint, lines ...string) {
	lead := strings.Repeat(" ", indent)
	name := p.paint(t, label) + pad(label, textColumn-indent)
	for _, line := range lines {
		for _, part := range wrap(clip(safe.Terminal(line), entryLimit), p.room(textColumn)) {
			p.line(lead, name, part)
			name = strings.Repeat(" ", textColumn-indent)
		}
	}
}

// room is how many columns are left after indent; 0 means no bound.
func (p *paper) room(indent int) int {
	if p.width == 0 {
		return 0
	}
	return max(p.width-indent, 24)
}

// pad returns the spaces that fill s up to n columns, at least one.
func pad(s string, n int) string { return strings.Repeat(" ", max(n-columns(s), 1)) }

// wrap breaks s between words into lines of at most width columns.
func wrap(s string, width int) []string {
	if width == 0 || columns(s) <= width {
		return []string{s}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case columns(line)+1+columns(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// columns is how wide s is on a terminal, near enough for tables: the scripts of
// East Asia take two columns, combining marks none.
func columns(s string) int {
	if len(s) == utf8.RuneCountInString(s) {
		return len(s)
	}
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case r >= 0x300 && r < 0x370, r >= 0x20d0 && r < 0x2100:
		return 0
	case r >= 0x1100 && r < 0x1160, r >= 0x2e80 && r < 0xa4d0, r >= 0xac00 && r < 0xd7a4,
		r >= 0xf900 && r < 0xfb00, r >= 0xfe30 && r < 0xfe70, r >= 0xff00 && r < 0xff61, r >= 0x1f300 && r < 0x1fb00, r >= 0x20000:
		return 2
	}
	return 1
}

// fit cuts s to at most n columns.
func fit(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	used := 0
	for i, r := range s {
		if used += runeColumns(r); used > n-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// table is a text table. Cells are encoded when they are added.
type table struct {
	head  []string
	rows  [][]string
	tints []tint // one per row
}

// cellLimit bounds one cell: longer names are no names.
const cellLimit = 60

func (t *table) add(color tint, cells ...string) {
	for i, c := range cells {
		cells[i] = fit(safe.Terminal(c), cellLimit)
	}
	t.rows = append(t.rows, cells)
	t.tints = append(t.tints, color)
}

// print writes the table. Only the last column gives way when the paper is
// narrow: what stands in the others must be copied whole.
func (t *table) print(p *paper, indent int) {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, c := range row {
			widths[i] = max(widths[i], columns(c))
		}
	}
	used := indent
	for _, w := range widths[:len(widths)-1] {
		used += w + 2
	}
	if p.width > 0 {
		last := len(widths) - 1
		widths[last] = min(widths[last], max(p.width-used, 16))
	}
	p.line(strings.Repeat(" ", indent), p.paint(dim, t.row(t.head, widths)))
	for i, row := range t.rows {
		p.line(strings.Repeat(" ", indent), p.paint(t.tints[i], t.row(row, widths)))
	}
}

func (t *table) row(cells []string, widths []int) string {
	var b strings.Builder
	for i, c := range cells {
		c = fit(c, widths[i])
		b.WriteString(c)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", widths[i]-columns(c)+2))
		}
	}
	return strings.TrimRight(b.String(), " ")
}
