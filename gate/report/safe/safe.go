// Package safe encodes text for the places a report is read in.
//
// Every string that comes from an image, a registry or a database is hostile:
// a package may be called "\x1b[2J", "::add-mask::a" or "<img src=x>". Each
// writer passes such text through the encoder of its format at the moment it
// writes it. Only that prevents an image from writing text that looks like ours.
//
// All functions are pure, total and idempotent where that makes sense: they
// accept any bytes and never fail.
package safe

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Terminal makes s fit for one line of a terminal or a CI log. Control
// characters, line breaks, bidi controls, invisible characters and bytes that
// are not UTF-8 appear as \x1b or \u{202e}, and workflow commands are broken
// (see [Commands]). Terminal(Terminal(s)) is Terminal(s).
func Terminal(s string) string { return Commands(Escape(s)) }

// Escape is [Terminal] without breaking commands.
func Escape(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case Visible(r):
			b.WriteString(s[i : i+size])
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
		i += size
	}
	return b.String()
}

// Lines encodes text that may have several lines: each line as by [Terminal],
// the line breaks kept. Carriage returns before a line break are dropped.
func Lines(s string) []string {
	lines := strings.Split(strings.TrimRight(s, "\r\n"), "\n")
	for i, line := range lines {
		lines[i] = Terminal(strings.TrimRight(line, "\r"))
	}
	return lines
}

// Visible reports whether r shows itself: whether a person who looks at it can
// tell that it is there. It is false for control and format characters, for
// every space but the ordinary one, and for letters that are drawn as nothing.
func Visible(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r != 0x7f
	}
	return unicode.IsPrint(r) && !blank(r)
}

// blank reports whether r counts as printable but is drawn as nothing: fillers
// and variation selectors, which can carry hidden text.
func blank(r rune) bool {
	return r == 0x2800 || // braille pattern without dots
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
