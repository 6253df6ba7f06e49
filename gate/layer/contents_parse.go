package layer

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// ParseContents reads the binary form of [Contents.MarshalBinary]. The bytes need
// not be trusted: it refuses everything that MarshalBinary would write in another
// form, and its memory is bounded by a small multiple of len(data). The caller
// has to verify that the bytes belong to this layer and have a trusted author.
func ParseContents(data []byte) (*Contents, error) {
	d := &decoder{rest: string(data)}
	c, err := d.contents()
	if err != nil {
		return nil, fmt.Errorf("the recorded layer cannot be read at byte %d of %d: %w", len(data)-len(d.rest), len(data), err)
	}
	return c, nil
}

var (
	errCutOff = errors.New("it is cut off")
	errNumber = errors.New("a number is too large, or is not written in its shortest form")
	errName   = errors.New("a name is none that a layer could have")
	errRecord = errors.New("an entry is of no known kind, or has what its kind cannot have")
	errOrder  = errors.New("a list is not in order")
)

// decoder reads a binary form. After the first error it takes nothing more and
// returns zeros, so that only what allocates by a number has to look at err. Strings
// that it returns are part of rest.
type decoder struct {
	rest string
	err  error
}

// fail notes an error, if it is the first.
func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) contents() (*Contents, error) {
	if !strings.HasPrefix(d.rest, codecMagic) {
		return nil, errors.New("it does not begin like a recorded layer")
	}
	d.rest = d.rest[len(codecMagic):]
	if version := d.number(math.MaxInt64); d.err == nil && version != ContentsVersion {
		return nil, fmt.Errorf("it has the version %d, not %d", version, ContentsVersion)
	}
	c := &Contents{}
	for _, part := range []func(*Contents){d.stats, d.records, d.names, d.findings, d.remarks, d.marks} {
		if d.err == nil {
			part(c)
		}
	}
	if d.rest != "" {
		d.fail(errors.New("more follows than belongs to it"))
	}
	return c, d.err
}

func (d *decoder) byte(limit byte) byte {
	if d.rest == "" {
		d.fail(errCutOff)
	} else if d.rest[0] > limit {
		d.fail(errRecord)
	}
	if d.err != nil {
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

// number reads a varint up to limit.
func (d *decoder) number(limit uint64) uint64 {
	if d.err != nil {
		return 0
	}
	var n uint64
	for i := 0; i < len(d.rest) && i < 10; i++ {
		b := d.rest[i]
		if n |= uint64(b&0x7f) << (7 * i); b&0x80 != 0 {
			continue
		}
		if b == 0 && i > 0 || i == 9 && b > 1 || n > limit {
			d.err = errNumber
			return 0
		}
		d.rest = d.rest[i+1:]
		return n
	}
	d.err = errCutOff
	if len(d.rest) >= 10 {
		d.err = errNumber
	}
	return 0
}

// count reads how many things follow that take at least size bytes each.
func (d *decoder) count(size int) int {
	n := d.number(math.MaxInt64)
	if n > uint64(len(d.rest)/size) {
		d.fail(errCutOff)
		return 0
	}
	return int(n)
}

// length reads the length of a part of a name, or another number that must not be
// less than least.
func (d *decoder) length(least uint64) uint32 {
	n := d.number(math.MaxUint32)
	if n < least {
		d.fail(errNumber)
	}
	return uint32(n)
}

func (d *decoder) string() string {
	n := d.count(1)
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

// list reads strings, which are nil when there are none.
func (d *decoder) list() []string {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = d.string()
	}
	return list
}

// set reads strings that are sorted and all different.
func (d *decoder) set() []string {
	list := d.list()
	for i := 1; i < len(list); i++ {
		if list[i-1] >= list[i] {
			d.fail(errOrder)
		}
	}
	return list
}

func (d *decoder) problem() string {
	s := d.string()
	if !printable(s) {
		d.fail(errName)
	}
	return s
}

func (d *decoder) stats(c *Contents) {
	c.stats = Stats{
		Compression: compressions()[d.byte(byte(len(compressions())-1))], ChunkedTOC: d.byte(1) == 1,
		Compressed: int64(d.number(math.MaxInt64)), Uncompressed: int64(d.number(math.MaxInt64)), Entries: int(d.number(math.MaxInt32)),
	}
}

// records reads the records; their names come later.
func (d *decoder) records(c *Contents) {
	n := d.count(minRecord)
	if n > c.stats.Entries {
		d.fail(errRecord) // or the entries would not be accounted for
	}
	if n == 0 || d.err != nil {
		return
	}
	c.records = make([]record, n)
	twins := uint32(0)
	for i := range c.records {
		r := &c.records[i]
		if d.record(r); r.twin > twins+1 {
			d.fail(errOrder)
		}
		if d.err != nil {
			return
		}
		twins = max(twins, r.twin)
	}
}

func (d *decoder) record(r *record) {
	head := d.byte(0xff)
	r.kind = Type(head & kindMask)
	if r.kind < File || r.kind > Fifo || r.kind != File && head&(hasSize|hasProgram|hasTwin) != 0 ||
		(r.kind == Symlink || r.kind == Hardlink) != (head&hasLink != 0) {
		d.fail(errRecord)
	}
	r.shared, r.rest = d.length(0), d.length(0)
	if head&hasLink != 0 {
		r.link = d.length(1)
	}
	if head&hasSize != 0 {
		if r.size = int64(d.number(math.MaxInt64)); r.size == 0 {
			d.fail(errNumber)
		}
	}
	if head&hasProgram != 0 {
		if r.program = programType(d.byte(byte(programScriptArchive))); r.program == 0 {
			d.fail(errRecord)
		}
	}
	if head&hasTwin != 0 {
		r.twin = d.length(1)
	}
}

// findings reads one for each record that has one.
func (d *decoder) findings(c *Contents) {
	for i := range c.records {
		if f := newFinding(c.records[i].class); f != nil && d.err == nil {
			d.finding(f)
			c.findings = append(c.findings, f)
		}
	}
}

func (d *decoder) finding(f finding) {
	problem := d.problem()
	switch f := f.(type) {
	case *textFacts:
		f.problem = problem
		if text := d.string(); problem == "" {
			f.text = []byte(text)
		} else if text != "" {
			d.fail(errRecord)
		}
	case *listFacts:
		f.problem, f.paths = problem, d.list()
	case *tocFacts:
		f.problem = problem
	case *databaseFacts:
		f.problem = problem
		d.database(f)
	}
}

func (d *decoder) database(f *databaseFacts) {
	f.count, f.ids = int(d.number(math.MaxInt32)), d.set()
	if f.kind != TypeRPM && f.count != len(f.ids) {
		d.fail(errRecord)
	}
	if n := d.count(2); n > 0 {
		f.packages = make([]pkg, n)
	}
	for i := range f.packages {
		f.packages[i] = pkg{name: d.string(), files: d.list()}
		if i > 0 && f.packages[i-1].name >= f.packages[i].name {
			d.fail(errOrder)
		}
	}
	f.absent, f.provides = d.set(), d.set()
}

func (d *decoder) remarks(c *Contents) {
	at := uint64(0)
	for range d.count(2) {
		if at += d.number(math.MaxUint32); at >= uint64(len(c.records)) {
			d.fail(errOrder)
			return
		}
		c.remarks = append(c.remarks, remark{uint32(at), d.problem()})
	}
	c.remarks = slices.Clip(c.remarks)
}
