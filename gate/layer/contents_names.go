package layer

import (
	"bytes"
	"strings"
)

// maxName is the longest name that is read back. Links aside, no kernel takes a
// path of more than 4096 bytes; without a limit, names that each share all of the
// one before would add up to the square of the bytes read.
const maxName = 64 << 10

// names reads the text, and checks that each name is one that Read could have
// handed over: the merge relies on it.
func (d *decoder) names(c *Contents) {
	text := d.string()
	if len(text) > maxText {
		d.fail(errName)
	}
	if d.err != nil {
		return
	}
	text = strings.Clone(text) // not to hold on to the records
	c.text, d.rest = text, strings.Clone(d.rest)
	paths, at := newDecidingPaths(), lastName{}
	for i := range c.records {
		r := &c.records[i]
		if uint64(r.rest)+uint64(r.link) > uint64(len(text)) {
			d.fail(errName)
			return
		}
		rest, link := text[:r.rest], text[r.rest:r.rest+r.link]
		text = text[r.rest+r.link:]
		if !at.follow(rest, int(r.shared)) || !at.fits(r.kind) || r.kind == Hardlink && !isClean(link) {
			d.fail(errName)
			return
		}
		if r.kind != File {
			continue
		}
		if r.class = paths.classify(string(at.name)); r.class == classNone && !r.program.compiled() && r.twin != 0 {
			d.fail(errRecord)
		}
	}
	if text != "" {
		d.fail(errName)
	}
}

// lastName is the name of the record before.
type lastName struct {
	name []byte
	dir  int // bytes of name that are the directory
}

// follow goes to the next name. It reports false when the name is not clean, or
// could have shared more, or less.
func (l *lastName) follow(rest string, shared int) bool {
	dir := l.name[:l.dir]
	switch {
	case shared > len(dir)+1, shared == len(dir)+1 && len(dir) == 0, shared > 0 && shared <= len(dir) && dir[shared-1] != '/':
		return false
	case shared+len(rest) > maxName, shared > 0 && rest == "", rest != "" && !isClean(rest):
		return false
	}
	first, _, more := strings.Cut(rest, "/")
	if more && shared <= len(dir) {
		if next, _, _ := bytes.Cut(dir[shared:], []byte("/")); string(next) == first {
			return false // it could have shared this component, too
		}
	}
	l.name = append(l.name[:shared], rest...)
	l.dir = max(bytes.LastIndexByte(l.name, '/'), 0)
	return true
}

// fits: only the root directory has no name, and only as a directory.
func (l *lastName) fits(k Type) bool {
	return len(l.name) > 0 || k == Dir || k == Opaque
}
