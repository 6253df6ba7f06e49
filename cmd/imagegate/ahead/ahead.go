// Package ahead does what cannot wait until the program has started: it listens
// to the signals that end a run, and starts the first scan worker.
//
// Program and worker are the same binary, and both initialise Trivy's thousand
// packages before main begins. One after the other, that is half of the time of a
// run whose layers are all known. This package imports so little that it is
// initialised among the first, so both initialise at the same time.
package ahead

import (
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/imagegate/imagegate/gate/scan/process"
)

// A timer is the first thing that needs the network poller of Go's runtime, which takes
// two descriptors. Where none are left, the runtime ends the process and prints where
// each goroutine is. In the middle of Trivy's packages, printing did not end in 1 of 80
// runs with 4 descriptors. Here it is short.
var _ = time.AfterFunc(time.Hour, func() {}).Stop()

// signals receives what ends a run. Trivy's packages take tens of milliseconds to
// initialise, and a signal that came meanwhile would end the process with the code
// of the signal instead of 2.
var signals = func() chan os.Signal {
	c := make(chan os.Signal, 4)
	if len(os.Args) < 2 || os.Args[1] != process.Command {
		signal.Notify(c, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	}
	return c
}()

// Signals returns the channel of the signals that end a run, which a worker does
// not listen to. No signal is given back to its default: one that came between the
// verdict and the end of the process would contradict the reports.
func Signals() <-chan os.Signal { return signals }

// command is the one that scans.
const command = "check"

// documents are the flags that name documents. Policies about manifests alone need no
// scan, and which they are is known only when the policy was read: see [Start].
var documents = []string{"manifests", "compose", "dockerfile"}

// namesDocuments reports whether arguments name a document.
func namesDocuments(args []string) bool {
	for _, arg := range args {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if strings.HasPrefix(arg, "-") && slices.Contains(documents, name) {
			return true
		}
	}
	return false
}

// started holds the worker until it is taken. A worker that is never taken ends
// with the end of its standard input.
var started = func() *atomic.Pointer[process.Process] {
	p := new(atomic.Pointer[process.Process])
	if len(os.Args) > 2 && os.Args[1] == command && !namesDocuments(os.Args[2:]) {
		p.Store(start())
	}
	return p
}()

// Start starts the worker of a run that turned out to need one, unless it was started
// already. The worker initialises itself while the images are resolved.
func Start() {
	if started.Load() == nil {
		started.Store(start())
	}
}

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
