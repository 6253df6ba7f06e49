package layer

import (
	"fmt"
	"strconv"
	"strings"
)

// merge is the state of merging one layer into the tree.
type merge struct {
	cursor
	t     *Tree
	layer int32
	c     *Contents

	nodes    []node // room for those to come
	files    []file
	plain    [2]*file // an empty one, and one with content
	findings []finding
	remarks  []remark
	marks    []mark
	mark     mark  // of the entry
	place    place // of the last entry
}

// place is where the entries of one directory belong in the merged tree.
type place struct {
	dir   string // as the layer names it
	node  *node
	real  string // after links
	below bool   // a link of a lower layer led there
	steps int64  // what it took to find it
	cuts  int    // see names
}

func newMerge(t *Tree, layer int32, c *Contents) *merge {
	nodes, files := 0, 0
	for i := range c.records {
		switch c.records[i].kind {
		case Whiteout, Opaque:
			continue
		case File:
			if !t.isPlain(&c.records[i]) {
				files++
			}
		}
		nodes++
	}
	files += len(c.marks) // of plain files that have rights
	return &merge{
		t: t, layer: layer, c: c, nodes: make([]node, nodes), files: make([]file, files),
		plain:    [2]*file{{layer: layer, plain: true}, {layer: layer, plain: true, size: 1}},
		findings: c.findings, remarks: c.remarks, marks: c.marks, place: place{cuts: -1},
	}
}

func (m *merge) run() error {
	for m.next < len(m.c.records) {
		rec := m.step(m.c.records, m.c.text)
		m.t.text += int64(len(m.link))
		if err := m.t.affordable(); err != nil {
			return err
		}
		if err := m.entry(rec); err != nil {
			return err
		}
	}
	return nil
}

func (m *merge) entry(rec *record) error {
	for len(m.remarks) > 0 && int(m.remarks[0].record) < m.next {
		m.gap(m.name(), "%s", m.remarks[0].detail)
		m.remarks = m.remarks[1:]
	}
	m.nextMark()
	switch {
	case rec.kind == Whiteout:
		return m.whiteout()
	case rec.kind == Opaque:
		return m.opaque()
	case m.base == "":
		m.t.merged.root.rights = m.mark.rights
		return nil
	}
	// An empty directory holds no library: Dockerfiles copy whole trees.
	m.t.system = m.t.system || rec.kind != Dir && ofSystem(m.dir, m.base)
	if err := m.locate(); err != nil {
		return err
	}
	return m.put(rec)
}

// gap reports files that a scanner could miss.
func (m *merge) gap(subject, format string, args ...any) {
	m.t.gaps.add(gapHiddenFiles, subject, m.layer, format, args...)
}

// locate finds the directory of the entry, follows links in it and creates what
// is missing, as containerd does.
func (m *merge) locate() error {
	if p := &m.place; p.cuts != m.t.merged.cuts || p.dir != m.dir {
		before := m.t.steps
		w := walk{t: m.t, layer: m.layer, create: true}
		n, real, err := w.dir(m.dir)
		if err != nil {
			return fmt.Errorf("entry %s: %w", quote(m.name()), err)
		}
		m.place = place{m.dir, n, real, w.below, m.t.steps - before, m.t.merged.cuts}
	} else {
		m.t.steps += p.steps // a remembered walk counts as much as a new one
	}
	if m.place.below && (m.t.paths.relevant(m.name()) || m.t.paths.relevant(m.path())) {
		// Docker unpacks each layer separately, so a directory replaces the link of the
		// lower layer. containerd follows the link. Trivy reads the path literally.
		m.gap(m.name(), "the path leads through a symbolic link of a lower layer (to %s); runtimes and scanners put the entry at different places", quote(m.path()))
	}
	return nil
}

// path is the name of the entry in the merged tree.
func (m *merge) path() string { return joinName(m.place.real, m.base) }

// whiteout removes the entry's name from the lower layers.
func (m *merge) whiteout() error {
	t, name := m.t, m.name()
	t.whiteouts++
	t.seen.cut(name, m.layer)
	w := walk{t: t, layer: m.layer}
	dir, real, err := w.dir(m.dir)
	if err != nil || dir == nil {
		return err // nothing there to remove
	}
	path := joinName(real, m.base)
	m.throughLink(&w, name, path)
	kid := t.merged.kid(dir, m.base)
	if kid == nil {
		return nil
	}
	if t.paths.relevant(path) && t.holds(kid, m.layer) {
		m.gap(name, "the same layer adds and then deletes it; whether it is there depends on the tool")
	}
	if !t.prune(kid, m.layer) {
		t.merged.remove(dir, kid)
		t.nodes--
	}
	return nil
}

// opaque empties a directory of what lower layers have in it.
func (m *merge) opaque() error {
	t, name := m.t, m.name()
	t.whiteouts++
	if name != "" {
		// Trivy's applier does nothing for the root directory.
		t.seen.cut(name, m.layer)
	}
	w := walk{t: t, layer: m.layer}
	n, path, err := w.dir(name)
	if err != nil || n == nil {
		return err
	}
	m.throughLink(&w, name, path)
	t.prune(n, m.layer)
	return nil
}

func (m *merge) throughLink(w *walk, name, path string) {
	if w.followed {
		m.gap(name, "a whiteout reaches through a symbolic link (to %s); runtimes and scanners delete different files", quote(path))
	}
}

