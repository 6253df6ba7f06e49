package worker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/gate/strictjson"
)

// DatabaseFault marks err as a failure to get a usable advisory database, unless
// it already says where it comes from.
func DatabaseFault(err error) error {
	if _, ok := errors.AsType[*gate.Fault](err); ok {
		return err
	}
	return &gate.Fault{Phase: gate.PhaseDatabase, Err: err,
		Hint: "run `imagegate db update`, or delete the database directory that `imagegate db status` names"}
}

// Failure returns the error of the first call that failed, nil if none did. It
// is the cause of what went wrong after it.
func (w *Worker) Failure() error { return w.failure }

// fail keeps the explanation of the first error and returns it.
func (w *Worker) fail(err error) error {
	if err != nil && w.failure == nil {
		w.failure = w.explain(err)
	}
	return w.failure
}

// lastMessage is how long a worker whose pipe broke has to say why.
const lastMessage = 2 * time.Second

// explain returns the best explanation of a conversation that broke off with
// err: the worker's own last message or, if there is none, how its process ended.
// It kills the worker.
func (w *Worker) explain(err error) error {
	if brokenPipe(err) {
		// A worker that gives up says why and exits, so its output ends and so does
		// the process: it gets the time to do both before it is killed.
		timer := time.AfterFunc(lastMessage, w.terminate)
		if <-w.greeted; w.unfit != nil {
			err = w.unfit
		} else if t, payload, nextErr := w.out.Next(); nextErr == nil && t == wire.TypeFailure {
			err = failureOf(payload)
		}
		<-w.done
		timer.Stop()
	}
	w.kill()
	var failure *failure
	var fault *gate.Fault
	switch {
	case errors.As(err, &failure):
		return &gate.Fault{Phase: gate.PhaseScan, Err: failure}
	case errors.As(err, &fault):
		return err
	case brokenPipe(err):
		return w.exitFault(err)
	}
	return &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("the answer of the scan worker cannot be read: %w", err)}
}

// brokenPipe reports whether err means that the other end has gone, and not
// that it said something wrong.
func brokenPipe(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed)
}

// failure is what a worker said before it gave up.
type failure struct{ message string }

func (f *failure) Error() string { return "the scanner failed: " + f.message }

func failureOf(payload []byte) error {
	var f wire.Failure
	if err := strictjson.Unmarshal(payload, &f); err != nil {
		return &failure{"and its reason cannot be read"}
	}
	return &failure{f.Message}
}

// exitFault says how the process ended.
func (w *Worker) exitFault(err error) error {
	text := w.stderr.String()
	switch {
	case isOutOfMemory(text):
		return memoryFault(w.memory, addressSpace())
	case crash(text) != "" && w.unfit != nil:
		return DatabaseFault(fmt.Errorf("the advisory database is damaged: the scan worker crashed when it opened it (%s)", crash(text)))
	case crash(text) != "":
		return &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("the scanner crashed on this image: %s", crash(text)),
			Hint: "something in the image is malformed, on purpose or not; it cannot be judged"}
	case w.exitErr != nil:
		return &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("the scanner ended: %w", w.exitErr)}
	}
	return &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("the scanner stopped answering: %w", err)}
}

// isOutOfMemory reports whether a message of a worker says that it got no more
// memory.
func isOutOfMemory(text string) bool {
	return strings.Contains(text, "out of memory") || strings.Contains(text, "cannot allocate memory")
}

// memoryFault says which limit kept a worker from more memory: its own, or that of
// the address space, which this process has inherited (ulimit -v) and which counts
// what Go reserves and never uses. A limit of 0 is none.
func memoryFault(memory, addressSpace int64) error {
	if addressSpace > 0 && (memory == 0 || addressSpace < 2*memory) {
		return &gate.Fault{Phase: gate.PhaseScan,
			Err:  fmt.Errorf("the scanner got no more memory: the address space of a process is limited to %d MiB (ulimit -v)", addressSpace>>20),
			Hint: "raise this limit, or remove it with `ulimit -v unlimited`; --memory bounds the memory that is used"}
	}
	return &gate.Fault{Phase: gate.PhaseScan,
		Err:  fmt.Errorf("the scanner needed more than %d MiB of memory", memory>>20),
		Hint: "raise it with --memory"}
}

// crash returns the first line of a Go crash report, "" when there is none.
func crash(text string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") ||
			strings.HasPrefix(line, "unexpected fault address") || strings.HasPrefix(line, "runtime: goroutine stack exceeds") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// transcript keeps the first bytes that are written to it: a crash report
// starts with its reason.
type transcript struct {
	mu   sync.Mutex
	max  int
	text bytes.Buffer
}

// Write implements io.Writer. What does not fit is dropped.
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := t.max - t.text.Len(); room > 0 {
		t.text.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}
