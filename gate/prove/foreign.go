package prove

import (
	"strings"
	"unicode"
)

// maxText bounds the text of an error that a library wrote.
const maxText = 300

// foreign is an error of a library that quotes what it read: of bounded length, on
// one line, and without characters that change how a terminal shows it.
func foreign(err error) error {
	text := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r): // the library for JSON writes no-break spaces at random
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(err.Error(), string(unicode.ReplacementChar)))
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText]) + "..."
	}
	return &foreignError{text, err}
}

// foreignError has a text of its own, and the chain of the error below.
type foreignError struct {
	text  string
	cause error
}

// Error implements error.
func (e *foreignError) Error() string { return e.text }

// Unwrap returns the cause.
func (e *foreignError) Unwrap() error { return e.cause }
