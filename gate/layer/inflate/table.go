package inflate

import (
	"math/bits"
	"sync"
)

// A table is indexed with the next bits of the input. Codes that are longer than
// the index lead to a second table behind the first. An entry is
//
//	bits 0-5    how many bits it takes, with the extra bits of a length or distance
//	bits 6-9    how many of them are the code; for a link, how many bits index
//	            the second table
//	bits 10-24  the value: a literal, the least length or distance, or where the
//	            second table begins
//	bits 28-31  flags
//
// Entries that hold two literals were measured, and were slower: building them
// takes more time than they save.
const (
	bitsMask   = 63
	codeShift  = 6
	codeMask   = 15
	valueShift = 10
	valueMask  = 1<<15 - 1

	literal = 1 << 31
	special = 1 << 30 // not a value: link, endOfBlock or a code without a meaning
	link    = 1 << 29
	end     = 1 << 28
)

const (
	maxCodeLen  = 15
	codeLenBits = 7
	litBits     = 11
	distBits    = 8
)

// No set of lengths needs more than 2342 entries for literals and 402 for
// distances (zlib's enough.c computes them: "enough 288 11 15" and "enough 32 8
// 15"). Powers of two save the bounds checks.
type (
	litTable  [4096]uint32
	distTable [512]uint32
)

// build fills a table for a code of the given lengths. It reports whether the
// code is one that compress/flate accepts: complete, or a single code of one
// bit, or empty.
func build(table []uint32, tableBits int, lengths []uint8, symbols []uint32) bool {
	var count [maxCodeLen + 1]int
	for _, n := range lengths {
		count[n&maxCodeLen]++
	}
	used := len(lengths) - count[0]
	count[0] = 0
	space := 1 << maxCodeLen
	for n, c := range count {
		space -= c << (maxCodeLen - n)
	}
	if space != 0 {
		if used > 1 || used == 1 && count[1] == 0 {
			return false
		}
		sparse(table[:1<<tableBits], lengths, symbols)
		return true
	}
	var sorted [288]uint16
	fill(table, tableBits, sortByLength(&sorted, &count, lengths, used), &count, symbols)
	return true
}

// sparse fills a table for the codes that use only half of their space, or none.
func sparse(table []uint32, lengths []uint8, symbols []uint32) {
	one, zero := uint32(special), uint32(special)
	for sym, n := range lengths {
		if n != 0 {
			one, zero = special|codeLen(1), symbols[sym]+codeLen(1)
		}
	}
	for i := 0; i < len(table); i += 2 {
		table[i], table[i+1] = zero, one
	}
}

// codeLen is what n bits of code add to an entry.
func codeLen(n int) uint32 { return uint32(n)<<codeShift | uint32(n) }

// sortByLength returns the symbols that have a code, in the order of their codes.
func sortByLength(sorted *[288]uint16, count *[maxCodeLen + 1]int, lengths []uint8, used int) []uint16 {
	var place [maxCodeLen + 1]int
	for n := 1; n < maxCodeLen; n++ {
		place[n+1] = place[n] + count[n]
	}
	for sym, n := range lengths {
		if n &= maxCodeLen; n != 0 {
			sorted[place[n]] = uint16(sym)
			place[n]++
		}
	}
	return sorted[:used]
}

// fill goes through the codes by length. The first table is doubled with each
// further bit, so that every code is written once.
func fill(table []uint32, tableBits int, sorted []uint16, count *[maxCodeLen + 1]int, symbols []uint32) {
	code, n, size := 0, 1, 2 // the bits of the code are in reverse order, as in the input
	for ; n <= tableBits; n++ {
		for range count[n] {
			table[code] = symbols[sorted[0]] + codeLen(n)
			sorted = sorted[1:]
			code = next(code, size)
		}
		if n < tableBits {
			copy(table[size:2*size], table[:size])
			size *= 2
		}
	}
	prefix, start, free, subBits := -1, 0, size, 0
	for ; n <= maxCodeLen; n++ {
		for left := count[n]; left > 0; left-- {
			if code&(size-1) != prefix {
				prefix, start = code&(size-1), free
				subBits = linkBits(count, n, left, tableBits)
				free += 1 << subBits
				table[prefix] = special | link | uint32(start)<<valueShift | uint32(subBits)<<codeShift
			}
			e := symbols[sorted[0]] + codeLen(n)
			sorted = sorted[1:]
			for i := code >> tableBits; i < 1<<subBits; i += 1 << (n - tableBits) {
				table[start+i] = e
			}
			code = next(code, 1<<n)
		}
	}
}

// next returns the code after a reversed one of the same length, whose highest
// value plus one is limit. What follows the last one of a complete code is not
// used.
func next(code, limit int) int {
	zeros := code ^ (limit - 1)
	if zeros == 0 {
		return code
	}
	top := 1 << (bits.Len(uint(zeros)) - 1)
	return code&(top-1) | top
}

// linkBits is how many bits the codes that begin with one prefix have more than
// the first table, if the first of them has n bits and left more of that length
// are to come.
func linkBits(count *[maxCodeLen + 1]int, n, left, tableBits int) int {
	width := n - tableBits
	for space := left; space < 1<<width && tableBits+width < maxCodeLen; {
		width++
		space = space<<1 + count[tableBits+width]
	}
	return width
}

// litSymbols are the entries of literals and lengths, without their codes. The
// last two have no meaning, but have a fixed code.
var litSymbols = sync.OnceValue(func() []uint32 {
	s := make([]uint32, 288)
	for i := range 256 {
		s[i] = literal | uint32(i)<<valueShift
	}
	s[256] = special | end
	least := uint32(3)
	for i := range 28 {
		extra := uint32(max(0, i/4-1))
		s[257+i] = least<<valueShift | extra
		least += 1 << extra
	}
	s[285] = 258 << valueShift
	s[286], s[287] = special, special
	return s
})

// distSymbols are the entries of distances.
var distSymbols = sync.OnceValue(func() []uint32 {
	s := make([]uint32, 32)
	least := uint32(1)
	for i := range maxDist {
		extra := uint32(max(0, i/2-1))
		s[i] = least<<valueShift | extra
		least += 1 << extra
	}
	s[30], s[31] = special, special
	return s
})

// codeLenSymbols are the entries of code lengths.
var codeLenSymbols = sync.OnceValue(func() []uint32 {
	s := make([]uint32, numCodeLens)
	for i := range s {
		s[i] = uint32(i) << valueShift
	}
	return s
})

var fixedLit = sync.OnceValue(func() *litTable {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144, i >= 280:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	t := new(litTable)
	build(t[:], litBits, lengths[:], litSymbols())
	return t
})

var fixedDist = sync.OnceValue(func() *distTable {
	var lengths [32]uint8
	for i := range lengths {
		lengths[i] = 5
	}
	t := new(distTable)
	build(t[:], distBits, lengths[:], distSymbols())
	return t
})
