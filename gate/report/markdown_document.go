package report

import (
	"fmt"
	"strings"

	"github.com/imagegate/imagegate/policy/words"
)

// markdownDocument is a Markdown document that can be cut: its tables give way row by row,
// the last ones first, and each says how many rows it lost. A document cut in
// the middle of a row, or not at all, would lose the verdict with it.
type markdownDocument struct{ blocks []block }

// block is a piece of text, or a table.
type block struct {
	text string
	noun string // what a row is, for tables
	head string
	rows []string
}

func (d *markdownDocument) text(s string) { d.blocks = append(d.blocks, block{text: s}) }

// table adds a table whose cells are encoded already.
func (d *markdownDocument) table(noun string, head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	b := block{noun: noun, head: row(head) + row(slicesOf("---", len(head)))}
	for _, r := range rows {
		b.rows = append(b.rows, row(r))
	}
	d.blocks = append(d.blocks, b)
}

func row(cells []string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

func slicesOf(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// render writes the document in at most limit bytes. What comes first is kept;
// the last line of a document that was cut says so.
func (d *markdownDocument) render(limit int) []byte {
	const reserve = 120 // for the last line and one line about lost rows
	whole := d.size() <= limit
	var b strings.Builder
	lost := 0
	for i, blk := range d.blocks {
		room := limit - b.Len()
		if !whole {
			room -= reserve
		}
		lost += blk.write(&b, room, i == 0)
	}
	if !whole {
		fmt.Fprintf(&b, "\nThis summary was cut: %s left out. The JSON report is complete.\n", words.Plural(lost, "row"))
	}
	return []byte(b.String())
}

func (d *markdownDocument) size() int {
	n := 0
	for _, b := range d.blocks {
		n += len(b.text) + len(b.head) + 1
		for _, r := range b.rows {
			n += len(r)
		}
	}
	return n
}

// write writes as much of the block as room allows and returns how many rows
// were lost. The first block holds the verdict and is always written.
func (b *block) write(out *strings.Builder, room int, always bool) (lost int) {
	if b.head == "" {
		if len(b.text) <= room || always {
			out.WriteString(b.text)
			return 0
		}
		return 1
	}
	used := len(b.head)
	if used+len(b.rows[0]) > room {
		return len(b.rows)
	}
	out.WriteString(b.head)
	for i, r := range b.rows {
		if used += len(r); used > room {
			lost = len(b.rows) - i
			fmt.Fprintf(out, "\n… and %s\n", more(lost, b.noun))
			break
		}
		out.WriteString(r)
	}
	out.WriteString("\n")
	return lost
}
