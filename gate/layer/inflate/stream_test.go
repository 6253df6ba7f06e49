package inflate

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"math/rand/v2"
)

// stream writes a gzip stream bit by bit, valid or not.
type stream struct {
	b   []byte
	acc uint64
	n   uint
}

func newStream() *stream { return &stream{b: []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}} }

// put appends numbers of the given width, least significant bit first.
func (s *stream) put(width uint, values ...int) *stream {
	for _, v := range values {
		s.acc |= uint64(v) << s.n
		for s.n += width; s.n >= 8; s.n -= 8 {
			s.b = append(s.b, byte(s.acc))
			s.acc >>= 8
		}
	}
	return s
}

// code appends the first bits of v in the order of Huffman codes.
func (s *stream) code(v int, width uint) *stream {
	return s.put(width, int(bits.Reverse32(uint32(v))>>(32-width)))
}

func (s *stream) align() *stream {
	if s.n > 0 {
		s.put(8-s.n, 0)
	}
	return s
}

func (s *stream) bytes(p ...byte) *stream {
	s.b = append(s.align().b, p...)
	return s
}

// end appends the trailer for a content.
func (s *stream) end(content string) []byte {
	s.align()
	s.b = binary.LittleEndian.AppendUint32(s.b, crc32.ChecksumIEEE([]byte(content)))
	return binary.LittleEndian.AppendUint32(s.b, uint32(len(content)))
}

// header begins a block.
func (s *stream) header(final bool, kind int) *stream {
	if final {
		return s.put(1, 1).put(2, kind)
	}
	return s.put(1, 0).put(2, kind)
}

// sym is a symbol of the fixed code of literals and lengths. Extra bits and
// distances are given as plain numbers of five bits.
type sym int

// fixedBlock writes a block with the fixed codes, without its end.
func (s *stream) fixedSymbols(final bool, parts ...any) *stream {
	s.header(final, 1)
	for _, p := range parts {
		switch v := p.(type) {
		case int:
			s.code(v, 5)
		case sym:
			switch {
			case v < 144:
				s.code(int(v)+0x30, 8)
			case v < 256:
				s.code(int(v)-144+0x190, 9)
			case v < 280:
				s.code(int(v)-256, 7)
			default:
				s.code(int(v)-280+0xc0, 8)
			}
		}
	}
	return s
}

func (s *stream) fixedBlock(final bool, parts ...any) *stream {
	return s.fixedSymbols(final, append(parts, sym(256))...)
}

// codeLens writes the header of a dynamic block up to the code of code lengths,
// whose lengths are given by symbol.
func (s *stream) codeLens(final bool, lits, dists int, lens map[int]int) *stream {
	s.header(final, 2).put(5, lits-257, dists-1).put(4, 15)
	for _, c := range []byte(codeLenOrder) {
		s.put(3, lens[int(c)])
	}
	return s
}

// sixteen is a code of code lengths that has 0 to 15 with four bits each.
func sixteen() map[int]int {
	m := map[int]int{}
	for i := range 16 {
		m[i] = 4
	}
	return m
}

// dynamic writes the header of a dynamic block with these code lengths.
func (s *stream) dynamic(final bool, lits, dists []int) *stream {
	s.codeLens(final, len(lits), len(dists), sixteen())
	for _, n := range append(append([]int{}, lits...), dists...) {
		s.code(n, 4)
	}
	return s
}

// lengthsOf is n code lengths that are zero but for the given ones.
func lengthsOf(n int, given map[int]int) []int {
	all := make([]int, n)
	for i, v := range given {
		all[i] = v
	}
	return all
}

// canonical gives each symbol its code.
func canonical(lengths []int) []int {
	codes, code := make([]int, len(lengths)), 0
	for n := 1; n <= maxCodeLen; n++ {
		for i, l := range lengths {
			if l == n {
				codes[i] = code
				code++
			}
		}
		code <<= 1
	}
	return codes
}

// randomLengths is a complete code of n of size symbols, of any depth.
func randomLengths(r *rand.Rand, n, size int, must ...int) []int {
	leaves := []int{0}
	for len(leaves) < n {
		i := r.IntN(len(leaves))
		if r.IntN(3) == 0 {
			i = len(leaves) - 1 // grows deep
		}
		if leaves[i] < maxCodeLen {
			leaves[i]++
			leaves = append(leaves, leaves[i])
		}
	}
	all, order := make([]int, size), r.Perm(size)
	for i, m := range must {
		for j, o := range order {
			if o == m {
				order[i], order[j] = order[j], order[i]
			}
		}
	}
	shift := r.IntN(len(leaves)) // what must be there should not always be shallow
	for i := range leaves {
		all[order[i]] = leaves[(i+shift)%len(leaves)]
	}
	return all
}

// randomStream is a stream of random blocks with codes that no compressor
// chooses. Some streams are invalid. The checksum is always wrong; readers find
// that only after they have decompressed the whole member.
func randomStream(r *rand.Rand) []byte {
	s := newStream()
	for range 1 + r.IntN(4) {
		switch r.IntN(4) {
		case 0:
			n := r.IntN(1000)
			s.header(false, 0).bytes(byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
			for range n {
				s.bytes(byte(r.Uint32()))
			}
		default:
			lits := randomLengths(r, 2+r.IntN(285), 286, 256)
			dists := randomLengths(r, 2+r.IntN(29), 30)
			s.dynamic(false, lits, dists)
			s.randomSymbols(r, lits, dists)
		}
	}
	return s.fixedBlock(true).end("")
}

// randomSymbols writes symbols of a code and then the end of the block.
func (s *stream) randomSymbols(r *rand.Rand, lits, dists []int) {
	litCodes, distCodes := canonical(lits), canonical(dists)
	for range r.IntN(3000) {
		v := r.IntN(286)
		if lits[v] == 0 || v == 256 || v > 256 && r.IntN(2) == 0 {
			continue
		}
		if v > 256 {
			d := r.IntN(30)
			if dists[d] == 0 || len(s.b) < 1<<(d/2) && r.IntN(2000) > 0 {
				continue
			}
			s.code(litCodes[v], uint(lits[v])).put(uint(litSymbols()[v]&bitsMask), 0)
			s.code(distCodes[d], uint(dists[d])).put(uint(distSymbols()[d]&bitsMask), 0)
			continue
		}
		s.code(litCodes[v], uint(lits[v]))
	}
	s.code(litCodes[256], uint(lits[256]))
}
