package process

import (
	"os"
	"runtime"
	"syscall"
)

// isolated puts the worker into a process group of its own, so that a Ctrl-C at
// the terminal reaches only the parent, which then decides.
func isolated() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
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

func start(argv []string, attr *os.ProcAttr) (*os.Process, error) {
	type result struct {
		process *os.Process
		err     error
	}
	results := make(chan result, 1)
	spawner <- func() {
		p, err := os.StartProcess(argv[0], argv, attr)
		results <- result{p, err}
	}
	r := <-results
	return r.process, r.err
}
