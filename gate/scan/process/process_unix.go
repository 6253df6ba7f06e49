//go:build unix

package process

import (
	"os"
	"syscall"
)

// standIn is where a worker stands before it has a directory of its own.
const standIn = "/"

// kill kills the worker and whatever it may have started.
func kill(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
