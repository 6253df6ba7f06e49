package layer

import (
	"errors"
	"fmt"
)

const (
	// maxHops is how many symbolic links are followed for one path: Linux's own
	// limit.
	maxHops = 40
	// maxSteps bounds the work of resolving all paths of the image. Without it,
	// links that lead through other links could cost hours. An image of a million
	// files needs about ten million steps.
	maxSteps = 200_000_000
)

// Tree merges the layers of one image, bottom layer first, and keeps the files
// that affect the verdict. It is not safe for concurrent use.
type Tree struct {
	limits Limits
	paths  *decidingPaths
	merged *names
	seen   *scanned
	layers map[int32]string // diffIDs
	top    int32            // the last layer

	nodes, text int64
	steps       int64

	kept      int64            // bytes of content held in memory
	removals  map[string]int32 // deciding path -> layer that removed it
	history   []*file          // every version of every deciding file
	gaps      gapList
	notes     []string
	whiteouts int
	devices   int
	// system is true when some layer has a file of an OS or of a package manager.
	system bool
	// caps has the capabilities of the files that have some.
	caps map[*file]uint64
	// watched are the files that Gone asks for; nil when it does not.
	watched map[FileOf][]*file
}

// NewTree returns an empty tree.
func NewTree(l Limits) *Tree {
	return &Tree{
		limits: l, paths: newDecidingPaths(), merged: newNames(), seen: newScanned(),
		layers: make(map[int32]string), top: noLayer, removals: make(map[string]int32),
		caps: make(map[*file]uint64),
	}
}

// errTooDeep is the error for an image that needs more than maxSteps steps.
var errTooDeep = errors.New("the image's links lead through each other so often that they cannot be followed")

// affordable returns an error if the image exceeds a limit.
func (t *Tree) affordable() error {
	switch {
	case t.nodes > 2*t.limits.Entries:
		return &LimitError{"entries", t.limits.Entries, "the image's number of files and directories"}
	case t.text > maxText:
		return errText
	case t.steps > maxSteps:
		return errTooDeep
	}
	return nil
}

// Merge puts a layer on top of those merged before; spec tells its place and
// its diffID. An error means that the image cannot be judged.
func (t *Tree) Merge(spec Spec, c *Contents) error {
	layer := int32(spec.Index)
	if layer <= t.top {
		return fmt.Errorf("layer %d cannot be merged after layer %d: layers have to be merged from the bottom", layer+1, t.top+1)
	}
	t.top, t.layers[layer] = layer, spec.DiffID
	return newMerge(t, layer, c).run()
}

// holds reports whether the file n, or a file below the directory n, is of this
// layer.
func (t *Tree) holds(n *node, layer int32) bool {
	if n.kind != Dir {
		return n.layer == layer
	}
	for kid := range n.all {
		t.steps++
		if t.holds(kid, layer) {
			return true
		}
	}
	return false
}

// prune removes the entries of lower layers from a directory, as a whiteout or
// an opaque marker of layer does. It keeps the entries that layer itself has
// added. It reports whether any entry is left.
func (t *Tree) prune(n *node, layer int32) bool {
	if n.kind != Dir {
		if n.layer < layer {
			t.removed(n, layer)
			return false
		}
		return true
	}
	if n.kids.prune(layer) {
		for kid := range n.all {
			if !t.prune(kid, layer) {
				t.merged.remove(n, kid)
				t.nodes--
			}
		}
	}
	return n.len() > 0 || n.layer == layer
}

// drop removes n and everything below it from dir, because another entry
// replaces n.
func (t *Tree) drop(dir, n *node, layer int32) {
	for kid := range n.all {
		t.drop(n, kid, layer)
	}
	t.removed(n, layer)
	t.nodes--
	t.merged.remove(dir, n)
}

// removed records which layer removed a deciding file.
func (t *Tree) removed(n *node, layer int32) {
	if n.file != nil && n.file.path != "" && n.file.class < classLanguage {
		t.removals[n.file.path] = layer
	}
}

// keep accounts for n more bytes of content in memory.
func (t *Tree) keep(n int64) bool {
	if t.kept+n > maxKept {
		return false
	}
	t.kept += n
	return true
}
