package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/gate/scan/wire"
)

// reading is one layer on its way to one worker.
type reading struct {
	worker   *worker
	limits   layer.Limits
	recorder *layer.Recorder
	wants    func(name string, mode fs.FileMode, size int64) bool
	jars     bool // there was one
	body     headed
	frame    []byte
	buf      []byte
}

// read fetches, verifies and lints the i-th layer and has a worker analyse it.
func (im *image) read(ctx context.Context, i int) (*known, error) {
	s, b := im.scanner, &im.target.Layers[i]
	wants, err := s.opt.Analyzers.Wants(im.need)
	if err != nil {
		return nil, err
	}
	var k *known
	err = s.withWorker(ctx, b.Size, func(w *worker) error {
		r := &reading{worker: w, limits: s.opt.Limits, recorder: layer.NewRecorder(s.opt.Limits), wants: wants, buf: make([]byte, 128<<10)}
		if err := w.send.JSON(wire.TypeAnalyse, wire.Analyse{Need: im.need, DiffID: b.DiffID}); err != nil {
			return w.died(err)
		}
		stats, err := im.stream(ctx, i, r.entry)
		if err != nil {
			return err
		}
		k = &known{knownHead: knownHead{DiffID: b.DiffID, Blobs: []blobID{formOf(b, stats)}, Jars: r.jars}}
		if r.jars && im.wantsJava() {
			if db, err := s.javaDatabase(ctx); err == nil {
				k.JavaDatabase = db.FileSHA256
			}
		}
		k.contents = r.recorder.Finish(stats)
		if k.analysis, k.doubtful, err = w.endLayer(wire.LayerEnd{JavaDatabase: k.JavaDatabase != ""}); err != nil || k.JavaDatabase == "" {
			return err
		}
		// It is kept under the hash of the database, so it must be of that one.
		if err := s.opt.Databases.Verify(ctx, database.Java, s.cacheDir); err != nil {
			return databaseFault(err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// verify reads the i-th layer only to see that it is the archive that its
// diffID names.
func (im *image) verify(ctx context.Context, i int) (blobID, error) {
	b := &im.target.Layers[i]
	if err := im.scanner.slots.acquire(ctx, b.Size); err != nil {
		return blobID{}, err
	}
	defer im.scanner.slots.release()
	stats, err := im.stream(ctx, i, func(*layer.Entry, io.Reader) error { return nil })
	return formOf(b, stats), err
}

func formOf(b *gate.Blob, stats layer.Stats) blobID {
	return blobID{Digest: b.Digest, MediaType: b.MediaType, Size: b.Size, ChunkedTOC: stats.ChunkedTOC}
}

// stream reads the i-th layer to its last byte, on this image's account. Its
// errors do not name the layer: others may wait for it, and call it by another
// number.
func (im *image) stream(ctx context.Context, i int, visit func(*layer.Entry, io.Reader) error) (layer.Stats, error) {
	b := &im.target.Layers[i]
	body, err := b.Open(ctx)
	if err != nil {
		return layer.Stats{}, err
	}
	defer body.Close()
	im.charged[i] = true
	stats, err := layer.Read(ctx, &progress{r: body, report: im.progress(i)}, im.spec(i), im.budget, visit)
	if w := (*workerError)(nil); errors.As(err, &w) {
		return layer.Stats{}, w.worker.died(w.err)
	}
	return stats, err
}

// layerFault says in which layer and why the reading stopped.
func (im *image) layerFault(i int, err error) error {
	n := len(im.target.Layers)
	var fault *gate.Fault
	switch {
	case errors.As(err, &fault) && fault.Phase == gate.PhaseDatabase:
		return err // no layer's
	case fault != nil:
		return fmt.Errorf("layer %d of %d: %w", i+1, n, err)
	}
	return &gate.Fault{Phase: gate.PhaseFetch,
		Err: fmt.Errorf("layer %d of %d (%s): %w", i+1, n, im.target.Layers[i].Digest, err)}
}

// workerError marks an error of the conversation with the worker on its way
// through layer.Read.
type workerError struct {
	worker *worker
	err    error
}

func (e *workerError) Error() string { return e.err.Error() }

// entry hands one entry to the recorder and, if an analyzer asks for it, to the
// worker.
func (r *reading) entry(e *layer.Entry, body io.Reader) error {
	switch e.Type {
	case layer.Whiteout:
		return errors.Join(r.recorder.Visit(e, nil), r.sendEntry(&wire.Entry{Type: wire.EntryWhiteout, Name: spelled(e.Name)}))
	case layer.Opaque:
		if e.Name == "" {
			// Trivy would hide nothing of the layers below, so the worker need not
			// know; the recorder does.
			return r.recorder.Visit(e, nil)
		}
		return errors.Join(r.recorder.Visit(e, nil), r.sendEntry(&wire.Entry{Type: wire.EntryOpaque, Name: spelled(e.Name)}))
	case layer.File:
		return r.file(e, body)
	default:
		return r.recorder.Visit(e, nil)
	}
}

// file hands one file to those who want it.
func (r *reading) file(e *layer.Entry, body io.Reader) error {
	if err := r.body.reset(body); err != nil {
		return err
	}
	w := &wire.Entry{Name: spelled(e.Name), Mode: e.Mode, Size: e.Size, Modified: e.ModTime.Unix()}
	// Trivy looks into a binary only if its mode says that it is executable, but
	// a shell can chmod it and ld.so runs it anyway.
	if e.Mode&0o111 == 0 && isBinary(r.body.head) {
		w.Mode |= 0o111
	}
	r.jars = r.jars || isJar(e.Name)
	if !r.wants(w.Name, w.Mode, w.Size) {
		return r.recorder.Visit(e, &r.body)
	}
	if limit := r.limits.FileSize; e.Size > limit {
		return &layer.LimitError{Name: "file-size", Limit: limit, What: fmt.Sprintf("the size of %q, which has to be analysed,", e.Name)}
	}
	if err := r.sendEntry(w); err != nil {
		return err
	}
	out := &sender{r.worker}
	if err := r.recorder.Visit(e, io.TeeReader(&r.body, out)); err != nil {
		return err
	}
	_, err := io.CopyBuffer(onlyWriter{out}, onlyReader{&r.body}, r.buf) // what the recorder left unread
	return err
}

// onlyReader and onlyWriter hide what io.CopyBuffer would use instead of the
// buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// headed is a file of which the first bytes have been looked at.
type headed struct {
	head  []byte
	rest  io.Reader
	taken int
	array [8]byte
}

// reset looks at the first bytes of body.
func (h *headed) reset(body io.Reader) error {
	n, err := io.ReadFull(body, h.array[:])
	h.head, h.rest, h.taken = h.array[:n], body, 0
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && n < len(h.array) {
		return nil // whether a short file is cut off is found out by who reads it
	}
	return err
}

// Read implements io.Reader.
func (h *headed) Read(p []byte) (int, error) {
	if h.taken < len(h.head) {
		n := copy(p, h.head[h.taken:])
		h.taken += n
		return n, nil
	}
	return h.rest.Read(p)
}

// isBinary reports whether a file begins like an ELF, PE or Mach-O file.
func isBinary(head []byte) bool {
	for _, magic := range []string{"\x7fELF", "MZ", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe"} {
		if len(head) >= 4 && strings.HasPrefix(string(head), magic) {
			return true
		}
	}
	return false
}

// isJar reports whether only Trivy's Java analyzer can read a file; the
// endings are those of trivy pkg/fanal/analyzer/language/java/jar.
func isJar(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".jar", ".war", ".ear", ".par":
		return true
	}
	return false
}

func (r *reading) sendEntry(e *wire.Entry) error {
	r.frame = e.Append(r.frame[:0])
	if err := r.worker.send.Frame(wire.TypeEntry, r.frame); err != nil {
		return &workerError{r.worker, err}
	}
	return nil
}

// sender writes bytes as Data frames.
type sender struct{ worker *worker }

// Write implements io.Writer.
func (s *sender) Write(p []byte) (int, error) {
	if err := s.worker.send.Data(p); err != nil {
		return 0, &workerError{s.worker, err}
	}
	return len(p), nil
}

func (im *image) progress(i int) func(int64) {
	e := gate.Event{
		Image: im.target.Image.Reference.Asked, Platform: im.target.Image.Platform, Phase: gate.PhaseFetch,
		Layer: im.target.Layers[i].Digest, Layers: len(im.target.Layers), Total: im.target.Layers[i].Size,
	}
	return func(n int64) {
		e := e
		e.Bytes = n
		im.scanner.observe(e)
	}
}

// progress counts the bytes of a blob and reports every megabyte of them, and
// the last.
type progress struct {
	r        io.Reader
	report   func(int64)
	n, until int64
}

// Read implements io.Reader.
func (p *progress) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.n += int64(n); p.n >= p.until || err != nil {
		p.report(p.n)
		p.until = p.n + 1<<20
	}
	return n, err
}
