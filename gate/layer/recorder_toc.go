package layer

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io"
	"strconv"
	"strings"
)

// tocCheck compares an estargz table of contents with the archive. Runtimes
// that pull lazily mount what the table lists, and scanners read the archive.
// It compares sums of keyed hashes, so that it need not keep the lists. The key
// is secret, so an image author cannot make two different lists with the same
// sum.
type tocCheck struct {
	at    cursor // the next entry to add
	marks int    // how many marks belong to entries before it
	sum   uint64
}

// add adds the entries of the archive that have been recorded so far. It is only
// called for layers with a table of contents.
func (c *tocCheck) add(seed maphash.Seed, records []record, marks []mark, text string) {
	for c.at.next < len(records) {
		rec := c.at.step(records, text)
		var right rights
		for len(marks) > c.marks && int(marks[c.marks].record) < c.at.next {
			right = marks[c.marks].rights
			c.marks++
		}
		name := c.at.name()
		switch {
		case name == tocName, name == "" && rec.kind == Dir:
			continue
		case rec.kind == Whiteout:
			name = joinName(c.at.dir, whiteoutPrefix+c.at.base)
		case rec.kind == Opaque:
			name = joinName(name, opaqueName)
		}
		c.sum += tocHash(seed, name, tocType(rec.kind), rec.size, c.at.link, right)
	}
}

// Postpone notes a hard link at its place in the archive, for the table of contents
// that may follow. Its caller visits it later, as a file with the content of its
// target.
func (r *Recorder) Postpone(e *Entry) {
	right, _ := rightsOf(e)
	r.toc.sum += tocHash(r.seed, e.Name, tocType(e.Type), 0, e.Linkname, right)
}

func tocType(t Type) string {
	switch t {
	case Dir:
		return "dir"
	case Symlink:
		return "symlink"
	case Hardlink:
		return "hardlink"
	case Device:
		return "device"
	case Fifo:
		return "fifo"
	}
	return "reg"
}

func tocHash(seed maphash.Seed, name, kind string, size int64, link string, right rights) uint64 {
	if kind != "reg" {
		size = 0
	}
	return maphash.String(seed, name+"\x00"+kind+"\x00"+strconv.FormatInt(size, 10)+"\x00"+link+"\x00"+string(rune(right)))
}

// tocEntry is one entry of stargz.index.json.
type tocEntry struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Size     int64  `json:"size"`
	LinkName string `json:"linkName"`
	// Mode has the bits of a tar header.
	Mode   int64             `json:"mode"`
	Xattrs map[string][]byte `json:"xattrs"`
}

// rights are what the runtime gives that mounts by the table. A whiteout has none,
// whatever its mode.
func (e *tocEntry) rights() rights {
	if strings.HasPrefix(baseOf(e.Name), whiteoutPrefix) {
		return 0
	}
	entry := &Entry{Mode: (&tar.Header{Mode: e.Mode}).FileInfo().Mode(), Type: File, Xattrs: map[string]string{}}
	switch e.Type {
	case "dir":
		entry.Type = Dir
	case "reg", "hardlink":
		if value := e.Xattrs[capabilityXattr]; len(value) > 0 {
			entry.Xattrs[capabilityXattr] = string(value)
		}
	default:
		return 0
	}
	right, _ := rightsOf(entry)
	return right
}

// readTOC compares the table with the entries before it. The table is the last
// entry of the archive.
func (r *Recorder) readTOC(e *Entry, body io.Reader) (finding, error) {
	if e.Size > r.limits.FileSize {
		return &tocFacts{fmt.Sprintf("the table of contents is larger than %d bytes", r.limits.FileSize)}, nil
	}
	said, err := tocSum(r.seed, body)
	r.toc.add(r.seed, r.c.records, r.c.marks, r.text.String())
	switch {
	case isReadError(err):
		return nil, err
	case err != nil:
		return &tocFacts{fmt.Sprintf("the table of contents cannot be read: %v", err)}, nil
	case said != r.toc.sum:
		return &tocFacts{"the table of contents lists other files than the layer has; runtimes that pull lazily would run what no scanner sees"}, nil
	}
	return &tocFacts{}, nil
}

func tocSum(seed maphash.Seed, r io.Reader) (uint64, error) {
	d := json.NewDecoder(&marked{r})
	if err := seekEntries(d); err != nil {
		return 0, err
	}
	var sum uint64
	for d.More() {
		var e tocEntry
		if err := d.Decode(&e); err != nil {
			return 0, err
		}
		name, err := cleanName(e.Name)
		if err != nil {
			return 0, err
		}
		switch e.Type {
		case "chunk":
			continue // a further part of the file before it
		case "dir":
			if name == "" {
				continue
			}
		case "char", "block":
			e.Type = "device"
		case "hardlink":
			if e.LinkName, err = cleanName(e.LinkName); err != nil {
				return 0, err
			}
		}
		sum += tocHash(seed, name, e.Type, e.Size, e.LinkName, e.rights())
	}
	return sum, nil
}

// seekEntries reads up to the opening bracket of "entries".
func seekEntries(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return err
	}
	for {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if key == "entries" {
			_, err = d.Token()
			return err
		}
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return err
		}
	}
}
