package image

import (
	"strconv"
	"strings"
)

// maxPrinted bounds a foreign text in a message.
const maxPrinted = 300

// Printable is a foreign text in which only printable ASCII is left as it is.
func Printable(s string) string {
	if len(s) > maxPrinted {
		s = s[:maxPrinted] + "..."
	}
	q := strconv.QuoteToASCII(s)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(q[1 : len(q)-1])
}
