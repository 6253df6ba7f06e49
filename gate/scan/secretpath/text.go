package secretpath

import (
	"bytes"
	"io"
	"slices"
)

// HeadSize is how many bytes of a text, zeros not counted, [IsText] looks at. A file
// of that size takes no time to be searched, so it is always taken for a text.
const HeadSize = 4 << 10

// WithoutZeros returns a reader of all bytes of r but the zeros.
//
// In UTF-16 and UTF-32, all bytes but one of an ASCII letter are zeros. What remains is
// ASCII. It does not matter in which order the bytes are, whether a mark says so, and what
// comes before the text. Secrets are ASCII. Letters that are not ASCII become other bytes,
// and the lines of texts that have them can be miscounted.
func WithoutZeros(r io.Reader) io.Reader { return &dense{r} }

type dense struct{ r io.Reader }

// Read implements io.Reader. It fills p if it can: Trivy searches what one Read returns.
func (d *dense) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		more, err = d.r.Read(p[n:])
		n += squeeze(p[n : n+more])
	}
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// squeeze moves the bytes that are not zero to the beginning and returns how many they
// are.
func squeeze(p []byte) int {
	n := bytes.IndexByte(p, 0)
	if n < 0 {
		return len(p)
	}
	for _, c := range p[n:] {
		if c != 0 {
			p[n] = c
			n++
		}
	}
	return n
}

// IsText reports whether a file is a text, by its first bytes without zeros: at most one
// byte of fifteen is a control character. In compressed data it is one of ten, in Chinese
// in UTF-16 one of twenty. In an ELF file the names of symbols can come early, so only its
// header is looked at.
//
// Trivy takes a file for no text when one of its first bytes is a control character. A
// log that was truncated while it was open begins with zeros, and a single control
// character can be put before anything.
func IsText(head []byte) bool {
	const elfHeader = 256
	switch {
	case len(head) < HeadSize:
		return len(head) > 0
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		head = head[:elfHeader]
	}
	n := 0
	for _, c := range head {
		if isControl(c) {
			n++
		}
	}
	return 15*n <= len(head)
}

// isControl reports whether a byte occurs in no text. Escape is in texts for terminals.
func isControl(c byte) bool {
	switch {
	case c >= '\a' && c <= '\r' && c != '\v', c == 0x1b:
		return false
	}
	return c < ' ' || c == 0x7f
}

// IsArchive reports whether a file begins like an archive or like compressed data.
func IsArchive(head []byte) bool {
	return slices.ContainsFunc([]string{"PK\x03\x04", "\x1f\x8b", "\xfd7zXZ\x00", "BZh", "\x28\xb5\x2f\xfd", "7z\xbc\xaf\x27\x1c"}, func(magic string) bool {
		return bytes.HasPrefix(head, []byte(magic))
	})
}
