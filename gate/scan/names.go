package scan

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// spelled returns a path in the form in which the worker is told of it, and
// speaks of it: the same for almost all, and valid UTF-8 for those that are not.
//
// An analysis is JSON, which turns every byte that is no UTF-8 into the same
// U+FFFD. Trivy's applier would then take two paths for one, and a whiteout of
// a path that does not exist would delete what was found at the other. So each
// such byte is written as U+FFFD and its two digits, and U+FFFD itself with "="
// behind it: different paths stay different, and slashes stay where they are.
func spelled(name string) string {
	if utf8.ValidString(name) && !strings.ContainsRune(name, utf8.RuneError) {
		return name
	}
	var b strings.Builder
	for i, r := range name {
		switch {
		case r != utf8.RuneError:
			b.WriteRune(r)
		case strings.HasPrefix(name[i:], string(utf8.RuneError)):
			b.WriteString(string(utf8.RuneError) + "=")
		default:
			fmt.Fprintf(&b, "%c%02x", utf8.RuneError, name[i])
		}
	}
	return b.String()
}
