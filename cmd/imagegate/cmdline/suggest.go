package cmdline

import "github.com/imagegate/imagegate/policy/words"

// Suggest asks whether the one of names that is nearest to what was written was
// meant. It returns otherwise when none is near.
func Suggest(written string, names []string, otherwise string) string {
	if near := words.Nearest(written, names); near != "" {
		return "did you mean " + near + "?"
	}
	return otherwise
}
