package main

import (
	"errors"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
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

// usagef returns a mistake on the command line or in a file that it names.
func usagef(format string, args ...any) *cmdline.Error { return cmdline.Errorf(format, args...) }

// outcomeError carries a decision other than "passed" out of a command that has
// already reported it. It prints nothing.
type outcomeError struct{ decision policy.Decision }

func (e *outcomeError) Error() string { return "verdict: " + e.decision.String() }

// exitCode is the only place where an exit code is chosen. An error of
// an unknown kind is no verdict.
func exitCode(err error) int {
	var usage *cmdline.Error
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
