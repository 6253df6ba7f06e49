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
