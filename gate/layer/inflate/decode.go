package inflate

import "encoding/binary"

// outcome is why a decoding loop has stopped.
type outcome uint8

const (
	outOfRoom outcome = iota // of input or output
	blockEnd
	badLiteral
	badDistance
	farDistance
	inputEnd
)

// codes decodes what the buffer has room for of a block.
func (z *Reader) codes(out []byte, at int) (int, error) {
	for at <= len(out)-room {
		var o outcome
		if z.gather(enough); z.end-z.pos >= enough {
			at, o = z.fast(out, at)
		} else {
			at, o = z.careful(out, at)
		}
		switch o {
		case blockEnd:
			z.endBlock()
			return at, nil
		case badLiteral:
			return at, z.corrupt("a literal or length has a code without a meaning")
		case badDistance:
			return at, z.corrupt("a distance has a code without a meaning")
		case farDistance:
			return at, z.corrupt("a distance reaches back before the start")
		case inputEnd:
			return at, z.short()
		}
	}
	return at, nil
}

// fast decodes while there are 16 bytes of input and room for what one round
// may write. It is long because everything it works with has to stay in
// registers. A round begins with at least 56 bits: that is four literals of 11
// bits, or a length and a distance, of at most 48 bits.
func (z *Reader) fast(out []byte, at int) (int, outcome) {
	in, pos := z.buf[:z.end], z.pos
	bits, n := z.bits, z.nbits
	lit, dist := z.lit, z.dist
	start, lastIn, lastOut := z.start, len(in)-16, len(out)-room
	why := outOfRoom
	for pos <= lastIn && at <= lastOut {
		bits |= binary.LittleEndian.Uint64(in[pos:]) << (n & 63)
		pos += int((63 - n) >> 3)
		n |= 56
		e := lit[bits&(1<<litBits-1)]
		if e&literal != 0 {
			out[at] = byte(e >> valueShift)
			at++
			bits >>= e & bitsMask
			n -= uint(e & bitsMask)
			e = lit[bits&(1<<litBits-1)]
			if e&literal != 0 {
				out[at] = byte(e >> valueShift)
				at++
				bits >>= e & bitsMask
				n -= uint(e & bitsMask)
				e = lit[bits&(1<<litBits-1)]
				if e&literal != 0 {
					out[at] = byte(e >> valueShift)
					at++
					bits >>= e & bitsMask
					n -= uint(e & bitsMask)
					e = lit[bits&(1<<litBits-1)]
					if e&literal != 0 {
						out[at] = byte(e >> valueShift)
						at++
						bits >>= e & bitsMask
						n -= uint(e & bitsMask)
						continue
					}
				}
			}
			bits |= binary.LittleEndian.Uint64(in[pos:]) << (n & 63)
			pos += int((63 - n) >> 3)
			n |= 56
		}
		if e&special != 0 {
			if e&link != 0 {
				e = lit[(e>>valueShift+uint32(bits>>litBits)&(1<<(e>>codeShift&codeMask)-1))&(1<<12-1)]
			}
			if e&literal != 0 {
				out[at] = byte(e >> valueShift)
				at++
				bits >>= e & bitsMask
				n -= uint(e & bitsMask)
				continue
			}
			if e&special != 0 {
				why = badLiteral
				if e&end != 0 {
					bits >>= e & bitsMask
					n -= uint(e & bitsMask)
					why = blockEnd
				}
				break
			}
		}
		length := int(e>>valueShift&valueMask) + int(bits&(1<<(e&bitsMask)-1)>>(e>>codeShift&codeMask))
		bits >>= e & bitsMask
		n -= uint(e & bitsMask)

		e = dist[bits&(1<<distBits-1)]
		if e&special != 0 {
			if e&link != 0 {
				e = dist[(e>>valueShift+uint32(bits>>distBits)&(1<<(e>>codeShift&codeMask)-1))&(1<<9-1)]
			}
			if e&special != 0 {
				why = badDistance
				break
			}
		}
		back := int(e>>valueShift&valueMask) + int(bits&(1<<(e&bitsMask)-1)>>(e>>codeShift&codeMask))
		bits >>= e & bitsMask
		n -= uint(e & bitsMask)
		if back > at-start {
			why = farDistance
			break
		}
		from := at - back
		if back < 16 || length > 32 {
			repeatMatch(out, at, back, length)
		} else {
			*(*[16]byte)(out[at:]) = *(*[16]byte)(out[from:])
			if length > 16 {
				*(*[16]byte)(out[at+16:]) = *(*[16]byte)(out[from+16:])
			}
		}
		at += length
	}
	z.pos, z.bits, z.nbits = pos, bits, n
	return at, why
}

// careful decodes the last bytes of the input, one symbol at a time.
func (z *Reader) careful(out []byte, at int) (int, outcome) {
	for at <= len(out)-room {
		z.refill()
		e, ok := lookup(z, z.lit[:], litBits)
		switch {
		case !ok:
			return at, inputEnd
		case e&literal != 0:
			z.drop(uint(e & bitsMask))
			out[at] = byte(e >> valueShift)
			at++
			continue
		case e&end != 0:
			z.drop(uint(e & bitsMask))
			return at, blockEnd
		case e&special != 0:
			return at, badLiteral
		}
		length, ok := z.value(e)
		if !ok {
			return at, inputEnd
		}
		e, ok = lookup(z, z.dist[:], distBits)
		if ok && e&special != 0 {
			return at, badDistance
		}
		back, whole := z.value(e)
		if !ok || !whole {
			return at, inputEnd
		}
		if back > at-z.start {
			return at, farDistance
		}
		repeatMatch(out, at, back, length)
		at += length
	}
	return at, outOfRoom
}

// lookup finds the entry of the next code and whether all of the code is there.
func lookup(z *Reader, table []uint32, tableBits uint) (uint32, bool) {
	e := table[z.bits&(1<<tableBits-1)]
	if e&(special|link) == special|link {
		e = table[e>>valueShift&valueMask+uint32(z.bits>>tableBits)&(1<<(e>>codeShift&codeMask)-1)]
	}
	return e, uint(e>>codeShift&codeMask) <= z.nbits
}

// value takes a length or a distance with its extra bits.
func (z *Reader) value(e uint32) (int, bool) {
	n := uint(e & bitsMask)
	if n > z.nbits {
		return 0, false
	}
	extra := z.bits & (1<<n - 1) >> (e >> codeShift & codeMask)
	z.drop(n)
	return int(e>>valueShift&valueMask) + int(extra), true
}
