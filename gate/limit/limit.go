// Package limit reads the limits that a user may change by name: --limit
// layers=200.
package limit

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy/words"
)

// Field is one limit and its name. Exactly one of the pointers is set.
type Field struct {
	Name     string
	Count    *int64
	Bytes    *int64
	Duration *time.Duration
}

// Table is the limits of one part of the program.
type Table []Field

// Names lists the names that [Table.Set] knows.
func (t Table) Names() []string {
	names := make([]string, len(t))
	for i, f := range t {
		names[i] = f.Name
	}
	return names
}

// Set changes the limit called name: a size may have a unit (512MiB), a length
// of time must have one (90s).
func (t Table) Set(name, value string) error {
	for _, f := range t {
		if f.Name != name {
			continue
		}
		if err := f.set(value); err != nil {
			return fmt.Errorf("limit %s: %w", name, err)
		}
		return nil
	}
	return fmt.Errorf("unknown limit %s (use %s)", words.Quote(name), strings.Join(t.Names(), ", "))
}

func (f Field) set(value string) error {
	switch {
	case f.Duration != nil:
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return fmt.Errorf("%s is not a time above zero (write for example 90s or 5m)", words.Quote(value))
		}
		*f.Duration = d
	case f.Bytes != nil:
		n, err := words.ParseSize(value)
		if err != nil {
			return err
		}
		*f.Bytes = n
	default:
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil || n == 0 {
			return fmt.Errorf("%s is not a number above zero", words.Quote(value))
		}
		*f.Count = int64(n)
	}
	return nil
}

// Fill replaces every limit that is not above zero by the one of the same place
// in defaults.
func (t Table) Fill(defaults Table) {
	for i, f := range t {
		switch from := defaults[i]; {
		case f.Count != nil && *f.Count <= 0:
			*f.Count = *from.Count
		case f.Bytes != nil && *f.Bytes <= 0:
			*f.Bytes = *from.Bytes
		case f.Duration != nil && *f.Duration <= 0:
			*f.Duration = *from.Duration
		}
	}
}

// Text returns n as the limit called name is written: a size with its unit.
func (t Table) Text(name string, n int64) string {
	for _, f := range t {
		if f.Name == name && f.Bytes != nil {
			return words.ExactSize(n)
		}
	}
	return strconv.FormatInt(n, 10)
}
