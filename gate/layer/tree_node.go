package layer

import "hash/maphash"

// node is one name of a file system. Images have hundreds of thousands of them.
type node struct {
	name string
	link string   // text of a symbolic link
	file *file    // content of a regular file, shared by hard links
	kids *entries // of a directory; nil if it never had any
	// layer is the last one that touched the name.
	layer  int32
	kind   Type
	hard   bool   // the name is a hard link in its layer
	rights rights // of a directory
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

// names are the nodes of one file system.
type names struct {
	root *node
	seed maphash.Seed
	// cuts counts the removed names. While it does not change, every node that a
	// path has resolved to is still in the tree.
	cuts int
}

func newNames() *names {
	return &names{root: &node{kind: Dir, layer: noLayer}, seed: maphash.MakeSeed()}
}

// kid returns the entry of dir with this name, or nil.
func (f *names) kid(dir *node, name string) *node {
	if dir.kids == nil {
		return nil
	}
	if at, _ := dir.kids.find(f.seed, name); at >= 0 {
		return dir.kids.list[at]
	}
	return nil
}

// add puts n into dir, which has nothing of this name.
func (f *names) add(dir *node, name string, n *node) {
	n.name = name
	if dir.kids == nil {
		dir.kids = new(entries)
	}
	dir.kids.add(f.seed, n)
}

// remove takes n out of dir; it must have nothing below it.
func (f *names) remove(dir, n *node) {
	f.cuts++
	dir.kids.remove(f.seed, n)
}

// all yields the entries of a directory, the last one first. The one that was yielded
// may be removed meanwhile.
func (n *node) all(yield func(*node) bool) {
	for i := n.len() - 1; i >= 0; i-- {
		if !yield(n.kids.list[i]) {
			return
		}
	}
}

// len is the number of entries of a directory.
func (n *node) len() int {
	if n.kids == nil {
		return 0
	}
	return len(n.kids.list)
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
