//go:build unix

package scan

import (
	"os/exec"
	"syscall"
)

// killGroup kills the worker and whatever it may have started.
func killGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
}
