package scan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/scan/process"
	"github.com/imagegate/imagegate/gate/scan/wire"
)

const (
	// maxReport bounds what a worker may answer for one image.
	maxReport = 1 << 30
	// maxAnalysis bounds what it may answer for one layer.
	maxAnalysis = 512 << 20
)

// worker is one child process. It does one thing at a time.
type worker struct {
	process *process.Process
	out     *wire.Reader
	send    *wire.Writer
	stderr  *transcript
	dir     string
	memory  int64

	greeted chan struct{} // closed when its first words have been heard
	ready   wire.Ready    // these words, valid after greeted
	unfit   error         // why it cannot be used, valid after greeted

	done chan struct{} // closed when the process has ended and its directory is gone
	err  error         // of Wait, valid after done
}

// spawn takes the process that was started ahead, or starts one, and gives it a
// directory of its own.
func (s *Scanner) spawn() (*worker, error) {
	dir, err := os.MkdirTemp(s.opt.TempDir, "worker-")
	if err != nil {
		return nil, err
	}
	p := s.ahead
	if s.ahead = nil; p == nil {
		if p, err = process.Start(s.opt.Command); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	w := &worker{process: p, dir: dir, stderr: &transcript{max: 64 << 10}, memory: s.opt.Memory,
		out: wire.NewReader(p.Out), send: wire.NewWriter(p.In), greeted: make(chan struct{}), done: make(chan struct{})}
	go w.wait()
	return w, nil
}

// wait runs as long as the process does. It begins at once, to notice a worker
// that dies while it has nothing to do.
func (w *worker) wait() {
	defer close(w.done)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		_, _ = io.Copy(w.stderr, w.process.Err)
	}()
	w.err = w.process.Wait()
	select {
	case <-heard:
	case <-time.After(time.Second): // something else holds its standard error
	}
	_ = os.RemoveAll(w.dir)
}

// open tells the worker where the database is, and goes on without waiting.
func (w *worker) open(cacheDir string) error {
	go w.greet()
	if err := w.send.JSON(wire.TypeOpen, wire.Open{Dir: w.dir, CacheDir: cacheDir, Memory: w.memory, Parallel: runtime.GOMAXPROCS(0)}); err != nil {
		return err
	}
	return w.send.Flush()
}

// greet hears the worker's first words. One that cannot be used is killed, so
// that whoever is sending it a layer notices at once.
func (w *worker) greet() {
	defer close(w.greeted)
	if w.unfit = w.hear(); w.unfit != nil {
		w.terminate()
	}
}

func (w *worker) hear() error {
	t, payload, err := w.out.Next()
	switch {
	case err != nil:
		return err
	case t == wire.TypeFailure:
		return failureOf(payload)
	case t != wire.TypeReady:
		return fmt.Errorf("frame %q instead of its first words", t)
	}
	if err := wire.Decode(payload, &w.ready); err != nil {
		return fmt.Errorf("its first words: %w", err)
	}
	switch {
	case w.ready.Version != wire.Version:
		return &gate.Fault{Phase: gate.PhaseScan,
			Err: fmt.Errorf("the scan worker speaks version %d of the protocol, not %d", w.ready.Version, wire.Version)}
	case w.ready.Problem != "":
		return databaseFault(errors.New(w.ready.Problem))
	case !w.ready.SelfTest || w.ready.Advisories == 0:
		return databaseFault(errors.New("the scan worker could not test the vulnerability database"))
	}
	return nil
}

// answer returns the worker's next frame, which must be of type want.
func (w *worker) answer(want wire.Type) ([]byte, error) {
	if err := w.send.Flush(); err != nil {
		return nil, err
	}
	if <-w.greeted; w.unfit != nil {
		return nil, w.unfit
	}
	t, payload, err := w.out.Next()
	switch {
	case err != nil:
		return nil, err
	case t == wire.TypeFailure:
		return nil, failureOf(payload)
	case t != want:
		return nil, fmt.Errorf("frame %q instead of %q", t, want)
	}
	return payload, nil
}

