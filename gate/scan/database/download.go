package database

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/words"
)

// download fetches and unpacks a's layer into staging. The files in staging must
// not be used unless the error is nil.
func (s *Store) download(ctx context.Context, p place, from origin, a *artifact, staging string) (*entry, error) {
	// The unpacked file is larger. Its exact size is in the first bytes of the
	// download and is checked there.
	if err := s.reserve(staging, a.layer.Size); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b, err := s.openBlob(ctx, cancel, from, a.layer)
	if err != nil {
		return nil, err
	}
	defer b.close()
	b.progress = func(n int64) {
		s.opt.Observe(gate.Event{Phase: gate.PhaseDatabase, Image: from.ref, Bytes: n, Total: a.layer.Size})
	}
	u := unpacker{traits: p.traits, dir: staging, limits: s.opt.Limits, packed: b.read,
		reserve: func(n int64) error { return s.reserve(staging, n) }}
	files, err := u.unpack(ctx, b)
	if err := b.finish(err); err != nil {
		return nil, err
	}
	return s.describe(p, from.ref, a.digest, staging, files)
}

// describe checks the metadata of what was unpacked, and has the disk keep it.
func (s *Store) describe(p place, source, digest, staging string, u *unpacked) (*entry, error) {
	m, err := parseMetadata(u.metadata, p.schema)
	if err == nil {
		err = m.checkFuture(s.opt.Now())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", metadataFile, err)
	}
	m.DownloadedAt = s.opt.Now().UTC()
	raw, err := m.encode()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", metadataFile, err)
	}
	// The file must be on disk before a record says what it holds. Not earlier:
	// a connection that waits for a slow disk is cut.
	if err := syncFile(filepath.Join(staging, p.file)); err != nil {
		return nil, &localError{err}
	}
	return &entry{Source: source, Digest: digest, SHA256: u.sha256, Size: u.size,
		MetadataSHA256: sumOf(raw), Metadata: m}, nil
}

func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// reserve fails when dir has not room for n more bytes and a little.
func (s *Store) reserve(dir string, n int64) error {
	const little = 1 << 20
	free, known := s.freeSpace(dir)
	if !known || free >= n+little {
		return nil
	}
	return &localError{fmt.Errorf("%s: %s are needed and %s are free: %w", s.opt.CacheDir, words.BinarySize(n+little), words.BinarySize(free), syscall.ENOSPC)}
}

// blob hashes what is read from a repository and ends with an error of its own
// where the bytes are not exactly those of the descriptor.
type blob struct {
	ctx      context.Context
	body     io.ReadCloser
	want     descriptor
	hash     hash.Hash
	n        atomic.Int64
	failed   error
	stall    time.Duration
	watch    *time.Timer
	stop     func() bool
	progress func(int64)
}

func (s *Store) newBlob(ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser, want descriptor) *blob {
	b := &blob{ctx: ctx, body: body, want: want, hash: sha256.New(), stall: s.opt.StallTimeout}
	// Closing is what ends a read that hangs; the source may not look at ctx.
	b.stop = context.AfterFunc(ctx, func() { body.Close() })
	b.watch = time.AfterFunc(b.stall, func() { cancel(fmt.Errorf("no data for %s", b.stall)) })
	b.watch.Stop() // it runs while we wait for the network, not for the disk
	return b
}

func (b *blob) close() {
	b.watch.Stop()
	b.stop()
	b.body.Close()
}

func (b *blob) read() int64 { return b.n.Load() }

func (b *blob) Read(buf []byte) (int, error) {
	if b.failed != nil {
		return 0, b.failed
	}
	b.watch.Reset(b.stall)
	n, err := b.body.Read(buf)
	b.watch.Stop()
	if n > 0 {
		b.hash.Write(buf[:n])
		b.progress(b.n.Add(int64(n)))
	}
	switch got := b.read(); {
	case context.Cause(b.ctx) != nil:
		err = context.Cause(b.ctx)
	case got > b.want.Size:
		err = fmt.Errorf("the blob is longer than the %d bytes of its descriptor", b.want.Size)
	case err == io.EOF && got < b.want.Size:
		err = fmt.Errorf("the blob ended after %d of %d bytes", got, b.want.Size)
	case err != nil && err != io.EOF:
		err = fmt.Errorf("the blob broke off after %d of %d bytes: %w", got, b.want.Size, err)
	}
	if err != nil && err != io.EOF {
		b.failed = err
	}
	return n, err
}

// finish reads the blob to its end and tells why unpacking failed: a blob that
// is not the one that was named explains everything that came after.
func (b *blob) finish(unpackErr error) error {
	if _, ok := errors.AsType[*localError](unpackErr); ok {
		return unpackErr
	}
	if _, err := copyContext(b.ctx, io.Discard, b); err != nil {
		return err
	}
	if got := hexSum(b.hash); got != b.want.Digest {
		return fmt.Errorf("the blob is not the one that was named: it has %s instead of %s", got, b.want.Digest)
	}
	return unpackErr
}

// copyContext copies until ctx ends.
func copyContext(ctx context.Context, w io.Writer, r io.Reader) (int64, error) {
	return io.CopyBuffer(onlyWriter{w}, &contextReader{ctx, r}, make([]byte, 1<<20))
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// onlyWriter hides ReadFrom, which would use a buffer of its own.
type onlyWriter struct{ io.Writer }
