package layer

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strings"
)

const (
	// maxHops is how many symbolic links are followed for one path: Linux's own
	// limit.
	maxHops = 40
	// maxSteps bounds the work of resolving paths over the whole image: links
	// that lead through links would else cost hours. An image of a million files
	// needs about ten million.
	maxSteps = 200_000_000
	// maxText bounds the memory for names and link targets of the whole image.
	maxText = 512 << 20
)

// Tree merges the layers of one image, bottom layer first, and keeps what
// decides. It is not safe for use by several goroutines.
type Tree struct {
	limits   Limits
	root     *node
	seen     *scanned
	deciding map[string]class
	above    map[string]bool
	layers   map[int32]string // diffIDs

	nodes, text int64
	steps       int64

	seed      maphash.Seed
	kept      int64            // bytes of content held in memory
	removals  map[string]int32 // deciding path -> layer that removed it
	history   []*file          // every version of every file that decides
	gaps      gapList
	notes     []string
	whiteouts int
	devices   int
	toc       tocCheck
}

// NewTree returns an empty tree.
func NewTree(l Limits) *Tree {
	paths := decidingPaths()
	return &Tree{
		limits: l, root: newDir(-1), seen: &scanned{}, deciding: paths, above: ancestors(paths),
		layers: make(map[int32]string), removals: make(map[string]int32), seed: maphash.MakeSeed(),
		toc: tocCheck{layer: noLayer},
	}
}

// Wants reports whether Visit needs the bytes of e. Of most files it reads no
// more than the first 64 bytes; of those that decide, all.
func (t *Tree) Wants(e *Entry) bool {
	return e.Type == File && e.Size > 0
}

// errTooDeep: see maxSteps.
var errTooDeep = errors.New("the image's links lead through each other so often that they cannot be followed")

// Visit merges one entry. It may leave part of body unread. An error means that
// the image cannot be judged.
func (t *Tree) Visit(spec Spec, e *Entry, body io.Reader) error {
	layer := int32(spec.Index)
	t.layers[layer] = spec.DiffID
	if t.toc.layer != layer {
		t.toc = tocCheck{layer: layer}
	}
	t.text += int64(len(e.Linkname))
	if t.nodes > 2*t.limits.Entries {
		return &LimitError{"entries", t.limits.Entries, "the image's number of files and directories"}
	}
	if t.text > maxText {
		return fmt.Errorf("the names and link targets of the image take more than %d MiB", maxText>>20)
	}
	if t.steps > maxSteps {
		return errTooDeep
	}
	t.scannerKey(e.Name, layer)
	t.toc.saw(t.seed, e)
	t.overlayXattrs(e, layer)
	switch e.Type {
	case Whiteout:
		return t.whiteout(e.Name, layer)
	case Opaque:
		return t.opaque(e.Name, layer)
	}
	if e.Name == "" {
		return nil
	}
	at, err := t.place(e.Name, layer)
	if err != nil {
		return err
	}
	return t.put(at, e, layer, body)
}

// scannerKey reports names that Trivy's applier cannot tell from its own: it
// keeps what it found in a file under FILE/type:KIND in the same tree as the
// paths, and a whiteout of such a name deletes the packages of a whole
// database (trivy pkg/fanal/applier/docker.go).
func (t *Tree) scannerKey(name string, layer int32) {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, "type:") || strings.HasPrefix(part, "custom:") {
			t.gaps.add(gapHiddenFiles, name, layer, "the name is one that the scanner uses for itself; it would make it forget what it has read")
			return
		}
	}
}

// spot is where an entry belongs in the merged tree.
type spot struct {
	dir  *node
	base string
	path string // after links, where it differs from the entry's name
}

// place finds the directory of name, follows links in it and creates what is
// missing, as containerd does.
func (t *Tree) place(name string, layer int32) (spot, error) {
	dir, base := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, base = name[:i], name[i+1:]
	}
	w := walk{t: t, layer: layer, create: true}
	n, path, err := w.dir(dir)
	if err != nil {
		return spot{}, fmt.Errorf("entry %s: %w", quote(name), err)
	}
	at := spot{n, base, joinName(path, base)}
	if w.below && (t.relevant(name) || t.relevant(at.path)) {
		// Docker unpacks each layer by itself, so that the entry replaces the link
		// below by a directory; containerd follows the link; Trivy reads the path as it stands.
		t.gaps.add(gapHiddenFiles, name, layer,
			"the entry lies behind a symbolic link of a lower layer (it leads to %s); runtimes and scanners put it at different places", quote(at.path))
	}
	return at, nil
}

// whiteout removes name from the lower layers.
func (t *Tree) whiteout(name string, layer int32) error {
	t.whiteouts++
	t.seen.cut(name, layer)
	dir, base := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, base = name[:i], name[i+1:]
	}
	w := walk{t: t, layer: layer}
	n, path, err := w.dir(dir)
	if err != nil || n == nil {
		return err // nothing there to remove
	}
	t.throughLink(&w, name, joinName(path, base), layer)
	kid := n.kids[base]
	if kid == nil {
		return nil
	}
	if t.relevant(joinName(path, base)) && t.holds(kid, layer) {
		t.gaps.add(gapHiddenFiles, name, layer, "the same layer adds and then deletes it; whether it is there depends on the tool")
	}
	if !t.prune(kid, layer) {
		delete(n.kids, base)
		t.nodes--
	}
	return nil
}

