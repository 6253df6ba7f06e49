package layer

// node is one name of the merged file system.
type node struct {
	kids map[string]*node // of a directory
	link string           // text of a symbolic link
	file *file            // content of a regular file, shared by hard links
	kind Type
	hard bool // the name is a hard link in its layer
	// layer is the last one that touched the name.
	layer int32
	// pruned is one more than the last layer whose whiteouts have emptied this
	// directory: whiteouts repeated a million times must not cost a million walks.
	pruned int32
}

// file is the content of one regular file of one layer.
type file struct {
	path  string // where it was first seen, only when it decides
	layer int32
	class class
	kind  ExecutableKind
	size  int64
	whole bool   // sum is of the whole content
	sum   uint64 // keyed at random, so that nobody can aim at it
	facts any    // *databaseFacts, *osFacts, ... by class
}

func newDir(layer int32) *node {
	return &node{kids: make(map[string]*node), kind: Dir, layer: layer}
}

// prune removes from a directory what lower layers put there, as a whiteout or
// an opaque marker of layer does, and keeps what layer itself has added. It
// reports whether anything is left.
func (t *Tree) prune(n *node, layer int32) bool {
	if n.kind != Dir {
		if n.layer < layer {
			t.removed(n, layer)
			return false
		}
		return true
	}
	if n.pruned != layer+1 {
		n.pruned = layer + 1
		for name, kid := range n.kids {
			if !t.prune(kid, layer) {
				delete(n.kids, name)
				t.nodes--
			}
		}
	}
	return len(n.kids) > 0 || n.layer == layer
}

// drop forgets a name that something else replaces, with all below it.
func (t *Tree) drop(n *node, layer int32) {
	t.removed(n, layer)
	t.nodes--
	for _, kid := range n.kids {
		t.drop(kid, layer)
	}
}

// removed remembers which layer took away a file that decides.
func (t *Tree) removed(n *node, layer int32) {
	if n.file != nil && n.file.path != "" && n.file.class < classLanguage {
		t.removals[n.file.path] = layer
	}
}

// scanned is a tree of names as Trivy's applier keeps it: literal paths of
// regular files, from which only whiteouts of the same literal path delete.
type scanned struct {
	kids   map[string]*scanned
	file   *file
	pruned int32 // as in node
}

func (s *scanned) put(path string, f *file) {
	for part := range parts(path) {
		kid := s.kids[part]
		if kid == nil {
			if s.kids == nil {
				s.kids = make(map[string]*scanned)
			}
			kid = &scanned{}
			s.kids[part] = kid
		}
		s = kid
	}
	s.file = f
}

// cut deletes path and what is below it, as far as it is from below layer:
// Trivy applies a layer's whiteouts before the layer's files.
func (s *scanned) cut(path string, layer int32) {
	for part := range parts(path) {
		if s = s.kids[part]; s == nil {
			return
		}
	}
	s.strip(layer)
}

func (s *scanned) strip(layer int32) {
	if s.pruned == layer+1 {
		return
	}
	s.pruned = layer + 1
	if s.file != nil && s.file.layer < layer {
		s.file = nil
	}
	for name, kid := range s.kids {
		if kid.strip(layer); kid.file == nil && len(kid.kids) == 0 {
			delete(s.kids, name)
		}
	}
}

func (s *scanned) each(prefix string, f func(path string, f *file)) {
	if s.file != nil {
		f(prefix, s.file)
	}
	for name, kid := range s.kids {
		kid.each(joinName(prefix, name), f)
	}
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
