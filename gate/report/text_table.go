package report

import (
	"strings"

	"github.com/imagegate/imagegate/gate/report/safe"
)

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

// print writes the table. Only the last column is cut when the terminal is
// narrow: people copy ids and versions from the others.
func (t *table) print(w *textWriter, indent int) {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, c := range row {
			widths[i] = max(widths[i], columns(c))
		}
	}
	used := indent
	for _, width := range widths[:len(widths)-1] {
		used += width + 2
	}
	if w.width > 0 {
		last := len(widths) - 1
		widths[last] = min(widths[last], max(w.width-used, 16))
	}
	w.line(strings.Repeat(" ", indent), w.paint(dim, t.row(t.head, widths)))
	for i, row := range t.rows {
		w.line(strings.Repeat(" ", indent), w.paint(t.tints[i], t.row(row, widths)))
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