// put adds the entry at its place, replacing what was there.
func (m *merge) put(rec *record) error {
	t, dir := m.t, m.place.node
	old := t.merged.kid(dir, m.base)
	if rec.kind == Dir && old != nil && old.kind == Dir {
		old.layer, old.rights = m.layer, m.mark.rights
		return nil
	}
	n, err := m.node(rec)
	if err != nil {
		return err
	}
	if t.watched != nil {
		t.watch(FileOf{int(m.layer), m.name()}, n)
	}
	if old != nil {
		m.duplicate(old, n)
		t.drop(dir, old, m.layer)
	}
	t.merged.add(dir, m.base, n)
	t.nodes++
	t.text += int64(len(m.base))
	return nil
}

// node makes the node for an entry.
func (m *merge) node(rec *record) (*node, error) {
	n := &m.nodes[0]
	m.nodes = m.nodes[1:]
	n.kind, n.layer = rec.kind, m.layer
	switch rec.kind {
	case Dir:
		n.rights = m.mark.rights
	case Symlink:
		n.link = m.link
	case Hardlink:
		return n, m.hardlink(n)
	case Device, Fifo:
		m.t.devices++
		if m.t.paths.relevant(m.path()) {
			m.gap(m.name(), "a device or pipe is at the path of a file that scanners or runtimes read")
		}
	case File:
		n.file = m.file(rec)
		m.give(n.file)
	}
	return n, nil
}

// hardlink makes n another name of a file. Runtimes look for the target among the
// entries that are already unpacked.
func (m *merge) hardlink(n *node) error {
	n.kind, n.hard = File, true
	w := walk{t: m.t, layer: m.layer}
	target, _, err := w.find(m.link, false)
	if err != nil {
		return fmt.Errorf("entry %s: %w", quote(m.name()), err)
	}
	if target == nil || target.kind == Dir {
		if m.t.paths.relevant(m.path()) {
			m.gap(m.name(), "it is a hard link to %s, which is not there", quote(m.link))
		}
		n.file = &file{layer: m.layer}
		m.give(n.file)
		return nil
	}
	if target.file != nil && target.file.plain { // now it has names to be told apart by
		own := *target.file
		own.plain, target.file = false, &own
	}
	n.kind, n.link, n.file = target.kind, target.link, target.file
	m.give(n.file)
	m.alias(n.file)
	m.unread(n.file, w.followed)
	return nil
}

// unread reports a hard link whose file the scanner does not know by its name: one to
// a file of a lower layer, or to a file behind a symbolic link. Builders make no such
// links, and some runtimes unpack them.
func (m *merge) unread(f *file, followed bool) {
	if f == nil || f.layer == m.layer && !followed {
		return
	}
	if f.program.recognised() || f.class == classLanguage || m.t.paths.classify(m.path()) == classLanguage {
		m.gap(m.name(), "it is a hard link to %s, a file of a lower layer or behind a symbolic link; the scanner does not know the file by this name", quote(m.link))
	}
}

// alias notes that the scanner knows a file of this layer by the name of a hard
// link, too: programs, and metadata that has the same base name. Links with names
// that mean more to it come as files, see package scan.
func (m *merge) alias(f *file) {
	if f == nil || f.layer != m.layer || m.t.paths.relevant(m.path()) {
		return
	}
	if f.program.recognised() || f.class == classLanguage {
		m.t.seen.put(m.dir, m.base, f)
	}
}

// duplicate checks a name that the layer has twice. Runtimes keep the last entry.
// Trivy reads both, in an unspecified order.
func (m *merge) duplicate(old, n *node) {
	if old.layer != m.layer || old.file == nil || n.file == nil || old.hard || n.hard {
		return
	}
	same := old.file.twin != 0 && old.file.twin == n.file.twin
	decides := m.t.paths.classify(m.path()) != classNone || n.file.program.compiled() || old.file.program.compiled()
	if decides && !same {
		m.gap(m.path(), "the layer has the file twice, with different content; tools differ in which they read")
	}
}

// file makes the content of an entry. Trivy sees regular files, by their
// literal path.
func (m *merge) file(rec *record) *file {
	if m.t.isPlain(rec) && m.mark.rights == 0 {
		return m.plain[min(rec.size, 1)]
	}
	f := &m.files[0]
	m.files = m.files[1:]
	*f = file{size: rec.size, layer: m.layer, twin: rec.twin, class: rec.class, program: rec.program}
	if rec.class.found() {
		m.found(f)
	}
	if f.class == classNone && !f.program.recognised() {
		return f
	}
	m.t.steps += int64(strings.Count(m.dir, "/"))
	if m.dir != "" {
		m.t.steps++
	}
	m.t.seen.put(m.dir, m.base, f)
	if f.class != classNone && f.class < classLanguage {
		f.path = m.name()
		m.t.history = append(m.t.history, f)
	}
	return f
}

// isPlain reports whether a file needs no content of its own in the tree, unless it has
// rights. Where files are watched, each is asked for.
func (t *Tree) isPlain(rec *record) bool {
	return rec.class == classNone && rec.program == programNone && rec.twin == 0 && t.watched == nil
}

// found takes the next finding, as far as the image has memory for it.
func (m *merge) found(f *file) {
	f.facts, m.findings = m.findings[0], m.findings[1:]
	if !m.t.keep(f.facts.cost()) {
		f.facts = f.facts.forgotten()
	}
	switch facts := f.facts.(type) {
	case *tocFacts:
		m.t.notes = append(m.t.notes, "layer "+strconv.Itoa(int(m.layer)+1)+" has a table of contents (estargz), which runtimes that pull lazily read instead of the archive")
		if facts.problem != "" {
			m.gap(tocName, "%s", facts.problem)
		}
	case *listFacts:
		if facts.problem != "" {
			m.t.gaps.add(gapPackageDatabase, m.name(), m.layer, "it %s", facts.problem)
		}
	}
}
