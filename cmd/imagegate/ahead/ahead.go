// Package ahead starts the first scan worker before the program has started
// itself.
//
// Program and worker are the same binary, and both initialise Trivy's thousand
// packages before main begins. One after the other, that is half of the time of a
// run whose layers are all known. This package imports so little that it is
// initialised among the first, so both initialise at the same time.
package ahead

import (
	"os"
	"sync/atomic"

	"github.com/imagegate/imagegate/gate/scan/process"
)

// command is the one that scans.
const command = "check"

// started holds the worker until it is taken. A worker that is never taken ends
// with the end of its standard input.
var started = func() *atomic.Pointer[process.Process] {
	p := new(atomic.Pointer[process.Process])
	if len(os.Args) > 2 && os.Args[1] == command {
		p.Store(start())
	}
	return p
}()

// start returns nil if it fails: the scanner then starts a worker itself and
// reports what is wrong.
func start() *process.Process {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	p, err := process.Start([]string{self, process.Command})
	if err != nil {
		return nil
	}
	return p
}

// Take returns the worker that was started, nil if there is none. It belongs to
// the caller, which has to wait for its end.
func Take() *process.Process { return started.Swap(nil) }

// Discard ends the worker of a run that needs none.
func Discard() {
	if p := Take(); p != nil {
		p.Kill()
		_ = p.Wait()
		p.Close()
	}
}
