package inflate

import "encoding/binary"

// long is from which length on a match is copied by [repeatLong].
const long = 64

// repeatMatch copies any match, up to 16 bytes too many.
func repeatMatch(out []byte, at, back, length int) {
	from, last := at-back, at+length
	switch {
	case back >= length:
		copy(out[at:last], out[from:from+length])
	case length >= long:
		repeatLong(out, at, back, last)
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
		word, step := pattern(out[from:], back)
		for at < last {
			binary.LittleEndian.PutUint64(out[at:], word)
			at += step
		}
	}
}

// repeatLong doubles what there is of the pattern with each copy. A layer with large
// files of zeros consists of such matches.
func repeatLong(out []byte, at, back, last int) {
	from := at - back
	if back < 8 {
		word, step := pattern(out[from:], back)
		binary.LittleEndian.PutUint64(out[at:], word)
		binary.LittleEndian.PutUint64(out[at+step:], word)
		at += 2 * step
	}
	for at < last {
		at += copy(out[at:last], out[from:at])
	}
}

// pattern fills a word with the first back bytes of p, again and again. The step is
// how much of the word is whole patterns. Shifts by 64 or more give zero.
func pattern(p []byte, back int) (word uint64, step int) {
	word = binary.LittleEndian.Uint64(p) & (1<<(8*back) - 1)
	word |= word << (8 * back)
	word |= word << (16 * back)
	word |= word << (32 * back)
	return word, 8 - 8%back
}
