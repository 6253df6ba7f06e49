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

// decoder reads a binary form; strings that it returns are part of rest.
type decoder struct{ rest string }

func (d *decoder) contents() (*Contents, error) {
	if !strings.HasPrefix(d.rest, codecMagic) {
		return nil, errors.New("it does not begin like a recorded layer")
	}
	d.rest = d.rest[len(codecMagic):]
	version, err := d.number(math.MaxInt64)
	if err != nil {
		return nil, err
	}
	if version != ContentsVersion {
		return nil, fmt.Errorf("it has the version %d, not %d", version, ContentsVersion)
	}
	c := &Contents{}
	for _, part := range []func(*Contents) error{d.stats, d.records, d.names, d.findings, d.remarks, d.marks} {
		if err := part(c); err != nil {
			return nil, err
		}
	}
	if d.rest != "" {
		return nil, errors.New("more follows than belongs to it")
	}
	return c, nil
}

func (d *decoder) byte(limit byte) (byte, error) {
	if d.rest == "" {
		return 0, errCutOff
	}
	b := d.rest[0]
	if b > limit {
		return 0, errRecord
	}
	d.rest = d.rest[1:]
	return b, nil
}

// number reads a varint up to limit.
func (d *decoder) number(limit uint64) (uint64, error) {
	var n uint64
	for i := 0; i < len(d.rest) && i < 10; i++ {
		b := d.rest[i]
		if n |= uint64(b&0x7f) << (7 * i); b&0x80 != 0 {
			continue
		}
		if b == 0 && i > 0 || i == 9 && b > 1 || n > limit {
			return 0, errNumber
		}
		d.rest = d.rest[i+1:]
		return n, nil
	}
	if len(d.rest) >= 10 {
		return 0, errNumber
	}
	return 0, errCutOff
}

// count reads how many things follow that take at least size bytes each.
func (d *decoder) count(size int) (int, error) {
	n, err := d.number(math.MaxInt64)
	if err == nil && n > uint64(len(d.rest)/size) {
		err = errCutOff
	}
	return int(n), err
}

func (d *decoder) string() (string, error) {
	n, err := d.count(1)
	if err != nil {
		return "", err
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s, nil
}

// list reads strings, which are nil when there are none.
func (d *decoder) list() ([]string, error) {
	n, err := d.count(1)
	if err != nil || n == 0 {
		return nil, err
	}
	list := make([]string, n)
	for i := range list {
		if list[i], err = d.string(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// set reads strings that are sorted and all different.
func (d *decoder) set() ([]string, error) {
	list, err := d.list()
	for i := 1; i < len(list); i++ {
		if list[i-1] >= list[i] {
			return nil, errOrder
		}
	}
	return list, err
}

func (d *decoder) problem() (string, error) {
	s, err := d.string()
	if err == nil && !printable(s) {
		err = errName
	}
	return s, err
}

func (d *decoder) stats(c *Contents) error {
	compression, err := d.byte(byte(len(compressions()) - 1))
	if err != nil {
		return err
	}
	chunked, err := d.byte(1)
	if err != nil {
		return err
	}
	var n [3]uint64
	for i := range n {
		if n[i], err = d.number(math.MaxInt64); err != nil {
			return err
		}
	}
	if n[2] > math.MaxInt32 {
		return errNumber
	}
	c.stats = Stats{
		Compression: compressions()[compression], ChunkedTOC: chunked == 1,
		Compressed: int64(n[0]), Uncompressed: int64(n[1]), Entries: int(n[2]),
	}
	return nil
}

// findings reads one for each record that has one.
func (d *decoder) findings(c *Contents) error {
	for i := range c.records {
		f := newFinding(c.records[i].class)
		if f == nil {
			continue
		}
		if err := d.finding(f); err != nil {
			return err
		}
		c.findings = append(c.findings, f)
	}
	return nil
}

func (d *decoder) finding(f finding) error {
	problem, err := d.problem()
	if err != nil {
		return err
	}
	switch f := f.(type) {
	case *textFacts:
		f.problem = problem
		err = d.smallText(f)
	case *listFacts:
		f.problem = problem
		f.paths, err = d.list()
	case *tocFacts:
		f.problem = problem
	case *databaseFacts:
		f.problem = problem
		err = d.database(f)
	}
	return err
}

func (d *decoder) smallText(f *textFacts) error {
	text, err := d.string()
	switch {
	case err != nil:
		return err
	case f.problem == "":
		f.text = []byte(text)
	case text != "":
		return errRecord
	}
	return nil
}

func (d *decoder) database(f *databaseFacts) error {
	n, err := d.number(math.MaxInt32)
	if err != nil {
		return err
	}
	f.count = int(n)
	if f.ids, err = d.set(); err != nil {
		return err
	}
	if f.kind != TypeRPM && f.count != len(f.ids) {
		return errRecord
	}
	if err := d.packages(f); err != nil {
		return err
	}
	if f.absent, err = d.set(); err != nil {
		return err
	}
	f.provides, err = d.set()
	return err
}

func (d *decoder) packages(f *databaseFacts) error {
	n, err := d.count(2)
	if err != nil || n == 0 {
		return err
	}
	f.packages = make([]pkg, n)
	for i := range f.packages {
		p := &f.packages[i]
		if p.name, err = d.string(); err != nil {
			return err
		}
		if p.files, err = d.list(); err != nil {
			return err
		}
		if i > 0 && f.packages[i-1].name >= p.name {
			return errOrder
		}
	}
	return nil
}

func (d *decoder) remarks(c *Contents) error {
	n, err := d.count(2)
	if err != nil {
		return err
	}
	at := uint64(0)
	for range n {
		step, err := d.number(math.MaxUint32)
		if err != nil {
			return err
		}
		if at += step; at >= uint64(len(c.records)) {
			return errOrder
		}
		detail, err := d.problem()
		if err != nil {
			return err
		}
		c.remarks = append(c.remarks, remark{uint32(at), detail})
	}
	c.remarks = slices.Clip(c.remarks)
	return nil
}
