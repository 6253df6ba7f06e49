package safe

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON rewrites an encoded JSON document so that it can be shown on a terminal
// or in a CI log: characters that do not show themselves and everything that
// [Commands] breaks become \u escapes. Because such text can stand only inside
// of strings, the document means exactly the same as before.
func JSON(doc []byte) []byte {
	s := string(doc)
	var b strings.Builder
	b.Grow(len(s) + len(s)/64)
	done := 0 // everything before is written
	for i := 0; i < len(s); {
		if c := s[i]; c == '\n' || ' ' <= c && c < 0x7f && c != '#' && c != ':' {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if !keptInJSON(s, i, r) {
			b.WriteString(s[done:i])
			b.WriteString(jsonEscape(r))
			done = i + size
		}
		i += size
	}
	b.WriteString(s[done:])
	return []byte(b.String())
}

func keptInJSON(s string, i int, r rune) bool {
	switch r {
	case '#':
		return i == 0 || s[i-1] != '#'
	case ':':
		return !breaksColon(s, i)
	}
	return Visible(r)
}

func jsonEscape(r rune) string {
	if r > 0xffff {
		hi, lo := utf16.EncodeRune(r)
		return fmt.Sprintf(`\u%04x\u%04x`, hi, lo)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// breaksColon reports whether the colon at s[i] is the second of two, or ends a
// section marker. Between a JSON key and its value neither can happen: the
// quotation mark stands before the colon.
func breaksColon(s string, i int) bool {
	return i > 0 && s[i-1] == ':' || sectionBefore(s[:i])
}
