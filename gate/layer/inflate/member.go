package inflate

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// The flags of a member's header. FTEXT and the reserved ones change nothing,
// as for compress/gzip.
const (
	flagHeaderSum = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
)

// maxText is the longest name or comment with its zero that compress/gzip takes.
const maxText = 512

// member reads a header. The error is io.EOF when no member follows.
func (z *Reader) member() error {
	h, err := z.take(10)
	if err != nil {
		return err
	}
	if h[0] != 0x1f || h[1] != 0x8b || h[2] != 8 {
		z.pos -= len(h)
		return z.badHeader("no gzip member begins")
	}
	flags, sum := h[3], crc32.ChecksumIEEE(h)
	if flags&flagExtra != 0 {
		if sum, err = z.extra(sum); err != nil {
			return err
		}
	}
	for _, text := range []byte{flagName, flagComment} {
		if flags&text == 0 {
			continue
		}
		if sum, err = z.text(sum); err != nil {
			return err
		}
	}
	if flags&flagHeaderSum != 0 {
		p, err := z.takeMore(2)
		if err != nil {
			return err
		}
		if binary.LittleEndian.Uint16(p) != uint16(sum) {
			return z.badHeader("the checksum of the header is wrong")
		}
	}
	z.sum, z.size, z.step = 0, 0, atBlock
	return nil
}

// extra skips the field of that name.
func (z *Reader) extra(sum uint32) (uint32, error) {
	p, err := z.takeMore(2)
	if err != nil {
		return 0, err
	}
	sum = crc32.Update(sum, crc32.IEEETable, p)
	for left := int(binary.LittleEndian.Uint16(p)); left > 0; left -= len(p) {
		if p, err = z.takeMore(min(left, enough)); err != nil {
			return 0, err
		}
		sum = crc32.Update(sum, crc32.IEEETable, p)
	}
	return sum, nil
}

// text skips a name or comment.
func (z *Reader) text(sum uint32) (uint32, error) {
	z.gather(maxText)
	p := z.buf[z.pos:min(z.end, z.pos+maxText)]
	n := bytes.IndexByte(p, 0) + 1
	switch {
	case n > 0:
		z.pos += n
		return crc32.Update(sum, crc32.IEEETable, p[:n]), nil
	case len(p) < maxText:
		return 0, z.short()
	}
	return 0, z.badHeader("a name or comment is too long")
}

// trailer compares the checksum and the size of what has come out.
func (z *Reader) trailer() error {
	p, err := z.takeMore(8)
	if err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(p) != z.sum || binary.LittleEndian.Uint32(p[4:]) != z.size {
		return z.badSum()
	}
	z.step = atMember
	return nil
}
