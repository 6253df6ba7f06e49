package secretpath

import (
	"bytes"
	"encoding/binary"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding is how the text of a file is written.
type Encoding int

// NoText is the encoding of a file that is no text.
const (
	NoText Encoding = iota
	Bytes           // UTF-8, Latin-1 and the like
	UTF16LE
	UTF16BE
	UTF32LE
	UTF32BE
)

// HeadSize is how many bytes of a file [EncodingOf] looks at.
const HeadSize = 512

// EncodingOf recognises the encoding of a file by its first bytes.
//
// Trivy takes a file for no text when one of its first bytes is a control
// character. A log that was truncated while it was open begins with zeros, and a
// single zero can be put before anything, so a few of them are no reason here.
func EncodingOf(head []byte) Encoding {
	head = head[:min(len(head), HeadSize)]
	switch { // the mark of UTF-32LE begins with that of UTF-16LE
	case bytes.HasPrefix(head, []byte{0xff, 0xfe, 0, 0}):
		return UTF32LE
	case bytes.HasPrefix(head, []byte{0, 0, 0xfe, 0xff}):
		return UTF32BE
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return UTF16LE
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return UTF16BE
	}
	if bytes.IndexByte(head, 0) >= 0 {
		for _, e := range []Encoding{UTF32LE, UTF32BE, UTF16LE, UTF16BE} {
			if e.fits(head) {
				return e
			}
		}
	}
	if fewControls(bytes.Trim(head, "\x00")) {
		return Bytes
	}
	return NoText
}

// fits reports whether bytes without a mark are text in a wide encoding: there is
// nothing in it that no text contains, and a quarter or more is ASCII. Programs
// contain numbers, which are control characters; ASCII that is read as a wide
// encoding contains no ASCII.
func (e Encoding) fits(head []byte) bool {
	width := e.width()
	head = head[:len(head)/width*width]
	all, ascii := 0, 0
	for _, r := range string(e.Decode(head)) {
		switch {
		case isControl(r), r == utf8.RuneError && all+1 < len(head)/width: // the last one may be half of a pair
			return false
		case r < utf8.RuneSelf:
			ascii++
		}
		all++
	}
	return all > 1 && 4*ascii >= all
}

// fewControls reports whether at most one byte of twenty is a control character. In
// compressed data it is one of nine.
func fewControls(b []byte) bool {
	n := 0
	for _, c := range b {
		if c < utf8.RuneSelf && isControl(rune(c)) {
			n++
		}
	}
	return len(b) > 0 && 20*n <= len(b)
}

// isControl reports whether a character occurs in no text. Escape is in texts for
// terminals, and what is not assigned is no character at all.
func isControl(r rune) bool {
	switch {
	case r >= '\a' && r <= '\r' && r != '\v', r == 0x1b:
		return false
	case r < utf8.RuneSelf:
		return r < ' ' || r == 0x7f
	}
	return !unicode.IsPrint(r) && !unicode.In(r, unicode.Z, unicode.Cf, unicode.Co)
}

func (e Encoding) width() int {
	switch e {
	case UTF16LE, UTF16BE:
		return 2
	case UTF32LE, UTF32BE:
		return 4
	}
	return 1
}

// Decode returns a text in UTF-8. Bytes stay as they are.
func (e Encoding) Decode(b []byte) []byte {
	var order binary.ByteOrder = binary.LittleEndian
	if e == UTF16BE || e == UTF32BE {
		order = binary.BigEndian
	}
	switch e.width() {
	case 2:
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = order.Uint16(b[2*i:])
		}
		return []byte(string(utf16.Decode(units)))
	case 4:
		runes := make([]rune, len(b)/4)
		for i := range runes {
			runes[i] = rune(order.Uint32(b[4*i:]))
		}
		return []byte(string(runes))
	}
	return b
}
