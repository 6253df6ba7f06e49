//go:build unix && !linux

package scan

import (
	"os/exec"
	"syscall"
)

// isolate puts the worker into a process group of its own. Without a
// parent-death signal, a worker whose parent is killed ends at the end of its
// standard input.
func isolate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
