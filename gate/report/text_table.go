package report

import (
	"cmp"
	"strings"

	"github.com/imagegate/imagegate/gate/report/safe"
)

// table is a text table. Cells are encoded when they are added.
type table struct {
	head  []string
	rows  [][]string
	tints []tint // one per row
	// middle cuts the last column in its middle: the names of images often
	// begin alike.
	middle bool
}

// cellLimit bounds one cell.
const cellLimit = 100

func (t *table) add(color tint, cells ...string) {
	for i, c := range cells {
		cells[i] = fit(safe.Terminal(c), cellLimit)
	}
	t.rows = append(t.rows, cells)
	t.tints = append(t.tints, color)
}

// defaultWidth is the width of tables where no terminal tells another.
const defaultWidth = 80

// print writes the table. Where it is too wide, the last column is cut first,
// then the widest ones. The first column holds ids, which people copy: it is
// never cut.
func (t *table) print(w *textWriter, indent int) {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, c := range row {
			widths[i] = max(widths[i], columns(c))
		}
	}
	shrink(widths, cmp.Or(w.width, defaultWidth)-indent)
	w.line(strings.Repeat(" ", indent), w.paint(dim, t.row(t.head, widths)))
	for i, row := range t.rows {
		w.line(strings.Repeat(" ", indent), w.paint(t.tints[i], t.row(row, widths)))
	}
}

func (t *table) row(cells []string, widths []int) string {
	var b strings.Builder
	for i, c := range cells {
		if t.middle && i == len(cells)-1 {
			c = fitMiddle(c, widths[i])
		}
		c = fit(c, widths[i])
		b.WriteString(c)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", widths[i]-columns(c)+2))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// shrink makes columns narrower until all of them and the gaps between them fit.
func shrink(widths []int, room int) {
	const least = 8
	over := 2*(len(widths)-1) - room
	for _, width := range widths {
		over += width
	}
	last := len(widths) - 1
	if cut := min(over, widths[last]-least); cut > 0 {
		widths[last] -= cut
		over -= cut
	}
	for ; over > 0; over-- {
		widest := 1
		for i := range widths {
			if i > 0 && widths[i] > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= least {
			return
		}
		widths[widest]--
	}
}

// fitMiddle cuts s in its middle to at most n columns.
func fitMiddle(s string, n int) string {
	if columns(s) <= n || n < 8 {
		return s
	}
	head := terminals.Truncate(s, n/3, "")
	tail := terminals.TruncateLeft(s, columns(s)-(n-columns(head)-1), "")
	return head + "…" + tail
}
