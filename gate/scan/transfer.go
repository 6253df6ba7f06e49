package scan

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/manifest"
	"github.com/imagegate/imagegate/gate/scan/secretpath"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/gate/scan/worker"
	"github.com/imagegate/imagegate/policy/evidence"
)

// transfer hands the entries of one layer to the recorder and, if an analyzer
// asks for them, to a worker.
type transfer struct {
	worker   *worker.Worker
	limits   layer.Limits
	recorder *layer.Recorder
	wants    func(name string, mode fs.FileMode, size int64) bool
	links    hardLinks
	sent     map[string]bool // names of files that the worker has
	jars     bool            // there was one
	counts   bool            // whether secrets are looked for in the files of the application only
	leftOut  int             // the files then in which they are not
	body     peeked
	buf      []byte
}

// newTransfer returns a transfer that meets a need.
func newTransfer(w *worker.Worker, limits layer.Limits, analyzers Analyzers, need evidence.Need) (*transfer, error) {
	wants, err := analyzers.Wants(need)
	if err != nil {
		return nil, err
	}
	t := &transfer{worker: w, limits: limits, recorder: layer.NewRecorder(limits), wants: wants, links: hardLinks{wants: wants},
		counts: !need.Has(evidence.NeedSecretsAnywhere), sent: map[string]bool{}, buf: make([]byte, 128<<10)}
	if !t.counts {
		t.links.narrow, err = analyzers.Wants(need &^ evidence.NeedSecretsAnywhere)
	}
	return t, err
}

// entry hands over one entry.
func (t *transfer) entry(e *layer.Entry, body io.Reader) error {
	switch e.Type {
	case layer.Whiteout:
		return errors.Join(t.recorder.Visit(e, nil), t.worker.Entry(&wire.Entry{Type: wire.EntryWhiteout, Name: spelled(e.Name)}))
	case layer.Opaque:
		if e.Name == "" {
			// Trivy would hide nothing of the layers below, so the worker need not
			// know; the recorder does.
			return t.recorder.Visit(e, nil)
		}
		return errors.Join(t.recorder.Visit(e, nil), t.worker.Entry(&wire.Entry{Type: wire.EntryOpaque, Name: spelled(e.Name)}))
	case layer.File:
		return t.file(e, body)
	case layer.Hardlink:
		if t.links.add(e, t.recorder.Entries()) {
			t.recorder.Postpone(e)
			return nil // when its content is there
		}
		return t.link(e)
	default:
		return errors.Join(t.recorder.Visit(e, nil), t.replaced(e.Name))
	}
}

// replaced tells the worker that a file that it has is not the last entry of its
// name. The last one is what a runtime leaves.
func (t *transfer) replaced(name string) error {
	if name = spelled(name); !t.sent[name] {
		return nil
	}
	delete(t.sent, name)
	return t.worker.Entry(&wire.Entry{Type: wire.EntryReplaced, Name: name})
}

// file hands over one file.
func (t *transfer) file(e *layer.Entry, body io.Reader) error {
	if err := t.body.reset(body); err != nil {
		return err
	}
	w := &wire.Entry{Name: spelled(e.Name), Mode: e.Mode, Size: e.Size, Modified: e.ModTime.Unix()}
	// Trivy looks into a binary only if its mode says that it is executable, but
	// a shell can chmod it and ld.so runs it anyway.
	if e.Mode&0o111 == 0 && isBinary(t.body.start) {
		w.Mode |= 0o111
	}
	jar := manifest.IsJar(e.Name) || manifest.StartsLikeJar(t.body.start)
	t.jars = t.jars || jar
	wanted, script := jar || t.wants(w.Name, w.Mode, w.Size), manifest.IsScript(t.body.start)
	archive := manifest.MayHoldPackages(e.Name, t.body.start)
	if !wanted && (script || !archive) && t.counts && secretpath.Out(w.Name) {
		t.leftOut++
	}
	if !wanted && !archive {
		return errors.Join(t.recorder.Visit(e, &t.body), t.replaced(e.Name))
	}
	if limit := t.limits.FileSize; e.Size > limit {
		return &layer.LimitError{Name: "file-size", Limit: limit, What: fmt.Sprintf("the size of %q, which has to be analysed,", e.Name)}
	}
	t.sent[w.Name] = true
	if err := t.worker.Entry(w); err != nil {
		return err
	}
	to, finder := io.Writer(t.worker), manifest.ArchiveFinder{}
	if script {
		to = io.MultiWriter(t.worker, &finder)
	}
	if err := t.recorder.Visit(e, io.TeeReader(&t.body, to)); err != nil {
		return err
	}
	_, err := io.CopyBuffer(onlyWriter{to}, onlyReader{&t.body}, t.buf) // what the recorder left unread
	t.jars = t.jars || finder.Jar
	if err == nil && (finder.Any || !script && (archive || jar && !manifest.IsJar(e.Name))) {
		t.recorder.Archive()
	}
	return err
}

// onlyReader and onlyWriter hide what io.CopyBuffer would use instead of the
// buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// peeked is a file whose first bytes have been looked at.
type peeked struct {
	start []byte
	rest  io.Reader
	taken int
	array [manifest.ArchiveHead]byte
}

// reset looks at the first bytes of body.
func (p *peeked) reset(body io.Reader) error {
	n, err := io.ReadFull(body, p.array[:])
	p.start, p.rest, p.taken = p.array[:n], body, 0
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && n < len(p.array) {
		return nil // the reader of a short file finds out whether it is cut off
	}
	return err
}

// Read implements io.Reader.
func (p *peeked) Read(b []byte) (int, error) {
	if p.taken < len(p.start) {
		n := copy(b, p.start[p.taken:])
		p.taken += n
		return n, nil
	}
	return p.rest.Read(b)
}

// isBinary reports whether a file begins like an ELF, PE or Mach-O file.
func isBinary(start []byte) bool {
	return len(start) >= 4 && slices.ContainsFunc([]string{"\x7fELF", "MZ", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe"}, func(magic string) bool {
		return strings.HasPrefix(string(start), magic)
	})
}
