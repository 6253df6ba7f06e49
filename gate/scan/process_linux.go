package scan

import (
	"os/exec"
	"runtime"
	"syscall"
)

// isolate puts the worker into a process group of its own, so that a Ctrl-C at
// the terminal reaches only the parent, which then decides.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// spawner starts every worker from one thread that never ends: Linux sends the
// parent-death signal when the *thread* that forked ends, and Go ends threads
// (golang.org/issue/27505).
var spawner = func() chan<- func() {
	requests := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range requests {
			f()
		}
	}()
	return requests
}()

func startProcess(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	spawner <- func() { result <- cmd.Start() }
	return <-result
}
