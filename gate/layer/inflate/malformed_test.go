package inflate

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// fullHeader is a stream whose header has every field.
func fullHeader() []byte {
	h := []byte{0x1f, 0x8b, 8, flagHeaderSum | flagExtra | flagName | flagComment, 1, 2, 3, 4, 5, 6, 3, 0, 'a', 'b', 'c'}
	h = append(h, "name\x00comment\x00"...)
	h = binary.LittleEndian.AppendUint16(h, uint16(crc32.ChecksumIEEE(h)))
	s := newStream()
	s.b = h
	return s.fixedBlock(true, sym('x')).end("x")
}

// TestHeaders checks that the Reader accepts exactly the headers that
// compress/gzip accepts.
func TestHeaders(t *testing.T) {
	body := pack(t, []byte("x"), 6)[10:]
	header := func(flags byte, fields string) []byte {
		return cat([]byte{0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255}, []byte(fields), body)
	}
	long := strings.Repeat("n", maxText-1)
	for _, tt := range []struct {
		name, want string // "" is success
		packed     []byte
	}{
		{"nothing", "EOF", nil},
		{"one byte", "unexpected EOF after byte 1", []byte{0x1f}},
		{"nine bytes", "unexpected EOF after byte 9", header(0, "")[:9]},
		{"plain", "", header(0, "")},
		{"wrong magic", "gzip: invalid header: no gzip member begins at byte 0", cat([]byte{0x1f, 0x8c}, header(0, "")[2:])},
		{"wrong method", "invalid header", cat([]byte{0x1f, 0x8b, 7}, header(0, "")[3:])},
		{"text flag", "", header(1, "")},
		{"reserved flags", "", header(0xe0, "")},
		{"extra", "", header(flagExtra, "\x03\x00abc")},
		{"empty extra", "", header(flagExtra, "\x00\x00")},
		{"longest extra", "", header(flagExtra, "\xff\xff"+strings.Repeat("e", 0xffff))},
		{"extra over the end", "unexpected EOF", header(flagExtra, "\xff\xff")},
		{"name", "", header(flagName, "name\x00")},
		{"longest name", "", header(flagName, long+"\x00")},
		{"name too long", "a name or comment is too long at byte 10", header(flagName, long+"n\x00")},
		{"name without end", "unexpected EOF", header(flagName, "name")[:14]},
		{"Latin-1 name", "", header(flagName, "n\xe4me\x00")},
		{"comment too long", "a name or comment is too long", header(flagComment, long+"n\x00")},
		{"name and comment", "", header(flagName|flagComment, long+"\x00"+long+"\x00")},
		{"everything", "", fullHeader()},
		{"wrong checksum", "the checksum of the header is wrong at byte 12", header(flagHeaderSum, "\x00\x00")},
		{"half a checksum", "unexpected EOF", header(flagHeaderSum, "\x00")[:11]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			compare(t, tt.packed)
			compareSlow(t, tt.packed)
			wantError(t, tt.packed, tt.want)
		})
	}
}

func wantError(t *testing.T, packed []byte, want string) {
	t.Helper()
	_, err := run(bytes.NewReader(packed), MinBuffer)
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("error %v, want %q", err, want)
	}
	if err != nil && err != io.EOF && !strings.HasPrefix(err.Error(), "gzip: ") {
		t.Errorf("the error %q does not say that it is gzip", err)
	}
}

