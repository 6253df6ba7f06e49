package layer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"sync/atomic"
)

// chunkSize is how much a stage of the pipeline hands on at once.
const chunkSize = 128 << 10

// chunksInFlight bounds what one pipe holds.
const chunksInFlight = 4

// chunks hands buffers from one goroutine to another, in order. It differs from
// io.Pipe in that the writer may run ahead.
type chunks struct {
	ctx   context.Context
	full  chan []byte
	spare chan []byte
	err   error // set before full is closed
	rest  []byte
	whole []byte // the buffer that rest is part of
}

func newChunks(ctx context.Context) *chunks {
	return &chunks{ctx: ctx, full: make(chan []byte, chunksInFlight), spare: make(chan []byte, chunksInFlight+2)}
}

// fill reads src until it ends or fails, or the context is done, and then
// closes the pipe. io.EOF is the good end.
func (c *chunks) fill(src io.Reader) {
	defer close(c.full)
	for {
		buf := c.buffer()
		n, err := readSome(c.ctx, src, buf)
		if n > 0 {
			select {
			case c.full <- buf[:n]:
			case <-c.ctx.Done():
				c.err = context.Cause(c.ctx)
				return
			}
		}
		if err != nil {
			c.err = err
			return
		}
	}
}

// readSome fills buf as far as src allows: small reads of a network connection
// would else cost one hand-over each.
func readSome(ctx context.Context, src io.Reader, buf []byte) (int, error) {
	n, empty := 0, 0
	for n < len(buf)/2 {
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		m, err := src.Read(buf[n:])
		n += m
		if err != nil {
			return n, err
		}
		if m > 0 {
			empty = 0
		} else if empty++; empty > 100 {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}

func (c *chunks) buffer() []byte {
	select {
	case b := <-c.spare:
		return b[:chunkSize]
	default:
		return make([]byte, chunkSize)
	}
}

// Read implements io.Reader. It does not wait for a writer that is stuck in its
// source when the context is done.
func (c *chunks) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if c.whole != nil {
			select {
			case c.spare <- c.whole:
			default:
			}
			c.whole = nil
		}
		select {
		case buf, ok := <-c.full:
			if !ok {
				return 0, c.err
			}
			c.whole, c.rest = buf, buf
		case <-c.ctx.Done():
			return 0, context.Cause(c.ctx)
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

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
		b.failed = fmt.Errorf("the layer is longer than the %d bytes that the manifest announces", b.spec.Size)
	case errors.Is(err, io.EOF):
		b.failed = b.end(total)
	case err != nil:
		b.failed = fmt.Errorf("read layer after %d of %d bytes: %w", total, b.spec.Size, err)
	}
	return n, b.failed
}

func (b *blob) end(total int64) error {
	if total != b.spec.Size {
		return fmt.Errorf("the layer ends after %d of the %d bytes that the manifest announces", total, b.spec.Size)
	}
	if got := digestOf(b.sum); got != b.spec.Digest {
		return fmt.Errorf("the layer's bytes have the digest %s, not %s as the manifest says", got, b.spec.Digest)
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

// archive hashes and counts what comes out of the decompressor, within the
// budget.
type archive struct {
	src    io.Reader
	blob   *blob
	budget *Budget
	sum    hash.Hash
	n      int64
}

// Read implements io.Reader.
func (a *archive) Read(p []byte) (int, error) {
	n, err := a.src.Read(p)
	a.n += int64(n)
	a.sum.Write(p[:n])
	if limit := a.budget.grow(n, a.n, a.blob.n.Load()); limit != nil {
		return 0, limit
	}
	return n, err
}

// inflate decompresses from stored to plain and returns the compression.
func (a *archive) inflate(stored io.Reader, plain *chunks, mediaType string) string {
	z, compression, err := decompress(stored, mediaType)
	if err != nil {
		plain.err = err
		close(plain.full)
		return compression
	}
	defer z.Close()
	a.src = z
	plain.fill(a)
	return compression
}

// stage runs f in a goroutine of wg.
func stage(wg *sync.WaitGroup, f func()) {
	wg.Add(1)
	go func() {
		defer wg.Done()
		f()
	}()
}
