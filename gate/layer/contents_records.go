package layer

import (
	"math"
)

// records reads the records; their names come later.
func (d *decoder) records(c *Contents) error {
	n, err := d.count(minRecord)
	if err != nil || n == 0 {
		return err
	}
	if n > c.stats.Entries {
		return errRecord // or the entries would not be accounted for
	}
	c.records = make([]record, n)
	twins := uint32(0)
	for i := range c.records {
		r := &c.records[i]
		if err := d.record(r); err != nil {
			return err
		}
		if r.twin > twins+1 {
			return errOrder
		}
		twins = max(twins, r.twin)
	}
	return nil
}

func (d *decoder) record(r *record) error {
	head, err := d.byte(0xff)
	if err != nil {
		return err
	}
	r.kind = Type(head & kindMask)
	if r.kind < File || r.kind > Fifo {
		return errRecord
	}
	if r.kind != File && head&(hasSize|hasProgram|hasTwin) != 0 || (r.kind == Symlink || r.kind == Hardlink) != (head&hasLink != 0) {
		return errRecord
	}
	if r.shared, err = d.length(0); err != nil {
		return err
	}
	if r.rest, err = d.length(0); err != nil {
		return err
	}
	if head&hasLink != 0 {
		if r.link, err = d.length(1); err != nil {
			return err
		}
	}
	if r.kind == File && head&^kindMask != 0 {
		return d.fileRecord(r, head)
	}
	return nil
}

// length reads the length of a part of a name.
func (d *decoder) length(least uint64) (uint32, error) {
	n, err := d.number(math.MaxUint32)
	if err == nil && n < least {
		err = errNumber
	}
	return uint32(n), err
}

// fileRecord reads what only files have.
func (d *decoder) fileRecord(r *record, head byte) error {
	if head&hasSize != 0 {
		size, err := d.number(math.MaxInt64)
		if err != nil || size == 0 {
			return errNumber
		}
		r.size = int64(size)
	}
	if head&hasProgram != 0 {
		p, err := d.byte(byte(programScriptArchive))
		if err != nil || p == 0 {
			return errRecord
		}
		r.program = programType(p)
	}
	if head&hasTwin != 0 {
		twin, err := d.length(1)
		if err != nil {
			return err
		}
		r.twin = twin
	}
	return nil
}
