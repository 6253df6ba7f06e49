package inflate

import "encoding/binary"

const (
	maxLit      = 286 // literals, lengths and the end of a block
	maxDist     = 30
	numCodeLens = 19
)

// codeLenOrder is in which order the code lengths of code lengths are stored.
const codeLenOrder = "\x10\x11\x12\x00\x08\x07\x09\x06\x0a\x05\x0b\x04\x0c\x03\x0d\x02\x0e\x01\x0f"

// block reads the header of a block.
func (z *Reader) block() error {
	z.gather(enough)
	h, err := z.number(3)
	if err != nil {
		return err
	}
	z.final = h&1 != 0
	switch h >> 1 {
	case 0:
		return z.storedHeader()
	case 1:
		z.lit, z.dist = fixedLit(), fixedDist()
		z.step = inCodes
		return nil
	case 2:
		z.step = inCodes
		return z.tables()
	}
	return z.corrupt("a block has the reserved type")
}

func (z *Reader) storedHeader() error {
	p, err := z.takeMore(4)
	if err != nil {
		return err
	}
	n := binary.LittleEndian.Uint16(p)
	if n != ^binary.LittleEndian.Uint16(p[2:]) {
		return z.corrupt("the two lengths of a stored block differ")
	}
	z.left, z.step = int(n), inStored
	return nil
}

// stored copies what the buffer has room for of a stored block.
func (z *Reader) stored(out []byte, end int) (int, error) {
	for z.left > 0 {
		if z.pos == z.end {
			if z.gather(1); z.pos == z.end {
				return end, z.short()
			}
		}
		n := copy(out[end:], z.buf[z.pos:min(z.end, z.pos+z.left)])
		if n == 0 {
			return end, nil
		}
		z.pos, z.left, end = z.pos+n, z.left-n, end+n
	}
	z.endBlock()
	return end, nil
}

func (z *Reader) endBlock() {
	z.step = atBlock
	if z.final {
		z.step = atTrailer
	}
}

// tables reads the codes of a dynamic block.
func (z *Reader) tables() error {
	h, err := z.number(5 + 5 + 4)
	if err != nil {
		return err
	}
	lits, dists, lens := h&31+257, h>>5&31+1, h>>10+4
	if lits > maxLit || dists > maxDist {
		return z.corrupt("a block has too many codes")
	}
	var codeLens [numCodeLens]uint8
	for i := range lens {
		n, err := z.number(3)
		if err != nil {
			return err
		}
		codeLens[codeLenOrder[i]] = uint8(n)
	}
	var table [1 << codeLenBits]uint32
	if !build(table[:], codeLenBits, codeLens[:], codeLenSymbols()) {
		return z.corrupt("the code of code lengths is incomplete or over-subscribed")
	}
	if err := z.codeLengths(&table, z.lengths[:lits+dists]); err != nil {
		return err
	}
	z.lit, z.dist = &z.own.lit, &z.own.dist
	if !build(z.lit[:], litBits, z.lengths[:lits], litSymbols()) {
		return z.corrupt("the code of literals and lengths is incomplete or over-subscribed")
	}
	if !build(z.dist[:], distBits, z.lengths[lits:lits+dists], distSymbols()) {
		return z.corrupt("the code of distances is incomplete or over-subscribed")
	}
	return nil
}

// codeLengths reads the lengths of both codes, which are stored as one list.
func (z *Reader) codeLengths(table *[1 << codeLenBits]uint32, lengths []uint8) error {
	for i := 0; i < len(lengths); {
		z.refill()
		e := table[z.bits&(1<<codeLenBits-1)]
		n := uint(e & bitsMask)
		if n > z.nbits {
			return z.short()
		}
		if e&special != 0 {
			return z.corrupt("a code length has a code without a meaning")
		}
		z.drop(n)
		sym := uint8(e >> valueShift)
		if sym < 16 {
			lengths[i] = sym
			i++
			continue
		}
		value, count, err := z.repeat(sym, lengths[:i])
		if err != nil {
			return err
		}
		if count > len(lengths)-i {
			return z.corrupt("a code length is repeated too often")
		}
		for range count {
			lengths[i] = value
			i++
		}
	}
	return nil
}

// repeat decodes the three symbols that encode more than one length.
func (z *Reader) repeat(sym uint8, before []uint8) (value uint8, count int, err error) {
	least, extra := 3, uint(3)
	switch sym {
	case 16:
		if len(before) == 0 {
			return 0, 0, z.corrupt("the first code length repeats one before it")
		}
		value, extra = before[len(before)-1], 2
	case 18:
		least, extra = 11, 7
	}
	count, err = z.number(extra)
	return value, count + least, err
}
