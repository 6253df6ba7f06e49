package gate

import "errors"

// Fault is why there is no verdict: what was being done, to what, and what a
// person can do about it. Adapters return it where they know a cure; any other
// error is wrapped by [Gate.Check].
type Fault struct {
	Phase Phase
	Err   error
	// Hint is the cure in one sentence, "" when there is none to offer.
	Hint string
}

// Error says what failed. It leaves out the hint, which reports show
// separately.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// HintOf returns the innermost hint in err's chain, or "".
func HintOf(err error) string {
	hint := ""
	for f := (*Fault)(nil); errors.As(err, &f); err = f.Err {
		if f.Hint != "" {
			hint = f.Hint
		}
	}
	return hint
}
