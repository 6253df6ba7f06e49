package scan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// askFrom is the file size from which the worker is asked whether it wants the
// bytes. Asking costs a round trip between two processes, sending costs a copy
// of the file through a pipe; most large files are of no interest to anybody.
const askFrom = 32 << 10

// feed is one image on its way to one worker.
type feed struct {
	scanner *Scanner
	worker  *worker
	target  *gate.Target
	need    evidence.Need
	budget  *layer.Budget
	tree    *layer.Tree
	record  *layer.Recorder // of the layer that is being read
	buf     *bufio.Reader
	frame   []byte

	jars    bool // some layer had one
	notes   []string
	javaErr error
}

// scanWith reads every layer of t and has w analyse it.
func (s *Scanner) scanWith(ctx context.Context, w *worker, t *gate.Target, need evidence.Need) (*evidence.Scan, error) {
	stop := context.AfterFunc(ctx, w.terminate)
	defer stop()
	f := &feed{
		scanner: s, worker: w, target: t, need: need,
		budget: layer.NewBudget(s.opt.Limits), tree: layer.NewTree(s.opt.Limits),
		buf: bufio.NewReaderSize(nil, 64<<10),
	}
	begin := wire.Begin{Name: t.Image.Reference.Asked, Need: need, Now: s.opt.Now()}
	if begin.Documents = s.opt.Documents; len(begin.Documents) > 0 {
		begin.Digest = t.Image.Digest
	}
	if need.Has(evidence.NeedSecrets) || len(begin.Documents) > 0 {
		begin.Config = t.RawConfig
	}
	if err := w.send.JSON(wire.TypeBegin, begin); err != nil {
		return nil, w.died(err)
	}
	for i := range t.Layers {
		if err := f.layer(ctx, i); err != nil {
			return nil, err
		}
	}
	facts := f.tree.Finish()
	report, err := f.report(facts)
	if err != nil {
		return nil, err
	}
	s.keep(t.Image.Digest, report.Documents)
	return f.assemble(facts, report), nil
}