// TestBlocks tests every kind of invalid block, and valid blocks that compressors
// seldom write. Each stream is also read with much input behind it, because the
// method careful decodes the last bytes of the input.
func TestBlocks(t *testing.T) {
	const (
		litCode  = "the code of literals and lengths is incomplete or over-subscribed"
		distCode = "the code of distances is incomplete or over-subscribed"
		lenCode  = "the code of code lengths is incomplete or over-subscribed"
	)
	half := map[int]int{'a': 1, 256: 1} // 'a' is 0, the end is 1
	match := map[int]int{'a': 1, 256: 2, 257: 2}
	for _, tt := range []struct {
		name, want string
		s          *stream
		content    string
	}{
		{"reserved type", "a block has the reserved type: flate: corrupt input before offset 11", newStream().header(true, 3), ""},
		{"empty stored block", "", newStream().header(true, 0).bytes(0, 0, 255, 255), ""},
		{"empty stored blocks", "", newStream().header(false, 0).bytes(0, 0, 255, 255).header(true, 0).bytes(0, 0, 255, 255), ""},
		{"stored block", "", newStream().header(true, 0).bytes(1, 0, 254, 255, 'a'), "a"},
		{"stored lengths differ", "the two lengths of a stored block differ: flate: corrupt input before offset 15", newStream().header(true, 0).bytes(1, 0, 255, 255, 'a'), "a"},
		{"stored padding is not zero", "", newStream().header(true, 0).put(5, 31).bytes(1, 0, 254, 255, 'a'), "a"},
		{"fixed block", "", newStream().fixedBlock(true, sym('a'), sym(200)), "a\xc8"},
		{"fixed match", "", newStream().fixedBlock(true, sym('a'), sym(257), 0), "aaaa"},
		{"fixed longest match", "", newStream().fixedBlock(true, sym('a'), sym(285), 0), strings.Repeat("a", 259)},
		{"length 258 in two ways", "", newStream().fixedBlock(true, sym('a'), sym(284), 31, 0), strings.Repeat("a", 259)},
		{"fixed symbol 286", "a literal or length has a code without a meaning", newStream().fixedSymbols(true, sym(286), 0), ""},
		{"fixed symbol 287", "a literal or length has a code without a meaning", newStream().fixedSymbols(true, sym(287), 0), ""},
		{"fixed distance 30", "a distance has a code without a meaning", newStream().fixedSymbols(true, sym('a'), sym(257), 30), "a"},
		{"fixed distance 31", "a distance has a code without a meaning", newStream().fixedSymbols(true, sym('a'), sym(257), 31), "a"},
		{"match at the start", "a distance reaches back before the start", newStream().fixedBlock(true, sym(257), 0), ""},
		{"match one too far", "a distance reaches back before the start", newStream().fixedBlock(true, sym('a'), sym(257), 1), "a"},
		{"dynamic block", "", newStream().dynamic(true, lengthsOf(257, half), []int{0}).put(1, 0, 0, 1), "aa"},
		{"dynamic match", "", newStream().dynamic(true, lengthsOf(258, match), []int{1}).put(1, 0).code(3, 2).put(1, 0).code(2, 2), "aaaa"},
		{"other half of a lone distance", "a distance has a code without a meaning",
			newStream().dynamic(true, lengthsOf(258, match), []int{1}).put(1, 0).code(3, 2).put(1, 1).code(2, 2), "a"},
		{"match without distances", "a distance has a code without a meaning",
			newStream().dynamic(true, lengthsOf(258, match), []int{0}).put(1, 0).code(3, 2).put(1, 1).code(2, 2), "a"},
		{"only the end", "", newStream().dynamic(true, lengthsOf(257, map[int]int{256: 1}), []int{0}).put(1, 0), ""},
		{"other half of a lone end", "a literal or length has a code without a meaning",
			newStream().dynamic(true, lengthsOf(257, map[int]int{256: 1}), []int{0}).put(1, 1), ""},
		{"no literals at all", "a literal or length has a code without a meaning", newStream().dynamic(true, lengthsOf(257, nil), []int{0}), ""},
		{"lone end of two bits", litCode, newStream().dynamic(true, lengthsOf(257, map[int]int{256: 2}), []int{0}), ""},
		{"incomplete literals", litCode, newStream().dynamic(true, lengthsOf(257, map[int]int{1: 2, 256: 1}), []int{0}), ""},
		{"too many literals", litCode, newStream().dynamic(true, lengthsOf(257, map[int]int{1: 1, 2: 1, 256: 1}), []int{0}), ""},
		{"incomplete distances", distCode, newStream().dynamic(true, lengthsOf(257, half), []int{2, 2, 2}), ""},
		{"lone distance of two bits", distCode, newStream().dynamic(true, lengthsOf(257, half), []int{2}), ""},
		{"too many distances", distCode, newStream().dynamic(true, lengthsOf(257, half), []int{1, 1, 1}), ""},
		{"286 and 30 codes", "", newStream().dynamic(true, lengthsOf(286, half), make([]int, 30)).put(1, 1), ""},
		{"287 codes", "a block has too many codes", newStream().dynamic(true, lengthsOf(287, half), []int{0}).put(1, 1), ""},
		{"31 distances", "a block has too many codes", newStream().dynamic(true, lengthsOf(257, half), make([]int, 31)).put(1, 1), ""},
		{"no code of code lengths", "a code length has a code without a meaning", newStream().codeLens(true, 257, 1, nil), ""},
		{"incomplete code of code lengths", lenCode, newStream().codeLens(true, 257, 1, map[int]int{0: 1, 1: 2}), ""},
		{"too many code lengths", lenCode, newStream().codeLens(true, 257, 1, map[int]int{0: 1, 1: 1, 2: 1}), ""},
		{"lone code length", "a literal or length has a code without a meaning",
			newStream().codeLens(true, 257, 1, map[int]int{18: 1}).put(1, 0).put(7, 127).put(1, 0).put(7, 109), ""},
		{"other half of a lone code length", "a code length has a code without a meaning",
			newStream().codeLens(true, 257, 1, map[int]int{18: 1}).put(1, 1), ""},
		{"repeat of nothing", "the first code length repeats one before it", newStream().codeLens(true, 257, 1, map[int]int{16: 1, 0: 1}).put(1, 1, 1), ""},
		{"repeat over the end", "a code length is repeated too often",
			newStream().codeLens(true, 257, 1, map[int]int{18: 1}).put(1, 0).put(7, 127).put(1, 0).put(7, 110), ""},
		{"repeat from literals into distances", "",
			newStream().codeLens(true, 257, 2, map[int]int{18: 2, 1: 2, 16: 2, 0: 2}).
				code(3, 2).put(7, 127).code(3, 2).put(7, 106).code(1, 2).code(1, 2).code(0, 2).code(0, 2), ""},
		{"wrong checksum", "gzip: invalid checksum: what came out does not fit the trailer before byte 21", newStream().fixedBlock(true, sym('a')), "b"},
		{"wrong size", "invalid checksum", newStream().fixedBlock(true), "\x00\x00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			packed := tt.s.end(tt.content)
			compare(t, packed)
			if !strings.Contains(tt.name, "repeat from") {
				wantError(t, packed, tt.want)
			}
			compare(t, cat(packed, pack(t, plains()["noise"][:5000], 0)))
		})
	}
}

// TestRandomStreams: codes that no compressor chooses, whole and damaged.
func TestRandomStreams(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 600 {
		packed := randomStream(r)
		compare(t, packed)
		for range 2 {
			packed[10+r.IntN(len(packed)-10)] ^= 1 << r.IntN(8)
			compare(t, packed)
		}
		compare(t, packed[:r.IntN(len(packed))])
	}
}

// FuzzInflate compares with compress/gzip.
func FuzzInflate(f *testing.F) {
	for _, packed := range packings(f) {
		if len(packed) < 3000 {
			f.Add(packed)
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		f.Add(randomStream(r))
	}
	text := plains()["text"]
	f.Add(fullHeader())
	f.Add(pack(f, text[:2000], 6))
	f.Add(pack(f, text[:500], 0))
	f.Add(cat(pack(f, text[:200], 1), pack(f, nil, 6), pack(f, text[:900], 9)))
	f.Fuzz(func(t *testing.T, packed []byte) { compare(t, packed) })
}
