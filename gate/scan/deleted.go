package scan

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// withoutDeleted returns the gaps without those about files that a later layer deletes
// or replaces, and a note that counts the files.
func (im *image) withoutDeleted(gaps []wire.Gap) (kept []evidence.Gap, notes []string) {
	var files []layer.FileOf
	for _, g := range gaps {
		files = append(files, im.filesOf(g)...)
	}
	var gone map[layer.FileOf]bool
	if len(files) > 0 {
		gone = layer.Gone(im.scanner.opt.Limits, im.contents, files)
	}
	var deleted []string
	for _, g := range gaps {
		all := im.filesOf(g)
		if len(all) == 0 || slices.ContainsFunc(all, func(f layer.FileOf) bool { return !gone[f] }) {
			kept = append(kept, g.Gap)
			continue
		}
		deleted = append(deleted, g.File)
	}
	slices.Sort(deleted)
	if deleted = slices.Compact(deleted); len(deleted) > 0 {
		notes = append(notes, fmt.Sprintf("%s that could not be judged %s not in the image any more, because a later layer deletes or replaces %s: %s",
			words.Plural(len(deleted), "file"), words.Choose(len(deleted), "is", "are"), words.Choose(len(deleted), "it", "them"), names(deleted)))
	}
	return kept, notes
}

// filesOf returns the files that a gap is about, one for each place of its layer in the
// image. There are none where a deletion would not end the gap: the gap is about more
// than a file, the file decides about packages or the OS, runtimes may unpack another
// table than the archive, or the name is not told apart from others (see spelled).
func (im *image) filesOf(g wire.Gap) []layer.FileOf {
	if g.File == "" || im.lazy || layer.Decides(g.File) || strings.ContainsRune(g.File, utf8.RuneError) {
		return nil
	}
	var files []layer.FileOf
	for i := range im.target.Layers {
		if im.target.Layers[i].DiffID == g.Layer {
			files = append(files, layer.FileOf{Layer: i, Name: g.File})
		}
	}
	return files
}
