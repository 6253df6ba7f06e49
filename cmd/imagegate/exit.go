package main

import (
	"errors"
	"fmt"

	"github.com/imagegate/imagegate/policy"
)

// The exit codes. Pipelines rely on them: they never change their meaning.
//
// A Go panic exits 2 by itself and a killed process exits 137 or 143, so 1 can
// only come from a verdict.
const (
	exitPass      = 0 // every image was judged and accepted
	exitFail      = 1 // at least one image was judged and rejected
	exitNoVerdict = 2 // an image could not be judged, or a report not written
	exitUsage     = 3 // the command line or the policy file is wrong
)

// usageError is a mistake on the command line or in a policy file: running the
// same command again cannot help.
type usageError struct {
	err  error
	hint string // a suggestion, "" when there is none
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usagef returns a usageError.
func usagef(format string, args ...any) *usageError {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// withHint adds a cure to a usageError.
func (e *usageError) withHint(format string, args ...any) *usageError {
	e.hint = fmt.Sprintf(format, args...)
	return e
}

// outcomeError carries a decision other than "passed" out of a command that has
// already reported it. It prints nothing.
type outcomeError struct{ decision policy.Decision }

func (e *outcomeError) Error() string { return "verdict: " + e.decision.String() }

// exitCode is the only place where an exit code is chosen. Whatever is not
// known to be something else is no verdict.
func exitCode(err error) int {
	var usage *usageError
	var outcome *outcomeError
	switch {
	case err == nil:
		return exitPass
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &outcome) && outcome.decision == policy.Denied:
		return exitFail
	default:
		return exitNoVerdict
	}
}

// toldError is an error that has been printed already.
type toldError struct{ err error }

func (e *toldError) Error() string { return e.err.Error() }
func (e *toldError) Unwrap() error { return e.err }