// endLayer ends a layer and returns its analysis, and whether an analyzer
// complained of the machine.
func (w *worker) endLayer(end wire.LayerEnd) (analysis []byte, doubtful bool, err error) {
	b, err := w.analysis(end)
	if err == nil && (len(b) < 2 || b[0] != wire.AnalysisClean && b[0] != wire.AnalysisDoubtful) {
		err = errors.New("an analysis without its mark")
	}
	if err != nil {
		return nil, false, w.died(err)
	}
	return b[1:], b[0] == wire.AnalysisDoubtful, nil
}

func (w *worker) analysis(end wire.LayerEnd) ([]byte, error) {
	if err := w.send.JSON(wire.TypeLayerEnd, end); err != nil {
		return nil, err
	}
	payload, err := w.answer(wire.TypeAnalysed)
	if err != nil {
		return nil, err
	}
	return w.out.Sized(payload, maxAnalysis)
}

// report ends an image, whose programs somebody should account for, and reads
// what the worker found in it.
func (w *worker) report(programs []string) (*wire.Report, error) {
	if err := w.send.Document(wire.TypeFinish, wire.Finish{Executables: programs}); err != nil {
		return nil, err
	}
	payload, err := w.answer(wire.TypeReport)
	if err != nil {
		return nil, err
	}
	b, err := w.out.Sized(payload, maxReport)
	if err != nil {
		return nil, err
	}
	r := new(wire.Report)
	if err := gate.Decode(b, r); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return r, nil
}

// lastWords is how long a worker whose pipe broke has to say why.
const lastWords = 2 * time.Second

// died returns the best explanation of a conversation that broke off with err:
// the worker's own last words, else how its process ended. It kills the worker.
func (w *worker) died(err error) error {
	if brokenPipe(err) {
		// A worker that gives up says why and exits, so its output ends and so does
		// the process: it gets the time to do both before it is killed.
		timer := time.AfterFunc(lastWords, w.terminate)
		if <-w.greeted; w.unfit != nil {
			err = w.unfit
		} else if t, payload, nerr := w.out.Next(); nerr == nil && t == wire.TypeFailure {
			err = failureOf(payload)
		}
		<-w.done
		timer.Stop()
	}
	w.kill()
	var failure *workerFailure
	var fault *gate.Fault
	switch {
	case errors.As(err, &failure):
		return &gate.Fault{Phase: gate.PhaseScan, Err: failure}
	case errors.As(err, &fault):
		return err
	case brokenPipe(err):
		return w.obituary(err)
	}
	return &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("the scan worker answered with nonsense: %w", err)}
}

// brokenPipe reports whether err means that the other end has gone, and not
// that it said something wrong.
func brokenPipe(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed)
}

// workerFailure is what a worker said before it gave up.
type workerFailure struct{ message string }

func (f *workerFailure) Error() string { return "the scanner failed: " + f.message }

func failureOf(payload []byte) error {
	var f wire.Failure
	if err := wire.Decode(payload, &f); err != nil {
		return &workerFailure{"and its reason cannot be read"}
	}
	return &workerFailure{f.Message}
}

// obituary says how the process ended.
func (w *worker) obituary(err error) error {
	text := w.stderr.String()
	switch {
	case strings.Contains(text, "out of memory") || strings.Contains(text, "cannot allocate memory"):
		return &gate.Fault{Phase: gate.PhaseScan,
			Err:  fmt.Errorf("the scanner needed more than %d MiB of memory", w.memory>>20),
			Hint: "raise it with --memory"}
	case crash(text) != "" && w.unfit != nil:
		return databaseFault(fmt.Errorf("the advisory database is damaged: the scan worker crashed when it opened it (%s)", crash(text)))
	case crash(text) != "":
		return &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("the scanner crashed on this image: %s", crash(text)),
			Hint: "something in the image is malformed, on purpose or not; it cannot be judged"}
	case w.err != nil:
		return &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("the scanner died: %w", w.err)}
	}
	return &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("the scanner stopped answering: %w", err)}
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

// alive reports whether the process still runs.
func (w *worker) alive() bool {
	select {
	case <-w.done:
		return false
	default:
		return true
	}
}

// terminate kills the process group without waiting. Reads and writes on its
// pipes then fail. When the process has ended its number may be another's.
func (w *worker) terminate() {
	if w.alive() {
		w.process.Kill()
	}
}

// kill ends the process, waits for it and closes its pipes.
func (w *worker) kill() {
	w.terminate()
	<-w.done
	w.process.Close()
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
