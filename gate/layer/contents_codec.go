package layer

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// The binary form: the magic and the version; what Read said; the number of
// records, then the records; the text; the findings; the remarks; the marks. Numbers are
// varints without leading zeros, strings and lists have their length in front.
// There is one form for each Contents, and the parser takes no other. Why a file
// matters is not written: it follows from the name, and with it which type of
// finding the file has.
//
// It is a form of our own because a warm run reads it for each layer of each
// image. For 50,000 files encoding/json/v2 takes 2.7 times as long with one list
// of numbers for each field, and 6 times with one object for each file, both
// before any check (go test -bench ParseContents; measured with Go 1.26.8). File
// names need not be UTF-8, which JSON could not hold either.
//
// A record begins with a byte: its kind in the lower four bits, and which of its
// further numbers are not zero in the upper four.

const (
	codecMagic = "igLC"

	hasLink    = 0x10 // the length of the link's target
	hasSize    = 0x20
	hasProgram = 0x40
	hasTwin    = 0x80
	kindMask   = 0x0f

	// minRecord is what the shortest record takes: the byte, shared and rest.
	minRecord = 3
)

// compressions are what Stats.Compression can be, in the order of their numbers.
func compressions() []string {
	return []string{"", compressionNone, compressionGzip, compressionZstd}
}

// MarshalBinary implements [encoding.BinaryMarshaler]. The same layer always
// has the same bytes. It fails for what [Read] would not have handed over.
func (c *Contents) MarshalBinary() ([]byte, error) {
	if !slices.Contains(compressions(), c.stats.Compression) || c.stats.Entries < len(c.records) {
		return nil, fmt.Errorf("the recorded layer has %d entries and cannot be stored as %+v", len(c.records), c.stats)
	}
	w := make(encoder, 0, len(c.text)+8*len(c.records)+1024)
	w.text(codecMagic)
	w.number(ContentsVersion)
	w.stats(c.stats)
	w.number(uint64(len(c.records)))
	for i := range c.records {
		w.record(&c.records[i])
	}
	w.string(c.text)
	for _, f := range c.findings {
		w.finding(f)
	}
	w.number(uint64(len(c.remarks)))
	last := uint32(0)
	for _, r := range c.remarks {
		w.number(uint64(r.record - last))
		w.string(r.detail)
		last = r.record
	}
	w.marks(c.marks)
	return w, nil
}

// encoder is the binary form as far as it is written.
type encoder []byte

func (w *encoder) text(s string)   { *w = append(*w, s...) }
func (w *encoder) byte(b byte)     { *w = append(*w, b) }
func (w *encoder) number(n uint64) { *w = binary.AppendUvarint(*w, n) }

func (w *encoder) string(s string) {
	w.number(uint64(len(s)))
	w.text(s)
}

func (w *encoder) list(list []string) {
	w.number(uint64(len(list)))
	for _, s := range list {
		w.string(s)
	}
}

func (w *encoder) stats(s Stats) {
	w.byte(byte(slices.Index(compressions(), s.Compression)))
	w.byte(bit(s.ChunkedTOC, 1))
	w.number(uint64(s.Compressed))
	w.number(uint64(s.Uncompressed))
	w.number(uint64(s.Entries))
}

func bit(set bool, value byte) byte {
	if set {
		return value
	}
	return 0
}

func (w *encoder) record(r *record) {
	w.byte(byte(r.kind) | bit(r.link != 0, hasLink) | bit(r.size != 0, hasSize) |
		bit(r.program != 0, hasProgram) | bit(r.twin != 0, hasTwin))
	w.number(uint64(r.shared))
	w.number(uint64(r.rest))
	if r.link != 0 {
		w.number(uint64(r.link))
	}
	if r.size != 0 {
		w.number(uint64(r.size))
	}
	if r.program != 0 {
		w.byte(byte(r.program))
	}
	if r.twin != 0 {
		w.number(uint64(r.twin))
	}
}

func (w *encoder) finding(f finding) {
	switch f := f.(type) {
	case *textFacts:
		w.string(f.problem)
		w.string(string(f.text))
	case *listFacts:
		w.string(f.problem)
		w.list(f.paths)
	case *tocFacts:
		w.string(f.problem)
	case *databaseFacts:
		w.string(f.problem)
		w.number(uint64(f.count))
		w.list(f.ids)
		w.number(uint64(len(f.packages)))
		for _, p := range f.packages {
			w.string(p.name)
			w.list(p.files)
		}
		w.list(f.absent)
		w.list(f.provides)
	}
}

// printable reports whether text is fit to be shown: problems are worded by us,
// from names that are quoted.
func printable(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}
