package layer

// node is one name of a file system.
type node struct {
	name string
	link string // text of a symbolic link
	file *file  // content of a regular file, shared by hard links
	// The neighbours in the same directory, and the first entry of this directory.
	prev, next, kids *node
	// layer is the last one that touched the name.
	layer int32
	// pruned is one more than the last layer whose whiteouts have emptied this
	// directory. A layer that repeats a whiteout a million times must not cause a
	// million walks.
	pruned  int32
	count   int32 // of kids
	indexed bool  // the kids are in names.index
	kind    Type
	hard    bool   // the name is a hard link in its layer
	rights  rights // of a directory
}

// file is the content of one regular file of one layer.
type file struct {
	path    string // its first path; only set for a deciding file
	facts   finding
	size    int64
	layer   int32
	twin    uint32 // see record
	class   class
	program programType
	scanned bool // the scanner has read it, and it has not been deleted since
	rights  rights
	// plain says that only the layer matters, and whether the file is empty. All such
	// files of a layer, which are nearly all of its files, are one or the other of two.
	plain bool
}

// maxUnindexed is how many names a directory has before they are indexed.
const maxUnindexed = 16

// names are the nodes of one file system. The entries of all large directories
// are indexed in one map. The entries of a small directory are searched one by
// one. A map for each directory would take most of the time and the memory of a
// merge.
type names struct {
	root  *node
	index map[edge]*node
	// cuts counts the removed names. While it does not change, every node that a
	// path has resolved to is still in the tree.
	cuts int
}

type edge struct {
	dir  *node
	name string
}

func newNames() *names {
	return &names{root: &node{kind: Dir, layer: noLayer}, index: make(map[edge]*node)}
}

// kid returns the entry of dir with this name, or nil.
func (f *names) kid(dir *node, name string) *node {
	if dir.indexed {
		return f.index[edge{dir, name}]
	}
	for kid := dir.kids; kid != nil; kid = kid.next {
		if kid.name == name {
			return kid
		}
	}
	return nil
}

// add puts n into dir, which has nothing of this name.
func (f *names) add(dir *node, name string, n *node) {
	n.name, n.next = name, dir.kids
	if n.next != nil {
		n.next.prev = n
	}
	dir.kids = n
	if dir.count++; dir.indexed {
		f.index[edge{dir, name}] = n
		return
	}
	if dir.count > maxUnindexed {
		dir.indexed = true
		for kid := dir.kids; kid != nil; kid = kid.next {
			f.index[edge{dir, kid.name}] = kid
		}
	}
}

// remove takes n out of dir; it must have nothing below it.
func (f *names) remove(dir, n *node) {
	f.cuts++
	if dir.count--; dir.indexed {
		delete(f.index, edge{dir, n.name})
	}
	if n.next != nil {
		n.next.prev = n.prev
	}
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		dir.kids = n.next
	}
	n.prev, n.next = nil, nil
}

// parts yields the components of a clean path.
func parts(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for start := 0; start < len(path); {
			end := start
			for end < len(path) && path[end] != '/' {
				end++
			}
			if !yield(path[start:end]) {
				return
			}
			start = end + 1
		}
	}
}
