package cmdline

import "fmt"

// Error is a mistake on the command line or in a file that it names: running the
// same command again cannot help.
type Error struct {
	Err  error
	Hint string // how to correct it, "" when there is no suggestion
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an [Error]. Its verbs are those of [fmt.Errorf].
func Errorf(format string, args ...any) *Error {
	return &Error{Err: fmt.Errorf(format, args...)}
}

// WithHint sets the hint and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}