// opaque empties a directory of what lower layers have in it.
func (t *Tree) opaque(name string, layer int32) error {
	t.whiteouts++
	if name != "" {
		// Trivy's applier does nothing for the root directory.
		t.seen.cut(name, layer)
	}
	w := walk{t: t, layer: layer}
	n, path, err := w.dir(name)
	if err != nil || n == nil {
		return err
	}
	t.throughLink(&w, name, path, layer)
	t.prune(n, layer)
	return nil
}

func (t *Tree) throughLink(w *walk, name, path string, layer int32) {
	if w.followed {
		t.gaps.add(gapHiddenFiles, name, layer,
			"a whiteout reaches through a symbolic link (to %s); runtimes and scanners delete different files", quote(path))
	}
}

// holds reports whether the file or directory has something of this layer.
func (t *Tree) holds(n *node, layer int32) bool {
	if n.kind != Dir {
		return n.layer == layer
	}
	for _, kid := range n.kids {
		t.steps++
		if t.holds(kid, layer) {
			return true
		}
	}
	return false
}

// put adds the entry at its place, replacing what was there.
func (t *Tree) put(at spot, e *Entry, layer int32, body io.Reader) error {
	old := at.dir.kids[at.base]
	if e.Type == Dir && old != nil && old.kind == Dir {
		old.layer = layer
		return nil
	}
	n, err := t.node(at, e, layer, body)
	if err != nil {
		return err
	}
	if old != nil {
		t.duplicate(at, old, n, layer)
		t.drop(old, layer)
	}
	base := strings.Clone(at.base)
	at.dir.kids[base] = n
	t.nodes++
	t.text += int64(len(base))
	return nil
}

// node makes the node for an entry.
func (t *Tree) node(at spot, e *Entry, layer int32, body io.Reader) (*node, error) {
	n := &node{kind: e.Type, layer: layer}
	switch e.Type {
	case Dir:
		n.kids = make(map[string]*node)
	case Symlink:
		n.link = strings.Clone(e.Linkname)
	case Hardlink:
		return t.hardlink(at, e, layer)
	case Device, Fifo:
		t.devices++
		if t.relevant(at.path) {
			t.gaps.add(gapHiddenFiles, e.Name, layer, "a device or pipe stands where a file decides")
		}
	case File:
		f, err := t.read(e, layer, body)
		if err != nil {
			return nil, err
		}
		n.file = f
		t.register(e.Name, f)
	}
	return n, nil
}

// hardlink gives a file another name. Runtimes look for the target in what is
// unpacked so far.
func (t *Tree) hardlink(at spot, e *Entry, layer int32) (*node, error) {
	w := walk{t: t, layer: layer}
	target, _, err := w.find(e.Linkname, false)
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", quote(e.Name), err)
	}
	if target == nil || target.kind == Dir {
		if t.relevant(at.path) {
			t.gaps.add(gapHiddenFiles, e.Name, layer, "it is a hard link to %s, which is not there", quote(e.Linkname))
		}
		return &node{kind: File, hard: true, layer: layer, file: &file{layer: layer}}, nil
	}
	return &node{kind: target.kind, link: target.link, file: target.file, hard: true, layer: layer}, nil
}

// duplicate looks at a name that the layer has twice. Runtimes keep the last
// one; Trivy reads both, in no certain order.
func (t *Tree) duplicate(at spot, old, n *node, layer int32) {
	if old.layer != layer || old.file == nil || n.file == nil || old.hard || n.hard {
		return
	}
	same := old.file.whole && n.file.whole && old.file.size == n.file.size && old.file.sum == n.file.sum
	decides := t.classify(at.path) != classNone || n.file.kind.compiled() || old.file.kind.compiled()
	if decides && !same {
		t.gaps.add(gapHiddenFiles, at.path, layer, "the layer has the file twice, with different content; tools differ in which they read")
	}
}

// register keeps what Trivy will see: regular files, by their literal path.
func (t *Tree) register(name string, f *file) {
	if f.class == classNone && !f.kind.compiled() {
		return
	}
	t.steps += int64(strings.Count(name, "/"))
	t.seen.put(name, f)
	if f.class == classNone || f.class >= classLanguage {
		return
	}
	t.history = append(t.history, f)
}

// overlayXattrs: attributes that the overlay file system itself uses for
// hiding and redirecting. No scanner looks at them.
func (t *Tree) overlayXattrs(e *Entry, layer int32) {
	for name := range e.Xattrs {
		if strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.") {
			t.gaps.add(gapHiddenFiles, e.Name, layer, "the attribute %s makes the overlay file system hide or redirect it", quote(name))
		}
	}
}
