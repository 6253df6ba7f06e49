package report

import (
	"bytes"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/imagegate/imagegate/gate/report/safe"
)

// textWriter writes the lines of the text format. Every line goes through line,
// which breaks workflow commands that were put together from harmless pieces.
type textWriter struct {
	buf   bytes.Buffer
	color bool
	width int // 0: as wide as needed
}

// tint is an SGR colour.
type tint string

// The colours and their meanings.
const (
	plain  tint = ""
	bold   tint = "1"
	dim    tint = "2"
	red    tint = "1;31"
	green  tint = "1;32"
	yellow tint = "33"
)

// paint colours text that is already safe.
func (w *textWriter) paint(t tint, s string) string {
	if !w.color || t == plain || s == "" {
		return s
	}
	return "\x1b[" + string(t) + "m" + s + "\x1b[0m"
}

// line writes one line. Its pieces are safe already.
func (w *textWriter) line(pieces ...string) {
	s := strings.TrimRight(strings.Join(pieces, ""), " ")
	w.buf.WriteString(safe.Commands(s))
	w.buf.WriteByte('\n')
}

// gap writes an empty line, but never two and none at the top.
func (w *textWriter) gap() {
	if b := w.buf.Bytes(); len(b) > 0 && !bytes.HasSuffix(b, []byte("\n\n")) {
		w.buf.WriteByte('\n')
	}
}

// textColumn is the column in which the text of every entry begins, at every indent.
const textColumn = 16

// entryLimit bounds one line of an entry, because it may hold a name of any
// length.
const entryLimit = 1000

// entry writes a label and its text. The text is wrapped between words; a word
// is never cut, because it may be a digest. A line break in a line is written as
// an escape: otherwise an image could write entries of its own.
func (w *textWriter) entry(indent int, label string, t tint, lines ...string) {
	lead := strings.Repeat(" ", indent)
	name := w.paint(t, label) + pad(label, textColumn-indent)
	for _, line := range lines {
		for _, part := range wrap(clip(safe.Terminal(line), entryLimit), w.room(textColumn)) {
			w.line(lead, name, part)
			name = strings.Repeat(" ", textColumn-indent)
		}
	}
}

// room is how many columns are left after indent; 0 means no bound.
func (w *textWriter) room(indent int) int {
	if w.width == 0 {
		return 0
	}
	return max(w.width-indent, 24)
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

// terminals measures text like a terminal: characters of East Asia take two
// columns, combining marks none. It does not follow the environment: equal runs
// give equal reports.
var terminals = &runewidth.Condition{StrictEmojiNeutral: true}

// columns returns how many columns s takes on a terminal.
func columns(s string) int { return terminals.StringWidth(s) }

// fit cuts s to at most n columns.
func fit(s string, n int) string { return terminals.Truncate(s, n, "…") }
