package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/words"
)

// console is where the program reads and writes: results go to standard output,
// everything for people who watch goes to standard error.
type console struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// print writes to standard output. A reader that went away is an error.
func (c *console) print(format string, args ...any) error {
	if _, err := fmt.Fprintf(c.stdout, format, args...); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

func (c *console) printJSON(v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return c.print("%s\n", data)
}

// complain prints an error and its hint, unless a report has told them.
func (c *console) complain(err error) {
	var outcome *outcomeError
	var told *toldError
	if err == nil || errors.As(err, &outcome) || errors.As(err, &told) {
		return
	}
	if diagnostics, ok := errors.AsType[*policy.Error](err); ok {
		c.complainOfPolicy(diagnostics)
	} else {
		fmt.Fprintf(c.stderr, "imagegate: %s\n", terminal(err.Error()))
	}
	hint := gate.HintOf(err)
	if usage, ok := errors.AsType[*cmdline.Error](err); ok && usage.Hint != "" {
		hint = usage.Hint
	}
	if hint != "" {
		fmt.Fprintf(c.stderr, "imagegate: hint: %s\n", terminal(hint))
	}
}

// complainOfPolicy prints each mistake on a line that begins with file:line:col,
// where editors look for the place.
func (c *console) complainOfPolicy(err *policy.Error) {
	fmt.Fprintf(c.stderr, "imagegate: the file cannot be used: %s\n", words.Plural(len(err.Diagnostics), "mistake"))
	for _, line := range safe.Lines(strings.TrimRight(err.Error(), "\n")) {
		fmt.Fprintln(c.stderr, line)
	}
}

// terminal encodes text of other people for a terminal.
func terminal(s string) string { return safe.Terminal(s) }
