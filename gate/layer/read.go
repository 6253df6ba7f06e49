package layer

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/imagegate/imagegate/gate/layer/inflate"
)

// grace is how long Read waits for a source that does not return after all other
// stages have ended. Then Read returns. A source that ignores its context may
// block its goroutine until it is closed, but it does not block the verdict.
const grace = 2 * time.Second

// zstdChunked ends a blob that has a table of contents after its archive.
const zstdChunked = "GNUlInUx"

// errStopped ends the pipeline when the archive has been read, or refused.
var errStopped = errors.New("reading of the layer has ended")

// Read streams one stored blob: it hashes and decompresses it, lints the
// archive and calls visit for each entry, in order, with the file's bytes (nil
// for anything but files). visit may leave them unread and must keep neither the entry
// nor the reader. The caller must not use what visit has seen unless Read returns nil:
// only then are the size, the digest, the diffID and the end of the archive
// verified.
//
// Errors of visit are returned unwrapped.
func Read(ctx context.Context, r io.Reader, s Spec, b *Budget, visit func(e *Entry, body io.Reader) error) (Stats, error) {
	if !isDigest(s.Digest) || !isDigest(s.DiffID) {
		return Stats{}, fmt.Errorf("layer %d has no sha256 digest and diffID to compare with (%s, %s)", s.Index+1, quote(s.Digest), quote(s.DiffID))
	}
	if err := b.blob(s.Size); err != nil {
		return Stats{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errStopped)

	src := newBlob(r, s)
	stored, plain := newChunks(ctx, chunkSize), newChunks(ctx, inflate.Window+chunkSize)
	plain.sum = sha256.New()
	var fetching, inflating sync.WaitGroup
	stage(&fetching, func() { stored.fill(reads{ctx, src}) })
	out := &archive{blob: src, budget: b}
	var compression string
	stage(&inflating, func() { compression = out.inflate(stored, plain, s.MediaType) })
	l := &lint{spec: s, budget: b, visit: visit}
	err := l.walk(ctx, plain)
	cancel(errStopped)
	if err != nil {
		fetched := waitFor(&fetching)
		waitFor(&inflating)
		if fetched && l.content {
			err = src.causeOf(err)
		}
		return Stats{}, err
	}
	fetching.Wait() // the source has ended, so neither can be stuck
	inflating.Wait()
	if src.failed != io.EOF { // a decompressor could have dropped this error
		return Stats{}, fmt.Errorf("the layer was not read to its end: %w", src.failed)
	}
	if got := digestOf(plain.sum); got != s.DiffID {
		return Stats{}, fmt.Errorf("the uncompressed layer has the digest %s, not the diffID %s that the config says", got, s.DiffID)
	}
	return Stats{
		Compression: compression, Compressed: src.n.Load(), Uncompressed: out.n, Entries: l.entries,
		ChunkedTOC: string(src.tail[:]) == zstdChunked,
	}, nil
}

// waitFor waits for the goroutines of one stage, but not forever. It reports
// whether they have ended.
func waitFor(wg *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

func isDigest(s string) bool {
	hexa, ok := strings.CutPrefix(s, "sha256:")
	if !ok || len(hexa) != 2*sha256.Size {
		return false
	}
	return strings.Trim(hexa, "0123456789abcdef") == ""
}

// lint walks one archive.
type lint struct {
	spec    Spec
	budget  *Budget
	visit   func(e *Entry, body io.Reader) error
	entries int
	content bool // the walk ended with an error of the bytes that were read
	// One entry after the other is here. Layers have a hundred thousand of them.
	current Entry
	file    body
}

// walk returns nil when the archive has ended well and nothing but zeros
// follows: tools differ in whether they look behind the end.
func (l *lint) walk(ctx context.Context, plain io.Reader) error {
	t := tar.NewReader(plain)
	for {
		if ctx.Err() != nil {
			return fmt.Errorf("read layer: %w", context.Cause(ctx))
		}
		h, err := t.Next()
		if err == io.EOF {
			err = onlyZeros(plain)
			l.content = isContent(err)
			return err
		}
		if err != nil {
			l.content = isContent(err)
			return archiveError(l.entries, err)
		}
		l.entries++
		if err := l.budget.entry(); err != nil {
			return err
		}
		e, err := l.entry(h)
		if err != nil {
			l.content = isContent(err)
			return err
		}
		if e == nil {
			continue
		}
		if err := l.hand(e, t); err != nil {
			return err
		}
	}
}

func (l *lint) hand(e *Entry, t *tar.Reader) error {
	if e.Type != File {
		return l.visit(e, nil)
	}
	l.file = body{t, l}
	return l.visit(e, &l.file)
}

// isContent reports whether an error of the archive is neither a limit nor the end
// of a context.
func isContent(err error) bool {
	var limit *LimitError
	return err != nil && !errors.As(err, &limit) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// archiveError adds the place to the errors of archive/tar, which are unwrapped.
// The errors of the earlier stages are wrapped, and describe the problem already.
func archiveError(entries int, err error) error {
	switch err {
	case tar.ErrHeader, tar.ErrFieldTooLong, tar.ErrInsecurePath, io.ErrUnexpectedEOF:
		return fmt.Errorf("the layer is no valid tar archive after entry %d: %w", entries, err)
	}
	return err
}

// body reads one file of the archive.
type body struct {
	r    io.Reader
	lint *lint
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.lint.content = isContent(err)
		err = archiveError(b.lint.entries, err)
	}
	return n, err
}

// onlyZeros reads what follows the archive's end marker.
func onlyZeros(r io.Reader) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return errors.New("the layer has data after the end of its archive, which some tools would read and others not")
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
