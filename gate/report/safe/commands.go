package safe

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Commands breaks everything in s that a CI system would obey if it stood in a
// line of output, by writing one character of it as an escape:
//
//   - "::" where a line begins, and everywhere before a letter (GitHub Actions
//     obeys the first; logs that put a time stamp before a line move it);
//   - "##", at every place: "##[" of GitHub and Azure, "##vso[",
//     "##teamcity[";
//   - "section_start:" and "section_end:" of GitLab, in any case.
//
// A mere "[::1]:5000" stays as it is.
func Commands(s string) string {
	if !strings.Contains(s, "::") && !strings.Contains(s, "##") && !hasSection(s) {
		return s
	}
	var b strings.Builder
	start := true // only white space and colour so far in this line
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ':' && sectionBefore(s[:i]): // before "::", which leaves its first colon
			b.WriteString(`\x3a`)
		case c == ':' && strings.HasPrefix(s[i:], "::") && (start || commandAfter(s[i:])):
			b.WriteString(`:\x3a`)
			i++
		case c == '#' && strings.HasPrefix(s[i:], "##"):
			b.WriteString(`#\x23`)
			i++
		default:
			b.WriteByte(c)
		}
		start = lineStart(start, s, i)
	}
	return b.String()
}

// commandAfter reports whether the colons that s begins with are followed by a
// letter, as in "::error". More than two colons are looked through, because
// what is left of ":::error" after its first colon is a command too.
func commandAfter(s string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, ":"))
	return unicode.IsLetter(r)
}

// sectionBefore reports whether s ends in a GitLab section marker.
func sectionBefore(s string) bool {
	return hasSuffixFold(s, "section_start") || hasSuffixFold(s, "section_end")
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

func hasSection(s string) bool {
	for rest := s; ; {
		i := strings.IndexByte(rest, ':')
		if i < 0 {
			return false
		}
		if sectionBefore(rest[:i]) {
			return true
		}
		rest = rest[i+1:]
	}
}

// lineStart reports whether the byte after s[i] is still at the start of its
// line. The runner trims white space of every kind, so that does not end it;
// neither do our own colour sequences.
func lineStart(start bool, s string, i int) bool {
	c := s[i]
	switch {
	case c == '\n' || c == '\r':
		return true
	case !start:
		return false
	case c == ' ' || c == '\t' || c == 0x1b || c == '\v' || c == '\f':
		return true
	case c >= utf8.RuneSelf:
		return wideSpace(s, i)
	}
	return inColour(s[:i+1])
}

// wideSpace reports whether s[i] is part of a white space character outside
// ASCII, or of something that is not UTF-8 at all.
func wideSpace(s string, i int) bool {
	for back := 0; back < utf8.UTFMax && back <= i; back++ {
		if r, size := utf8.DecodeRuneInString(s[i-back:]); utf8.RuneStart(s[i-back]) && size > back {
			return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == utf8.RuneError
		}
	}
	return true
}

// inColour reports whether s ends inside or at the end of an SGR sequence.
func inColour(s string) bool {
	i := strings.LastIndex(s, "\x1b[")
	if i < 0 {
		return false
	}
	body := strings.TrimLeft(s[i+2:], "0123456789;")
	return body == "" || body == "m"
}
