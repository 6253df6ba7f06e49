//go:build unix

package process

import (
	"os"
	"syscall"
)

// firstDir is the directory of a worker before it has one of its own.
const firstDir = "/"

// kill kills the worker and every process that it has started.
func kill(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