// layer fetches, verifies and lints one layer, and sends it to the worker.
func (f *feed) layer(ctx context.Context, i int) error {
	blob := &f.target.Layers[i]
	spec := layer.Spec{Index: i, Digest: blob.Digest, DiffID: blob.DiffID, MediaType: blob.MediaType, Size: blob.Size}
	if c := f.target.Image.Config; c != nil && i < len(c.Layers) {
		spec.CreatedBy = c.Layers[i].CreatedBy
	}
	body, err := blob.Open(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := f.worker.send.JSON(wire.TypeLayer, wire.Layer{Digest: spec.Digest, DiffID: spec.DiffID, CreatedBy: spec.CreatedBy}); err != nil {
		return f.worker.died(err)
	}
	jarsBefore := f.jars
	f.jars = false
	f.record = layer.NewRecorder(f.scanner.opt.Limits)
	stats, err := layer.Read(ctx, &progress{r: body, report: f.progress(i, blob.Size)}, spec, f.budget,
		func(e *layer.Entry, body io.Reader) error { return f.entry(e, body) })
	if err != nil {
		return f.layerFault(i, err)
	}
	if err := f.tree.Merge(spec, f.record.Finish(stats)); err != nil {
		return f.layerFault(i, err)
	}
	if stats.ChunkedTOC {
		f.notes = append(f.notes, fmt.Sprintf("layer %d has a zstd:chunked table of contents; the archive was judged, and some runtimes unpack by that table instead", i+1))
	}
	end := wire.LayerEnd{JavaDatabase: f.jars && f.wantsJava() && f.javaDatabase(ctx)}
	f.jars = f.jars || jarsBefore
	if err := f.worker.send.JSON(wire.TypeLayerEnd, end); err != nil {
		return f.worker.died(err)
	}
	return nil
}

// layerFault says in which layer and why the reading stopped.
func (f *feed) layerFault(i int, err error) error {
	if w := (*workerError)(nil); errors.As(err, &w) {
		return f.worker.died(w.err)
	}
	var fault *gate.Fault
	if errors.As(err, &fault) {
		return fmt.Errorf("layer %d of %d: %w", i+1, len(f.target.Layers), err)
	}
	return &gate.Fault{Phase: gate.PhaseFetch,
		Err: fmt.Errorf("layer %d of %d (%s): %w", i+1, len(f.target.Layers), f.target.Layers[i].Digest, err)}
}

// workerError marks an error of the conversation with the worker on its way
// through layer.Read.
type workerError struct{ err error }

func (e *workerError) Error() string { return e.err.Error() }

// entry hands one entry to the recorder and to the worker.
func (f *feed) entry(e *layer.Entry, body io.Reader) error {
	switch e.Type {
	case layer.Whiteout:
		return errors.Join(f.record.Visit(e, nil), f.sendEntry(&wire.Entry{Type: wire.EntryWhiteout, Name: e.Name}))
	case layer.Opaque:
		return errors.Join(f.record.Visit(e, nil), f.sendEntry(&wire.Entry{Type: wire.EntryOpaque, Name: e.Name}))
	case layer.File:
		return f.file(e, body)
	default:
		return f.record.Visit(e, nil)
	}
}

// file sends one file to those who want it.
func (f *feed) file(e *layer.Entry, body io.Reader) error {
	f.buf.Reset(body)
	w := &wire.Entry{Name: e.Name, Mode: e.Mode, Size: e.Size, Modified: e.ModTime.Unix(), Ask: e.Size >= askFrom}
	// Trivy looks into a binary only if its mode says that it is executable, but
	// a shell can chmod it and ld.so runs it anyway.
	if e.Mode&0o111 == 0 && startsLikeBinary(f.buf) {
		w.Mode |= 0o111
	}
	f.jars = f.jars || isJar(e.Name)
	if err := f.sendEntry(w); err != nil {
		return err
	}
	wanted := true
	if w.Ask {
		var err error
		if wanted, err = f.ask(); err != nil {
			return err
		}
	}
	if !wanted {
		return f.record.Visit(e, f.buf)
	}
	if limit := f.scanner.opt.Limits.FileSize; e.Size > limit {
		return &layer.LimitError{Name: "file-size", Limit: limit, What: fmt.Sprintf("the size of %q, which has to be analysed,", e.Name)}
	}
	out := &sender{send: f.worker.send}
	tee := io.TeeReader(f.buf, out)
	if f.record.Wants(e) {
		if err := f.record.Visit(e, tee); err != nil {
			return err
		}
	} else if err := f.record.Visit(e, bytes.NewReader(nil)); err != nil {
		return err
	}
	_, err := io.Copy(out, f.buf) // what the recorder left unread
	return err
}

// startsLikeBinary reports whether r begins like an ELF, PE or Mach-O file.
func startsLikeBinary(r *bufio.Reader) bool {
	magic, err := r.Peek(4)
	if err != nil {
		return false
	}
	switch {
	case bytes.HasPrefix(magic, []byte("\x7fELF")), bytes.HasPrefix(magic, []byte("MZ")):
		return true
	case bytes.Equal(magic, []byte("\xcf\xfa\xed\xfe")), bytes.Equal(magic, []byte("\xca\xfe\xba\xbe")):
		return true
	}
	return false
}

func (f *feed) sendEntry(e *wire.Entry) error {
	f.frame = e.Append(f.frame[:0])
	if err := f.worker.send.Frame(wire.TypeEntry, f.frame); err != nil {
		return &workerError{err}
	}
	return nil
}

// ask waits for the worker to say whether it wants the file just announced.
func (f *feed) ask() (bool, error) {
	if err := f.worker.send.Flush(); err != nil {
		return false, &workerError{err}
	}
	t, payload, err := f.worker.out.Next()
	switch {
	case err != nil:
		return false, &workerError{err}
	case t == wire.TypeFailure:
		return false, &workerError{failureOf(payload)}
	case t != wire.TypeWant || len(payload) != 1 || payload[0] > 1:
		return false, &workerError{fmt.Errorf("frame %q instead of an answer", t)}
	}
	return payload[0] == 1, nil
}

// sender writes bytes as Data frames.
type sender struct{ send *wire.Writer }

// Write implements io.Writer.
func (s *sender) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n := min(len(p)-done, wire.MaxFrame)
		if err := s.send.Frame(wire.TypeData, p[done:done+n]); err != nil {
			return done, &workerError{err}
		}
		done += n
	}
	return len(p), nil
}

// report ends the image and reads the worker's findings.
func (f *feed) report(facts *layer.Facts) (*wire.Report, error) {
	w := f.worker
	if err := w.send.JSON(wire.TypeFinish, wire.Finish{Executables: executables(facts)}); err != nil {
		return nil, w.died(err)
	}
	if err := w.send.Flush(); err != nil {
		return nil, w.died(err)
	}
	t, payload, err := w.out.Next()
	switch {
	case err != nil:
		return nil, w.died(err)
	case t == wire.TypeFailure:
		return nil, w.died(failureOf(payload))
	case t != wire.TypeReport:
		return nil, w.died(fmt.Errorf("frame %q instead of a report", t))
	}
	report, err := w.out.Report(payload, maxReport)
	if err != nil {
		return nil, w.died(err)
	}
	return report, nil
}

func (f *feed) progress(i int, total int64) func(int64) {
	return func(n int64) {
		f.scanner.observe(gate.Event{
			Image: f.target.Image.Reference.Asked, Platform: f.target.Image.Platform, Phase: gate.PhaseScan,
			Layer: i + 1, Layers: len(f.target.Layers), Bytes: n, Total: total,
		})
	}
}

// progress counts the bytes of a blob and reports every megabyte of them.
type progress struct {
	r        io.Reader
	report   func(int64)
	n, until int64
}

// Read implements io.Reader.
func (p *progress) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.n += int64(n); p.n >= p.until {
		p.report(p.n)
		p.until = p.n + 1<<20
	}
	return n, err
}
