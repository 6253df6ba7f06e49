package safe

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON rewrites an encoded JSON document so that it can be shown on a terminal
// or in a CI log: characters that do not show themselves and everything that
// [Commands] breaks become \u escapes. Because such text can occur only inside
// strings, the document keeps its meaning. A document that
// needs nothing of this is returned as it is.
func JSON(doc []byte) []byte {
	var out []byte
	done := 0 // everything before is in out
	for i := 0; i < len(doc); {
		i += plain(doc[i:])
		if i == len(doc) {
			break
		}
		if doc[i] == '\n' || doc[i] == ':' && !mayBreak(doc, i) {
			i++
			continue
		}
		r, size := utf8.DecodeRune(doc[i:])
		if !keptInJSON(doc, i, r) {
			if out == nil {
				out = make([]byte, 0, len(doc)+len(doc)/64)
			}
			out = append(append(out, doc[done:i]...), jsonEscape(r)...)
			done = i + size
		}
		i += size
	}
	if done == 0 {
		return doc
	}
	return append(out, doc[done:]...)
}

// plain counts the bytes up to the first that may have to be escaped, or is a
// line break: eight at a time, because nearly all of a report is plain text.
func plain(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		hash, colon, del := w^('#'*ones), w^(':'*ones), w^(0x7f*ones)
		// A byte's high bit is set where subtracting had to borrow. A borrow can
		// also mark later bytes by mistake, but never the first.
		if hit := ((w - ' '*ones) | (hash - ones) | (colon - ones) | (del - ones) | w) & highs; hit != 0 {
			return n + bits.TrailingZeros64(hit)/8
		}
	}
	for n < len(b) && ' ' <= b[n] && b[n] < 0x7f && b[n] != '#' && b[n] != ':' {
		n++
	}
	return n
}

// mayBreak is false for nearly every colon of a document: what a marker ends in
// is one of few letters. The rest of the marker is read only then.
func mayBreak(doc []byte, i int) bool {
	return i > 0 && (doc[i-1] == ':' || doc[i-1]|0x20 == 't' || doc[i-1]|0x20 == 'd')
}

func keptInJSON(doc []byte, i int, r rune) bool {
	switch r {
	case '#':
		return i == 0 || doc[i-1] != '#'
	case ':':
		return !breaksColon(doc, i)
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

// breaksColon reports whether the colon at doc[i] is the second of two, or ends a
// section marker. The colon between a JSON key and its value is neither:
// a quotation mark precedes it.
func breaksColon(doc []byte, i int) bool {
	const longest = len("section_start")
	return i > 0 && doc[i-1] == ':' || sectionBefore(string(doc[max(0, i-longest):i]))
}
