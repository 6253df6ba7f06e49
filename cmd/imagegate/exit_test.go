package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"syscall"
	"testing"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
)

func TestExitCode(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"nothing went wrong", nil, 0},
		{"denied", &outcomeError{policy.Denied}, 1},
		{"denied, wrapped", fmt.Errorf("check: %w", &outcomeError{policy.Denied}), 1},
		{"no verdict", &outcomeError{policy.Undecided}, 2},
		{"an outcome that is no error is still no pass", &outcomeError{policy.Passed}, 2},
		{"an unknown outcome", &outcomeError{17}, 2},
		{"any error", errors.New("disk full"), 2},
		{"a fault", &gate.Fault{Err: errors.New("registry is down")}, 2},
		{"cancelled", context.Canceled, 2},
		{"told already", &toldError{errors.New("report")}, 2},
		{"an error of another program", &exec.ExitError{}, 2},
		{"a file that is not there", fileError("read", fs.ErrNotExist), 3},
		{"a machine that is out of descriptors", fileError("read", &fs.PathError{Op: "open", Path: "p", Err: syscall.EMFILE}), 2},
		{"usage", usagef("unknown flag"), 3},
		{"usage, told already", &toldError{usagef("unknown flag")}, 3},
		{"a policy with mistakes", &cmdline.Error{Err: &policy.Error{}}, 3},
	}
	for _, tt := range tests {
		if got := exitCode(tt.err); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
	}
}
