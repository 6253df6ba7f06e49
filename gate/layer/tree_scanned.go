package layer

// scanned is a tree of names as Trivy's applier keeps it: literal paths of
// regular files, from which only whiteouts of the same literal path delete. A
// node may have a file and others below it.
type scanned struct {
	names *names

	// The directory of the last file, and what it was when so many names had
	// been taken away: archives list the files of a directory together.
	dir  string
	node *node
	cuts int
}

func newScanned() *scanned { return &scanned{names: newNames(), cuts: -1} }

func (s *scanned) put(dir, base string, f *file) {
	if s.cuts != s.names.cuts || s.dir != dir {
		n := s.names.root
		for part := range parts(dir) {
			n = s.enter(n, part)
		}
		s.dir, s.node, s.cuts = dir, n, s.names.cuts
	}
	s.enter(s.node, base).file = f
}

func (s *scanned) enter(dir *node, name string) *node {
	n := s.names.kid(dir, name)
	if n == nil {
		n = &node{}
		s.names.add(dir, name, n)
	}
	return n
}

// cut deletes path and what is below it, as far as it is from below layer:
// Trivy applies a layer's whiteouts before the layer's files.
func (s *scanned) cut(path string, layer int32) {
	n := s.names.root
	for part := range parts(path) {
		if n = s.names.kid(n, part); n == nil {
			return
		}
	}
	s.strip(n, layer)
}

func (s *scanned) strip(n *node, layer int32) {
	if n.file != nil && n.file.layer < layer {
		n.file = nil
	}
	if !n.kids.prune(layer) {
		return
	}
	for kid := range n.all {
		if s.strip(kid, layer); kid.file == nil && kid.len() == 0 {
			s.names.remove(n, kid)
		}
	}
}

// each calls f for every file, in no certain order.
func (s *scanned) each(f func(*file)) { eachFile(s.names.root, f) }

func eachFile(n *node, f func(*file)) {
	if n.file != nil {
		f(n.file)
	}
	for kid := range n.all {
		eachFile(kid, f)
	}
}
