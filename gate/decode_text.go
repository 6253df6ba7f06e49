package gate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner takes a JSON text apart, strictly by RFC 8259: no bytes that are not
// UTF-8 and no half of a surrogate pair, which other readers replace in silence.
type scanner struct {
	data []byte
	pos  int

	plain []byte // room for one string without its escapes
	// shared holds strings that were read before: names of packages and layers
	// stand in evidence hundreds of times.
	shared []string
	seed   maphash.Seed
}

const (
	sharedSlots  = 1 << 14 // a power of two
	longestShare = 128
)

func newScanner() scanner {
	return scanner{shared: make([]string, sharedSlots), seed: maphash.MakeSeed()}
}

// peek returns the next byte that is not white space, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\n', '\t', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// take consumes c if it is next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.pos == len(s.data) {
		return false
	}
	s.pos++
	return true
}

// word consumes a literal if it is next. What follows it is judged by whoever
// reads on: after a value only a comma, a bracket or the end can.
func (s *scanner) word(word string) bool {
	s.peek()
	if end := s.pos + len(word); end <= len(s.data) && string(s.data[s.pos:end]) == word {
		s.pos = end
		return true
	}
	return false
}

// unexpected says what stands where something else should.
func (s *scanner) unexpected(want string) error {
	if s.peek(); s.pos >= len(s.data) {
		return fmt.Errorf("the document ends where %s should stand", want)
	}
	r, _ := utf8.DecodeRune(s.data[s.pos:])
	return fmt.Errorf("%q stands at byte %d where %s should", r, s.pos, want)
}

// text reads a string.
func (s *scanner) text() (string, error) {
	b, err := s.bytes()
	if err != nil {
		return "", err
	}
	if len(b) > longestShare {
		return string(b), nil
	}
	slot := &s.shared[maphash.Bytes(s.seed, b)&(sharedSlots-1)]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot, nil
}

// bytes reads a string and returns it until the next call.
func (s *scanner) bytes() ([]byte, error) {
	if !s.take('"') {
		return nil, s.unexpected("a string")
	}
	start, escaped := s.pos, false
	for {
		s.pos += ordinary(s.data[s.pos:])
		if s.pos >= len(s.data) {
			return nil, errors.New("the document ends inside of a string")
		}
		switch c := s.data[s.pos]; {
		case c == '"':
			raw := s.data[start:s.pos]
			s.pos++
			if escaped {
				return s.unescape(raw)
			}
			return raw, nil
		case c == '\\':
			escaped = true
			s.pos = min(s.pos+2, len(s.data)) // unescape looks at what follows
		case c < ' ':
			return nil, fmt.Errorf("control character %q stands at byte %d in a string", c, s.pos)
		default:
			r, size := utf8.DecodeRune(s.data[s.pos:])
			if r == utf8.RuneError && size == 1 {
				return nil, fmt.Errorf("byte %d is not UTF-8 text", s.pos)
			}
			s.pos += size
		}
	}
}

// ordinary counts the bytes up to the first that is a quotation mark, a
// backslash, a control character or not ASCII: eight at a time, because most of
// a file of evidence is English text.
func ordinary(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		quote, slash := w^('"'*ones), w^('\\'*ones)
		// A byte's high bit is set where subtracting had to borrow. A borrow can
		// also mark later bytes by mistake, but never the first.
		if hit := ((w - ' '*ones) | (quote - ones) | (slash - ones) | w) & highs; hit != 0 {
			return n + bits.TrailingZeros64(hit)/8
		}
	}
	for n < len(b) && b[n] >= ' ' && b[n] < utf8.RuneSelf && b[n] != '"' && b[n] != '\\' {
		n++
	}
	return n
}

// unescape resolves the escapes of a string.
func (s *scanner) unescape(raw []byte) ([]byte, error) {
	out := s.plain[:0]
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		if raw[i+1] == 'u' { // bytes has seen that something follows
			r, size, err := escapedRune(raw[i:])
			if err != nil {
				return nil, err
			}
			out = utf8.AppendRune(out, r)
			i += size
			continue
		}
		c := simpleEscape(raw[i+1])
		if c == 0 {
			return nil, fmt.Errorf(`\%c is no escape of JSON`, raw[i+1])
		}
		out = append(out, c)
		i += 2
	}
	s.plain = out
	return out, nil
}

// simpleEscape returns the character that a backslash and c stand for, 0 for none.
func simpleEscape(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

// escapedRune reads the \uXXXX that raw begins with, or the two of them that
// make one character.
func escapedRune(raw []byte) (r rune, size int, err error) {
	first, ok := hex4(raw)
	if !ok {
		return 0, 0, errors.New(`\u is not followed by four hexadecimal digits`)
	}
	if !utf16.IsSurrogate(first) {
		return first, 6, nil
	}
	second, _ := hex4(raw[6:])
	if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
		return r, 12, nil
	}
	return 0, 0, fmt.Errorf(`\u%04x is half a character`, first)
}

func hex4(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	n := rune(0)
	for _, c := range raw[2:6] {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			n = n<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// number reads a number and returns its text.
func (s *scanner) number() (string, error) {
	s.peek()
	start := s.pos
	s.skip("-")
	first := s.pos
	ok := s.digits()
	ok = ok && (s.data[first] != '0' || s.pos == first+1)
	if s.skip(".") {
		ok = s.digits() && ok
	}
	if s.skip("eE") {
		s.skip("+-")
		ok = s.digits() && ok
	}
	if !ok {
		s.pos = start
		return "", s.unexpected("a number")
	}
	return string(s.data[start:s.pos]), nil
}

// skip consumes the next byte if it is one of any.
func (s *scanner) skip(any string) bool {
	for i := range len(any) {
		if s.pos < len(s.data) && s.data[s.pos] == any[i] {
			s.pos++
			return true
		}
	}
	return false
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) integer() (int64, error) {
	text, err := s.number()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}
