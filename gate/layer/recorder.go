package layer

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"slices"
	"strings"
)

// maxText bounds the memory for names and link targets, of one layer and of the
// whole image.
const maxText = 512 << 20

var errText = fmt.Errorf("the names and link targets of the image take more than %d MiB", maxText>>20)

// Recorder records the contents of one layer while [Read] streams it. It is not
// safe for concurrent use. Layers that are read at the same time each need a
// Recorder of their own.
type Recorder struct {
	limits Limits
	paths  *decidingPaths
	seed   maphash.Seed
	hashed hashed
	head   [peekSize]byte

	c    Contents
	text strings.Builder
	dir  string // of the entry before
	kept int64  // bytes of content held in memory
	used int64  // bytes of names, link targets and remarks
	sums []sum
	toc  tocCheck
}

// sum identifies the content of a file that was read to its end. It is a hash
// with a random key, so that an attacker cannot produce collisions. It is never
// stored, because the key is different in every run.
type sum struct {
	sum    uint64
	size   int64
	record int
}

// NewRecorder returns a recorder for one layer.
func NewRecorder(l Limits) *Recorder {
	r := &Recorder{limits: l, paths: newDecidingPaths(), seed: maphash.MakeSeed()}
	r.hashed.sum.SetSeed(r.seed)
	return r
}

// Visit notes one entry. It may leave part of body unread: of most files it reads
// no more than the first 64 bytes, of those that decide, all. An error means that
// the layer cannot be judged.
func (r *Recorder) Visit(e *Entry, body io.Reader) error {
	if int64(len(r.c.records)) >= r.limits.Entries {
		return &LimitError{"entries", r.limits.Entries, "the image's number of files"}
	}
	r.scannerKey(e.Name)
	r.overlayXattrs(e)
	r.mark(e)
	rec := record{kind: e.Type, link: uint32(len(e.Linkname))}
	if e.Type == File {
		if err := r.file(&rec, e, body); err != nil {
			return err
		}
	}
	shared := sharedDir(r.dir, e.Name)
	rec.shared, rec.rest = uint32(shared), uint32(len(e.Name)-shared)
	r.dir, _ = cutBase(e.Name)
	if r.used += int64(rec.rest) + int64(rec.link); r.used > maxText {
		return errText
	}
	r.text.WriteString(e.Name[shared:])
	r.text.WriteString(e.Linkname)
	r.c.records = append(r.c.records, rec)
	return nil
}

// Archive notes that the file of the last entry is an archive which the scanner opens
// because of its content.
func (r *Recorder) Archive() {
	switch p := &r.c.records[len(r.c.records)-1].program; *p {
	case programNone:
		*p = programArchive
	case programScript:
		*p = programScriptArchive
	}
}

// Entries returns how many entries were visited.
func (r *Recorder) Entries() int { return len(r.c.records) }

// Files returns which of the visited entries are files with names that are asked for.
func (r *Recorder) Files(asked func(name string) bool) map[string][]int {
	found := map[string][]int{}
	c := Contents{records: r.c.records, text: r.text.String()}
	c.each(func(rec *record, k *cursor) {
		if name := k.name(); rec.kind == File && asked(name) {
			found[name] = append(found[name], k.next-1)
		}
	})
	return found
}

// Finish returns what the layer holds. It must be called only after [Read] has
// returned nil, with what it returned; the recorder must not be used afterwards.
func (r *Recorder) Finish(stats Stats) *Contents {
	r.twins()
	r.c.stats = stats
	// Text and records keep their room for more, a quarter at most: a copy without it
	// would double what a layer of many files needs just before it is merged.
	r.c.text = r.text.String()
	return &r.c
}

// twins numbers the contents that more than one file has.
func (r *Recorder) twins() {
	slices.SortFunc(r.sums, func(a, b sum) int {
		return cmp.Or(cmp.Compare(a.sum, b.sum), cmp.Compare(a.size, b.size), cmp.Compare(a.record, b.record))
	})
	first := make(map[int]int) // record -> the first that is like it
	for i := 1; i < len(r.sums); i++ {
		a, b := r.sums[i-1], r.sums[i]
		if a.sum != b.sum || a.size != b.size {
			continue
		}
		if _, ok := first[a.record]; !ok {
			first[a.record] = a.record
		}
		first[b.record] = first[a.record]
	}
	numbers := make(map[int]uint32)
	// Number the twins in the order of the archive. The order of the sums depends
	// on the random seed.
	for _, record := range slices.Sorted(maps.Keys(first)) {
		n, ok := numbers[first[record]]
		if !ok {
			n = uint32(len(numbers) + 1)
			numbers[first[record]] = n
		}
		r.c.records[record].twin = n
	}
}

// remark adds a reason to distrust the entry that is recorded next.
func (r *Recorder) remark(detail string) {
	r.used += int64(len(detail))
	r.c.remarks = append(r.c.remarks, remark{uint32(len(r.c.records)), detail})
}

// scannerKey adds a remark for a name that collides with the internal keys of
// Trivy's applier (trivy pkg/fanal/applier/docker.go). The applier stores the
// results of a file under the key FILE/type:KIND, in the same tree as the paths.
// A whiteout with such a name deletes the packages of a whole database.
func (r *Recorder) scannerKey(name string) {
	if strings.IndexByte(name, ':') < 0 {
		return
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, "type:") || strings.HasPrefix(part, "custom:") {
			r.remark("the name is one that the scanner uses for itself; it would make it forget what it has read")
			return
		}
	}
}

// overlayXattrs adds a remark for the attributes with which the overlay file
// system hides and redirects files. Scanners ignore them.
func (r *Recorder) overlayXattrs(e *Entry) {
	if len(e.Xattrs) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(e.Xattrs)) {
		if strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.") {
			r.remark(fmt.Sprintf("the attribute %s makes the overlay file system hide or redirect it", quote(name)))
		}
	}
}
