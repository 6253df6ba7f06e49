package inflate

import (
	"encoding/binary"
	"io"
)

// inputSize is how much is read from the source at once.
const inputSize = 64 << 10

// enough is how much input is gathered before a header or a round of decoding,
// unless the source ends: more than the longest block header, which has 563
// bytes, and than the longest name in a gzip header.
const enough = 1 << 10

// input buffers the source and takes bits from it. The least significant bit of
// bits is next; bits above nbits may be set, but only to what the bytes at pos
// will set them to.
type input struct {
	src   io.Reader
	ended error // of src, after which only what is buffered is left
	buf   [inputSize]byte
	pos   int
	end   int
	total int64 // bytes taken from src
	bits  uint64
	nbits uint
}

// offset is how much of the input has been used.
func (i *input) offset() int64 { return i.total - int64(i.end-i.pos) - int64(i.nbits/8) }

// align gives back the whole bytes that are in bits.
func (i *input) align() {
	i.pos -= int(i.nbits / 8)
	i.nbits %= 8
	i.bits &= 1<<i.nbits - 1
}

// gather makes n bytes ready, or as many as there are, and aligns.
func (i *input) gather(n int) {
	i.align()
	if i.end-i.pos >= n || i.ended != nil {
		return
	}
	i.end = copy(i.buf[:], i.buf[i.pos:i.end])
	i.pos = 0
	for idle := 0; i.end < n && i.ended == nil; {
		m, err := i.src.Read(i.buf[i.end:])
		i.end += m
		i.total += int64(m)
		i.ended = err
		if m > 0 {
			idle = 0
		} else if idle++; idle > 100 && err == nil {
			i.ended = io.ErrNoProgress
		}
	}
}

// take returns the next n bytes, at most enough. The partial byte before them is
// dropped. It fails with io.EOF only if there is nothing at all.
func (i *input) take(n int) ([]byte, error) {
	i.gather(n)
	i.bits, i.nbits = 0, 0
	have := i.end - i.pos
	if have < n {
		i.pos = i.end
		if i.ended == io.EOF && have == 0 {
			return nil, io.EOF
		}
		return nil, i.short()
	}
	i.pos += n
	return i.buf[i.pos-n : i.pos], nil
}

// takeMore is take where the input must not end.
func (i *input) takeMore(n int) ([]byte, error) {
	p, err := i.take(n)
	if err == io.EOF {
		err = i.short()
	}
	return p, err
}

// refill tops up bits, to 56 or more unless the input ends.
func (i *input) refill() {
	if i.end-i.pos >= 8 {
		i.bits |= binary.LittleEndian.Uint64(i.buf[i.pos:]) << (i.nbits & 63)
		i.pos += int((63 - i.nbits) >> 3)
		i.nbits |= 56
		return
	}
	for i.nbits < 56 && i.pos < i.end {
		i.bits |= uint64(i.buf[i.pos]) << i.nbits
		i.pos++
		i.nbits += 8
	}
}

// drop takes n bits that are known to be there.
func (i *input) drop(n uint) {
	i.bits >>= n
	i.nbits -= n
}

// number takes a number of n bits, at most 32, after gather.
func (i *input) number(n uint) (int, error) {
	if i.nbits < n {
		if i.refill(); i.nbits < n {
			return 0, i.short()
		}
	}
	v := int(i.bits & (1<<n - 1))
	i.drop(n)
	return v, nil
}
