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

// widen makes a pipe as wide as an ordinary user may. Through the 64 KiB of a new
// one, parent and worker would have to take turns for every file.
func widen(pipe *os.File) {
	const setPipeSize, size = 1031, 1 << 20 // F_SETPIPE_SZ, and the limit of most systems
	if c, err := pipe.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _, _, _ = syscall.Syscall(syscall.SYS_FCNTL, fd, setPipeSize, size) })
	}
}
