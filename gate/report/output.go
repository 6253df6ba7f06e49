package report

import (
	"fmt"
	"strings"
)

// Output is where one report goes.
type Output struct {
	Format *Format
	Path   string // "" is standard output
}

// ParseOutput parses the argument of --output: FORMAT, FORMAT=FILE or
// FORMAT=- for standard output.
func ParseOutput(s string) (Output, error) {
	name, path, hasPath := strings.Cut(s, "=")
	f, err := Lookup(name)
	if err != nil {
		return Output{}, err
	}
	switch {
	case hasPath && path == "":
		return Output{}, fmt.Errorf("output %q names no file (write %s=%s, or %s alone for standard output)",
			s, name, "report"+f.Extension, name)
	case path == "-":
		path = ""
	}
	return Output{Format: f, Path: path}, nil
}

// nearest returns the one of names that s was probably meant to be, or "".
func nearest(s string, names []string) string {
	best, bestDistance := "", 3
	for _, name := range names {
		if s != "" && strings.HasPrefix(name, strings.ToLower(s)) {
			return name
		}
		if d := distance(strings.ToLower(s), name); d < bestDistance && d < len(name)-1 {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short strings.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
