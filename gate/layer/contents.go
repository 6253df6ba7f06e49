package layer

import "strings"

// ContentsVersion is the version of what a [Contents] means, and of its binary
// form. It is raised whenever the same layer would be recorded differently: when
// classify assigns another class to a file, when a database is counted
// differently, and when the wording of a problem changes.
const ContentsVersion = 7

// Contents are the contents of one layer. They do not depend on the image. They
// include neither the layer's place in an image nor its diffID, which are
// arguments of [Tree.Merge].
//
// They depend on the stored bytes of the layer, on [Limits.FileSize], above which
// a file is not parsed, and on [ContentsVersion]. The key of a cache must
// therefore include the layer's digest and its diffID: the same archive
// compressed in two ways has two different Stats. The other limits only decide
// whether the layer is accepted; [Budget.Known] applies them to a layer that is
// not read again.
//
// A Contents is immutable. Any number of trees may merge it at the same time.
type Contents struct {
	stats    Stats
	records  []record
	text     string    // names and link targets, see cursor
	findings []finding // of the records that have one, in their order
	remarks  []remark  // by record
	marks    []mark    // by record
}

// record is one entry of the layer. Layers have a hundred thousand of them.
type record struct {
	size   int64  // of a file
	shared uint32 // bytes of the name before, up to a slash, with which the name begins
	rest   uint32 // bytes of the name in Contents.text
	link   uint32 // bytes of the link's target in Contents.text
	// twin numbers the contents that several files of the layer have: those with
	// the same number are alike. It is 0 for a file that is like no other, and for
	// one that was not read to its end.
	twin    uint32
	kind    Type
	class   class
	program programType
}

// remark is a reason to distrust the layer, at one of its entries.
type remark struct {
	record uint32
	detail string
}

// Stats is what [Read] has said about the layer.
func (c *Contents) Stats() Stats { return c.stats }

// cursor iterates over the names of records. A name is stored without the
// directory that it shares with the name before. Archives list one directory
// after the other, so the stored part is seldom more than the last component.
type cursor struct {
	next int // record
	off  int // in the text
	// The entry is dir/base, and link is its target.
	dir, base, link string
}

// step advances to the next record, which must exist.
func (k *cursor) step(records []record, text string) *record {
	r := &records[k.next]
	k.next++
	rest := text[k.off : k.off+int(r.rest)]
	k.off += len(rest)
	k.link = text[k.off : k.off+int(r.link)]
	k.off += len(k.link)
	k.dir, k.base = resume(k.dir, rest, int(r.shared))
	return r
}

// resume puts together the directory and the base of a name.
func resume(dir, rest string, shared int) (newDir, base string) {
	slash := strings.LastIndexByte(rest, '/')
	switch base = rest[slash+1:]; {
	case shared == 0:
		return rest[:max(slash, 0)], base
	case slash < 0:
		return dir[:shared-1], base
	case shared > len(dir):
		return dir + "/" + rest[:slash], base
	}
	return dir[:shared] + rest[:slash], base
}

// name is the whole name of the entry.
func (k *cursor) name() string { return joinName(k.dir, k.base) }

// sharedDir returns how many bytes of a name need not be stored when dir is the
// directory of the name before it. It counts whole components only, so that each
// base name is stored in one piece.
func sharedDir(dir, name string) int {
	shared := 0
	for i := 0; i < len(dir) && i < len(name) && dir[i] == name[i]; i++ {
		if dir[i] == '/' {
			shared = i + 1
		}
	}
	if dir != "" && len(name) > len(dir) && name[len(dir)] == '/' && name[:len(dir)] == dir {
		return len(dir) + 1
	}
	return shared
}

// cutBase splits a clean name.
func cutBase(name string) (dir, base string) {
	slash := strings.LastIndexByte(name, '/')
	return name[:max(slash, 0)], name[slash+1:]
}
