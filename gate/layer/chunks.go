package layer

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
)

// chunkSize is how much a stage of the pipeline hands on at once.
const chunkSize = 128 << 10

// chunksInFlight bounds what one pipe holds.
const chunksInFlight = 4

// source is where the bytes of a pipe come from.
type source interface {
	// Next fills a part of buf and returns that part. There may be an error
	// beside it; io.EOF is the good end.
	Next(buf []byte) ([]byte, error)
}

// chunk is a buffer and the part of it that holds something.
type chunk struct{ buf, data []byte }

// chunks hands buffers from one goroutine to another, in order. It differs from
// io.Pipe in that the writer may run ahead, and in that the reader may skip.
type chunks struct {
	ctx   context.Context
	size  int // of a buffer
	full  chan chunk
	spare chan []byte
	err   error // set before full is closed
	// What follows belongs to the reader.
	sum  hash.Hash // of what has been taken from full, if it is not nil
	rest []byte
	buf  []byte // that rest is part of
	at   int64
}

func newChunks(ctx context.Context, size int) *chunks {
	return &chunks{ctx: ctx, size: size, full: make(chan chunk, chunksInFlight), spare: make(chan []byte, chunksInFlight+2)}
}

// fill reads src until it ends or fails, or the context is done, and then
// closes the pipe.
func (c *chunks) fill(src source) {
	defer close(c.full)
	defer c.guard()
	for c.ctx.Err() == nil {
		buf := c.buffer()
		data, err := src.Next(buf)
		if len(data) > 0 {
			select {
			case c.full <- chunk{buf, data}:
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
	c.err = context.Cause(c.ctx)
}

// guard turns a panic into an error. Each stage has a goroutine of its own, where
// a panic would end the program and lose the verdicts on all other images. It
// must be deferred after the function that closes the pipe.
func (c *chunks) guard() {
	if p := recover(); p != nil {
		c.err = panicked(p)
	}
}

func panicked(p any) error {
	return fmt.Errorf("internal error: panic: %v; this is a defect of imagegate, please report it", p)
}

func (c *chunks) buffer() []byte {
	select {
	case b := <-c.spare:
		return b
	default:
		return make([]byte, c.size)
	}
}

// next waits for the next chunk. It does not wait for a writer that is stuck in
// its source when the context is done.
func (c *chunks) next() error {
	if c.buf != nil {
		select {
		case c.spare <- c.buf:
		default:
		}
		c.buf = nil
	}
	select {
	case k, ok := <-c.full:
		if !ok {
			return c.err
		}
		c.buf, c.rest = k.buf, k.data
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
	if c.sum != nil {
		c.sum.Write(c.rest)
	}
	return nil
}

// Read implements io.Reader.
func (c *chunks) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.skip(n)
	return n, nil
}

func (c *chunks) skip(n int) {
	c.rest = c.rest[n:]
	c.at += int64(n)
}

// errSeek is the error for a seek that archive/tar does not need.
var errSeek = errors.New("a layer can only be skipped forwards")

// Seek implements io.Seeker as archive/tar uses it to get past the body of a
// file: forwards. At the end of the pipe it must not return io.EOF, because
// archive/tar would return that, and it would look like the end of the archive.
func (c *chunks) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || offset < 0 {
		return 0, errSeek
	}
	for offset > 0 {
		if len(c.rest) == 0 {
			err := c.next()
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				return 0, err
			}
		}
		n := min(offset, int64(len(c.rest)))
		c.skip(int(n))
		offset -= n
	}
	return c.at, nil
}

// reads makes a source of a reader.
type reads struct {
	ctx context.Context
	r   io.Reader
}

// Next implements source. It fills buf as far as r allows. Without that, every
// small read of a network connection would be a chunk of its own.
func (s reads) Next(buf []byte) ([]byte, error) {
	n, empty := 0, 0
	for n < len(buf)/2 {
		if s.ctx.Err() != nil {
			return buf[:n], context.Cause(s.ctx)
		}
		m, err := s.r.Read(buf[n:])
		n += m
		if err != nil {
			return buf[:n], err
		}
		if m > 0 {
			empty = 0
		} else if empty++; empty > 100 {
			return buf[:n], io.ErrNoProgress
		}
	}
	return buf[:n], nil
}
