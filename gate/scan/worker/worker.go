package worker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/findings"
	"github.com/imagegate/imagegate/gate/scan/process"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/gate/strictjson"
)

const (
	// maxReport bounds what a worker may answer for one image.
	maxReport = 1 << 30
	// maxAnalysis bounds what it may answer for one layer.
	maxAnalysis = 512 << 20
)

// Worker is one child process. It does one thing at a time. After an error it
// can only be ended.
type Worker struct {
	process *process.Process
	out     *wire.Reader
	send    *wire.Writer
	stderr  *transcript
	dir     string
	memory  int64
	known   *findings.Known
	frame   []byte
	failure error // of the first call that failed

	greeted chan struct{} // closed when the answer to Open has been read
	ready   wire.Ready    // this answer, valid after greeted
	unfit   error         // why the worker cannot be used, valid after greeted

	done    chan struct{} // closed when the process has ended and its directory is gone
	exitErr error         // how it ended, valid after done
}

func newWorker(p *process.Process, dir string, memory int64, known *findings.Known) *Worker {
	w := &Worker{process: p, dir: dir, stderr: &transcript{max: 64 << 10}, memory: memory, known: known,
		out: wire.NewReader(p.Out), send: wire.NewWriter(p.In), greeted: make(chan struct{}), done: make(chan struct{})}
	go w.wait()
	return w
}

// wait runs as long as the process does. It begins at once, to notice a worker
// that ends while it has nothing to do.
func (w *Worker) wait() {
	defer close(w.done)
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(w.stderr, w.process.Err)
	}()
	w.exitErr = w.process.Wait()
	select {
	case <-copied:
	case <-time.After(time.Second): // another process holds its standard error
	}
	_ = os.RemoveAll(w.dir)
}

// open tells the worker where the databases are, and does not wait for its
// answer.
func (w *Worker) open(databases string) error {
	go w.greet()
	err := w.send.JSON(wire.TypeOpen, wire.Open{Dir: w.dir, CacheDir: databases, Memory: w.memory, Parallel: runtime.GOMAXPROCS(0)})
	return w.fail(errors.Join(err, w.send.Flush()))
}

// greet reads the worker's answer to Open. A worker that cannot be used is
// killed, so that a caller that is sending it a layer notices at once.
func (w *Worker) greet() {
	defer close(w.greeted)
	if w.unfit = w.readReady(); w.unfit != nil {
		w.terminate()
	}
}

func (w *Worker) readReady() error {
	t, payload, err := w.out.Next()
	switch {
	case err != nil:
		return err
	case t == wire.TypeFailure:
		return failureOf(payload)
	case t != wire.TypeReady:
		return fmt.Errorf("frame %q instead of the answer to Open", t)
	}
	if err := strictjson.Unmarshal(payload, &w.ready); err != nil {
		return fmt.Errorf("the answer to Open: %w", err)
	}
	switch {
	case w.ready.Version != wire.Version:
		return &gate.Fault{Phase: gate.PhaseScan,
			Err: fmt.Errorf("the scan worker speaks version %d of the protocol, not %d", w.ready.Version, wire.Version)}
	case isOutOfMemory(w.ready.Problem):
		return memoryFault(w.memory, addressSpace())
	case w.ready.Problem != "":
		return DatabaseFault(errors.New(w.ready.Problem))
	case !w.ready.SelfTest || w.ready.Advisories == 0:
		return DatabaseFault(errors.New("the scan worker could not test the vulnerability database"))
	}
	return nil
}

// Engine names the scanner, as in "trivy 0.74.0". It is known after the first
// answer.
func (w *Worker) Engine() string { return w.ready.Engine }

// BeginLayer begins a layer: its entries follow.
func (w *Worker) BeginLayer(head wire.Analyse) error {
	return w.fail(w.send.JSON(wire.TypeAnalyse, head))
}

// Entry sends one entry. If it is a file, its bytes follow by Write.
func (w *Worker) Entry(e *wire.Entry) error {
	w.frame = e.Append(w.frame[:0])
	return w.fail(w.send.Frame(wire.TypeEntry, w.frame))
}

// Write sends bytes of the last entry.
func (w *Worker) Write(p []byte) (int, error) {
	if err := w.fail(w.send.Data(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// EndLayer ends a layer and returns its analysis. It is doubtful when an
// analyzer complained of the machine.
func (w *Worker) EndLayer(end wire.LayerEnd) (analysis []byte, doubtful bool, err error) {
	b, err := w.analysis(end)
	if err == nil && (len(b) < 2 || b[0] != wire.AnalysisClean && b[0] != wire.AnalysisDoubtful) {
		err = errors.New("an analysis without its mark")
	}
	if err != nil {
		return nil, false, w.fail(err)
	}
	return b[1:], b[0] == wire.AnalysisDoubtful, nil
}

func (w *Worker) analysis(end wire.LayerEnd) ([]byte, error) {
	if err := w.send.JSON(wire.TypeLayerEnd, end); err != nil {
		return nil, err
	}
	payload, err := w.answer(wire.TypeAnalysed)
	if err != nil {
		return nil, err
	}
	return w.out.Sized(payload, maxAnalysis)
}

// BeginImage begins an image: its layers follow, bottom first.
func (w *Worker) BeginImage(begin wire.Begin) error {
	return w.fail(w.send.Document(wire.TypeBegin, begin))
}

// Layer adds one layer to the image, by its analysis.
func (w *Worker) Layer(head wire.Layer, analysis []byte) error {
	head.Size = int64(len(analysis))
	if err := w.send.JSON(wire.TypeLayer, head); err != nil {
		return w.fail(err)
	}
	return w.fail(w.send.Data(analysis))
}

// Match says that all layers were sent. The worker begins to match what is in
// them with the advisories, and Match does not wait for it.
func (w *Worker) Match() error {
	if err := w.send.Frame(wire.TypeMatch, nil); err != nil {
		return w.fail(err)
	}
	return w.fail(w.send.Flush())
}

// Report ends the image and returns what was found in it. programs are the
// executables that some package should account for.
func (w *Worker) Report(programs []string) (*wire.Report, error) {
	r, err := w.report(programs)
	if err != nil {
		return nil, w.fail(err)
	}
	return r, nil
}

func (w *Worker) report(programs []string) (*wire.Report, error) {
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
	r, err := wire.DecodeReport(b, w.known)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return r, nil
}

// answer returns the worker's next frame, which must be of type want.
func (w *Worker) answer(want wire.Type) ([]byte, error) {
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

// alive reports whether the process still runs.
func (w *Worker) alive() bool {
	select {
	case <-w.done:
		return false
	default:
		return true
	}
}

// terminate kills the process group without waiting. Reads and writes on its
// pipes then fail. A process that has ended is left alone: its number may be
// another's by now.
func (w *Worker) terminate() {
	if w.alive() {
		w.process.Kill()
	}
}

// kill ends the process, waits for it and closes its pipes.
func (w *Worker) kill() {
	w.terminate()
	<-w.done
	w.process.Close()
}
