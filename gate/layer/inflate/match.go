package inflate

import "encoding/binary"

// repeatMatch copies any match, up to 16 bytes too many.
func repeatMatch(out []byte, at, back, length int) {
	from, last := at-back, at+length
	switch {
	case back >= length:
		copy(out[at:last], out[from:from+length])
	case back >= 16:
		for at < last {
			*(*[16]byte)(out[at:]) = *(*[16]byte)(out[from:])
			at, from = at+16, from+16
		}
	case back >= 8:
		for at < last {
			binary.LittleEndian.PutUint64(out[at:], binary.LittleEndian.Uint64(out[from:]))
			at, from = at+8, from+8
		}
	default:
		// The pattern fills a word, which is written in steps that are a multiple
		// of the pattern. Shifts by 64 or more give zero.
		word := binary.LittleEndian.Uint64(out[from:]) & (1<<(8*back) - 1)
		word |= word << (8 * back)
		word |= word << (16 * back)
		word |= word << (32 * back)
		step := 8 - 8%back
		for at < last {
			binary.LittleEndian.PutUint64(out[at:], word)
			at += step
		}
	}
}
