// Package inflate decompresses gzip (RFC 1952) as fast as pure Go without
// package unsafe allows.
//
// It accepts exactly the streams that compress/gzip accepts: one member or more,
// without other data after the last one. Its output is the same. It is faster
// because it does more per step, as libdeflate does: compress/flate reads one
// byte of input at a time, and this package reads eight.
package inflate

import (
	"hash/crc32"
	"io"
)

// Window is how far back a match may reach. [Reader.Next] needs as much room in
// front of what it writes.
const Window = 32 << 10

// MinBuffer is the least that may be passed to [Reader.Next].
const MinBuffer = Window + 2*room

// room is what one round of the decoding loop may write: four literals and a
// match of 258 bytes, which is copied in steps of up to sixteen bytes.
const room = 320

// Reader decompresses one gzip stream. It is not safe for concurrent use.
type Reader struct {
	input
	step  step
	final bool // the current block is the last of its member
	left  int  // bytes to come of a stored block

	lit  *litTable // of the current block
	dist *distTable
	own  struct {
		lit  litTable
		dist distTable
	}
	lengths [maxLit + maxDist]uint8

	sum    uint32
	size   uint32
	window [Window]byte // ends with the last bytes of the output
	have   int          // bytes in window that belong to this member
	start  int          // where in the current buffer this member's output begins
	err    error

	space []byte // for Read
	rest  []byte // of space
}

// step is what the input has next.
type step uint8

const (
	atMember step = iota
	atBlock
	inStored
	inCodes
	atTrailer
)

// NewReader reads the first header. It returns io.EOF if there is none, like
// compress/gzip.
func NewReader(r io.Reader) (*Reader, error) {
	z := &Reader{input: input{src: r}}
	if err := z.member(); err != nil {
		return nil, err
	}
	return z, nil
}

// Next decompresses into buf and returns the part of it that holds the output,
// which is never empty unless there is an error. The rest of buf, of which there
// must be at least [MinBuffer], is scratch space: its first [Window] bytes for what
// came before, the others because matches are copied in large steps. Nothing in
// buf is needed any more by the next call.
//
// At the end of the stream the error is io.EOF, and all checksums were right.
func (z *Reader) Next(buf []byte) ([]byte, error) {
	if z.err != nil {
		return nil, z.err
	}
	if len(buf) < MinBuffer {
		return nil, io.ErrShortBuffer
	}
	copy(buf, z.window[:])
	z.start = Window - z.have
	end, summed := Window, Window
	var err error
	for err == nil && end <= len(buf)-room {
		switch z.step {
		case atMember:
			z.start = end
			err = z.member()
		case atBlock:
			err = z.block()
		case inStored:
			end, err = z.stored(buf, end)
		case inCodes:
			end, err = z.codes(buf, end)
		case atTrailer:
			z.check(buf[summed:end])
			summed = end
			err = z.trailer()
		}
	}
	z.check(buf[summed:end])
	z.err = err
	z.have = min(end-z.start, Window)
	copy(z.window[Window-z.have:], buf[end-z.have:end])
	if end > Window {
		return buf[Window:end], nil
	}
	return nil, err
}

// check adds output to the checksum.
func (z *Reader) check(p []byte) {
	z.sum = crc32.Update(z.sum, crc32.IEEETable, p)
	z.size += uint32(len(p))
}

// Read implements io.Reader. [Reader.Next] saves a copy; the two may take turns.
func (z *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(z.rest) == 0 {
		if z.space == nil {
			z.space = make([]byte, Window+128<<10)
		}
		var err error
		if z.rest, err = z.Next(z.space); err != nil {
			return 0, err
		}
	}
	n := copy(p, z.rest)
	z.rest = z.rest[n:]
	return n, nil
}
