package scan

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/wire"
)

// A hard link is a file like any other, but an archive has its content only once,
// at the first name. Stores of package managers (pnpm, uv, ostree) sort before the
// names that mean something to an analyzer, so that the content has passed by
// when such a name comes.
//
// Where an analyzer would read the link and did not read the file under its first
// name, the layer is read once more and the content handed over under the name of
// the link. All other links only tell the worker that a file has one more name.

// maxAliased is the largest file that is held in memory because it has several
// names.
const maxAliased = 64 << 20

// hardLinks are the hard links of one layer.
type hardLinks struct {
	wants func(name string, mode fs.FileMode, size int64) bool
	// narrow is what is wanted when secrets are looked for in the files of the
	// application only; nil when wants is that. A secret counts by the name of its
	// file, so a file of a dependency that is also one of the application needs both.
	narrow func(name string, mode fs.FileMode, size int64) bool
	// first has the first name of every link.
	first map[string]string
	// again are the links that need the content of a first name.
	again map[string][]postponed
	// seen counts the files of each first name while the layer is read once more.
	seen map[string]int
}

// postponed is a link whose content is read again.
type postponed struct {
	*layer.Entry
	at  int // how many entries were recorded before it
	nth int // which file of the first name it is, where the layer has several
}

// add notes a link, before which so many entries were recorded, and reports whether its
// content has to be read again.
func (h *hardLinks) add(e *layer.Entry, at int) bool {
	target := e.Linkname
	if first, ok := h.first[target]; ok {
		target = first
	}
	if h.first == nil {
		h.first, h.again, h.seen = make(map[string]string), make(map[string][]postponed), make(map[string]int)
	}
	h.first[e.Name] = target
	if !h.gains(spelled(e.Name), spelled(target), layer.Decides(e.Name)) {
		return false
	}
	link := *e
	h.again[target] = append(h.again[target], postponed{Entry: &link, at: at})
	return true
}

// gains reports whether an analyzer would read a file under the name of a link
// that none reads under its first name. The analyzers of programs read files of any
// name, so they are excluded with a mode without the x bit. The analyzer of secrets
// is excluded with a size below ten bytes.
func (h *hardLinks) gains(name, first string, decides bool) bool {
	const plain, tiny, small = 0o644, 4, 1 << 10
	if h.wants(name, plain, tiny) && (decides || path.Base(name) != path.Base(first) || !h.wants(first, plain, tiny)) {
		return true
	}
	if h.narrow != nil && h.narrow(name, plain, small) && !h.narrow(first, plain, small) {
		return true
	}
	return h.wants(name, plain, small) && !h.wants(first, plain, small)
}

// readLinks reads the layer once more for the links that need it.
func (r *reader) readLinks(ctx context.Context, t *transfer) error {
	if len(t.links.again) == 0 {
		return nil
	}
	t.number()
	body, err := r.target.Layers[r.i].Open(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	// It is the same archive, so it counts only once for the limits of the image.
	budget := layer.NewBudget(r.scanner.opt.Limits)
	if _, err := layer.Read(ctx, body, r.spec(r.i), budget, t.linked); err != nil {
		return err
	}
	return t.unlinked()
}

// number finds out which file a link names: the last one of the name before the link.
func (t *transfer) number() {
	files := t.recorder.Files(func(name string) bool { return len(t.links.again[name]) > 0 })
	for target, links := range t.links.again {
		for i := range links {
			before, _ := slices.BinarySearch(files[target], links[i].at)
			links[i].nth = max(before, 1)
		}
	}
}

// linked hands over the content of a file under the names of its links.
func (t *transfer) linked(e *layer.Entry, body io.Reader) error {
	all := t.links.again[e.Name]
	if e.Type != layer.File || len(all) == 0 {
		return nil
	}
	t.links.seen[e.Name]++
	var links, rest []postponed
	for _, link := range all {
		if link.nth == t.links.seen[e.Name] {
			links = append(links, link)
		} else {
			rest = append(rest, link)
		}
	}
	if len(links) == 0 {
		return nil
	}
	if len(links) == 1 {
		t.links.again[e.Name] = rest
		return t.file(e.Named(links[0].Entry), body)
	}
	if e.Size > maxAliased {
		return nil
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	t.links.again[e.Name] = rest
	for _, link := range links {
		if err := t.file(e.Named(link.Entry), bytes.NewReader(content)); err != nil {
			return err
		}
	}
	return nil
}

// unlinked hands over the links whose files are not in this layer.
func (t *transfer) unlinked() error {
	for _, links := range t.links.again {
		for _, link := range links {
			if err := t.link(link.Entry); err != nil {
				return err
			}
		}
	}
	return nil
}

// link hands over a further name of a file.
func (t *transfer) link(e *layer.Entry) error {
	if err := t.recorder.Visit(e, nil); err != nil {
		return err
	}
	return t.worker.Entry(&wire.Entry{Type: wire.EntryLink, Name: spelled(e.Name), Target: spelled(t.links.first[e.Name])})
}
