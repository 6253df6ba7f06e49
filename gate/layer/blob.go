package layer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"sync/atomic"
)

// blob hashes and counts what is stored, and ends with io.EOF only if all of
// it was as announced.
type blob struct {
	src    io.Reader
	spec   Spec
	sum    hash.Hash
	n      atomic.Int64
	tail   [8]byte // the last bytes, for the footer of zstd:chunked
	failed error
}

func newBlob(src io.Reader, s Spec) *blob {
	return &blob{src: src, spec: s, sum: sha256.New()}
}

// DamagedError says that stored bytes are not those that the manifest announces:
// they may have been damaged on the way.
type DamagedError struct{ text string }

func (e *DamagedError) Error() string { return e.text }

func damagedf(format string, args ...any) error { return &DamagedError{fmt.Sprintf(format, args...)} }

// causeOf returns why an archive could not be read with err: it may be that its
// stored bytes were damaged, which the rest of them tells.
func (b *blob) causeOf(err error) (cause error) {
	defer func() {
		if recover() != nil { // the source is the code of the caller
			cause = err
		}
	}()
	if b.failed == nil {
		_, _ = io.Copy(io.Discard, b)
	}
	if damaged := (*DamagedError)(nil); errors.As(b.failed, &damaged) {
		return damaged
	}
	return err
}

// Read implements io.Reader.
func (b *blob) Read(p []byte) (int, error) {
	if b.failed != nil {
		return 0, b.failed
	}
	n, err := b.src.Read(p)
	b.sum.Write(p[:n])
	b.keepTail(p[:n])
	total := b.n.Add(int64(n))
	switch {
	case total > b.spec.Size:
		b.failed = damagedf("the layer is longer than the %d bytes that the manifest announces", b.spec.Size)
	case errors.Is(err, io.EOF):
		b.failed = b.end(total)
	case err != nil:
		b.failed = fmt.Errorf("read layer after %d of %d bytes: %w", total, b.spec.Size, err)
	}
	return n, b.failed
}

func (b *blob) end(total int64) error {
	if total != b.spec.Size {
		return damagedf("the layer ends after %d of the %d bytes that the manifest announces", total, b.spec.Size)
	}
	if got := digestOf(b.sum); got != b.spec.Digest {
		return damagedf("the layer's bytes have the digest %s, not %s as the manifest says", got, b.spec.Digest)
	}
	return io.EOF
}

func (b *blob) keepTail(p []byte) {
	if len(p) >= len(b.tail) {
		copy(b.tail[:], p[len(p)-len(b.tail):])
		return
	}
	copy(b.tail[:], b.tail[len(p):])
	copy(b.tail[len(b.tail)-len(p):], p)
}

func digestOf(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }

// archive counts what comes out of the decompressor, within the budget. Its
// digest is taken by the goroutine that reads the archive, which has less to do.
type archive struct {
	src    source
	blob   *blob
	budget *Budget
	n      int64
}

// Next implements source.
func (a *archive) Next(buf []byte) ([]byte, error) {
	data, err := a.src.Next(buf)
	a.n += int64(len(data))
	if limit := a.budget.grow(len(data), a.n, a.blob.n.Load()); limit != nil {
		return nil, limit
	}
	return data, err
}

// inflate decompresses from stored to plain and returns the compression.
func (a *archive) inflate(stored, plain *chunks, mediaType string) string {
	z, compression, err := opened(stored, mediaType)
	if err != nil {
		plain.err = err
		close(plain.full)
		return compression
	}
	defer z.close()
	a.src = z
	plain.fill(a)
	return compression
}

// opened is decompress, but without panics; see [chunks.guard].
func opened(stored *chunks, mediaType string) (z *decompressor, compression string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return decompress(stored, mediaType)
}

// stage runs f in a goroutine of wg.
func stage(wg *sync.WaitGroup, f func()) {
	wg.Add(1)
	go func() {
		defer wg.Done()
		f()
	}()
}
