package safe

import (
	"fmt"
	"strings"
)

// MarkdownCode encodes s as a code span that is safe everywhere in GitHub
// flavoured Markdown, table cells included. Inside a code span nothing is
// markup, a link, a mention or an issue number. The pipe is written \x7c:
// table parsers disagree on what a backslash before it means.
func MarkdownCode(s string) string {
	s = strings.ReplaceAll(Terminal(s), "|", `\x7c`)
	if strings.TrimSpace(s) == "" {
		// A span of spaces would be no span, two bare backticks neither.
		return "`(empty)`"
	}
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") ||
		strings.HasPrefix(s, " ") && strings.HasSuffix(s, " ") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// longestRun returns the length of the longest run of c in s.
func longestRun(s string, c byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != c {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// Markdown encodes s as plain text of GitHub flavoured Markdown on one line,
// table cells included. Characters that could be markup become character
// references, which CommonMark never takes for structure. "@", "#" and "$" go
// into code spans of their own, because GitHub looks for mentions, issue
// numbers and formulas after the references are resolved.
func Markdown(s string) string {
	s = Terminal(s)
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); i++ {
		switch n := len(s[i:]) - len(strings.TrimLeft(s[i:], "@#$")); {
		case n > 0:
			b.WriteString("`" + s[i:i+n] + "`")
			i += n - 1
		case issueDash(s, i):
			b.WriteString("`-`")
		case active(s, i):
			fmt.Fprintf(&b, "&#%d;", s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// issueDash reports whether s[i] is the dash of what GitHub links as "GH-123".
func issueDash(s string, i int) bool {
	return s[i] == '-' && hasSuffixFold(s[:i], "gh") && i+1 < len(s) && '0' <= s[i+1] && s[i+1] <= '9'
}

// active reports whether the byte s[i] can mean something to a Markdown parser.
func active(s string, i int) bool {
	switch s[i] {
	case '\\', '`', '*', '_', '{', '}', '[', ']', '<', '>', '!', '|', '~', '&', '^':
		return true
	case '-', '+', '=', ')':
		return i == 0 || s[i] == ')' && digits(s[:i]) || s[i] == '=' && s[i-1] == '=' // lists, headings, ==marks==
	case ':':
		return i+1 < len(s) && s[i+1] != ' ' // http://, mailto:, :emoji:
	case '.':
		return digits(s[:i]) || i > 0 && (s[i-1] == 'w' || s[i-1] == 'W') // 1. and www.
	case ' ':
		return i == 0 || i == len(s)-1 // indented code, hard line breaks
	}
	return false
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }
