package report

import "bytes"

// appendIndented appends the compact JSON document src as json.Indent writes it
// with an indent of two spaces. json.Indent parses the document once more, which
// takes as long as making it; what our own encoder has just made is well-formed.
func appendIndented(dst, src []byte, prefix string) []byte {
	depth := 0
	newline := func() {
		dst = append(dst, '\n')
		dst = append(dst, prefix...)
		for range depth {
			dst = append(dst, "  "...)
		}
	}
	for i := 0; i < len(src); i++ {
		switch c := src[i]; c {
		case '"':
			n := quoted(src[i:])
			dst = append(dst, src[i:i+n]...)
			i += n - 1
		case '{', '[':
			if dst = append(dst, c); i+1 < len(src) && src[i+1] == c+2 {
				i++ // empty: both ASCII closers stand two behind their openers
				dst = append(dst, c+2)
				continue
			}
			depth++
			newline()
		case '}', ']':
			depth--
			newline()
			dst = append(dst, c)
		case ',':
			dst = append(dst, c)
			newline()
		case ':':
			dst = append(dst, ": "...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// quoted is the length of the string that src begins with, quotes included.
func quoted(src []byte) int {
	for i := 1; i < len(src); {
		n := bytes.IndexByte(src[i:], '"')
		if n < 0 {
			break
		}
		end, slashes := i+n, 0
		for src[end-1-slashes] == '\\' {
			slashes++
		}
		if i = end + 1; slashes%2 == 0 {
			return i
		}
	}
	return len(src)
}
