package main

import "github.com/imagegate/imagegate/policy/words"

// suggest returns the question for the one of names that was probably meant, or
// otherwise when none is near.
func suggest(written string, names []string, otherwise string) string {
	if near := words.Nearest(written, names); near != "" {
		return "did you mean " + near + "?"
	}
	return otherwise
}
