// Package words writes and reads what people read and write: numbers of
// things, sizes, lengths of time, lists, foreign names, and the word that was
// probably meant. Every other package takes these from here, so that one thing
// is written one way.
package words

import (
	"strconv"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
)

// Count returns a number with separators: "2,940".
func Count(n int) string { return humanize.Comma(int64(n)) }

// Plural returns a number of things: "1 finding", "2,940 findings", "0 policies".
func Plural(n int, noun string) string { return english.Plural(n, noun, "") }

// Noun returns the noun that agrees with a number that is written elsewhere:
// "finding" for 1 and "findings" for all others.
func Noun(n int, noun string) string { return english.PluralWord(n, noun, "") }

// Choose returns the word that agrees with n: Choose(n, "is", "are").
func Choose(n int, one, many string) string { return english.PluralWord(n, one, many) }

// Or returns "a, b or c".
func Or(list []string) string { return english.WordSeries(list, "or") }

// And returns "a, b and c".
func And(list []string) string { return english.WordSeries(list, "and") }

// Clip returns at most limit characters of s, and says with dots that there
// were more.
func Clip(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "..."
}

// maxQuoted is the number of characters of a foreign text in a message.
const maxQuoted = 200

// Quote returns a foreign text in quotes for a message: at most 200
// characters, and everything but printable ASCII escaped, so that it cannot
// break the line, the terminal or the log.
func Quote(s string) string {
	if utf8.RuneCountInString(s) > maxQuoted {
		return strconv.QuoteToASCII(string([]rune(s)[:maxQuoted])) + "..."
	}
	return strconv.QuoteToASCII(s)
}
