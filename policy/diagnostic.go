package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Diagnostic is one mistake in a policy file: where, what, and what to do.
type Diagnostic struct {
	Pos  Position
	Msg  string
	Cure string // "" when there is none to offer
}

// String returns "file:line:col: what (cure)".
func (d Diagnostic) String() string {
	s := d.Pos.String() + ": " + d.Msg
	if d.Cure != "" {
		s += " (" + d.Cure + ")"
	}
	return s
}

// Error is a policy file that cannot be used. It holds every mistake that was
// found, in the order of the file, never only the first one.
type Error struct {
	Diagnostics []Diagnostic
}

// Error returns one line per diagnostic.
func (e *Error) Error() string {
	lines := make([]string, len(e.Diagnostics))
	for i, d := range e.Diagnostics {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// String returns "file:line:column", leaving out what is not known.
func (p Position) String() string {
	s := cmp.Or(p.File, builtIn)
	if p.Line > 0 {
		s = fmt.Sprintf("%s:%d", s, p.Line)
		if p.Column > 0 {
			s = fmt.Sprintf("%s:%d", s, p.Column)
		}
	}
	return s
}

// IsZero reports whether the position is that of a built-in default.
func (p Position) IsZero() bool { return p == Position{} }

// sortDiagnostics brings diagnostics into the order of the file and drops
// repetitions: two passes may stumble over the same mistake.
func sortDiagnostics(all []Diagnostic) []Diagnostic {
	slices.SortStableFunc(all, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return slices.Compact(all)
}
