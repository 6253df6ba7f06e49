package layer

import (
	"maps"
	"slices"
	"strings"
)

// FileOf is a file of one layer: the place of the layer in the image, and the clean
// name that the layer has for the file.
type FileOf struct {
	Layer int
	Name  string
}

// Gone returns those of the files that are certainly not in the file system of the
// image, under any name. A replacement in a later layer is another file.
//
// Runtimes differ in what a whiteout deletes, so two readings have to agree. In one,
// names mean what they say, links are not followed, and a layer that contradicts
// itself deletes nothing: that is a layer which is unpacked by itself and put on top
// of the others (overlayfs). In the other, links are followed as the layers are
// unpacked over each other, which is what [Tree] does.
func Gone(limits Limits, layers []*Contents, files []FileOf) map[FileOf]bool {
	if slices.ContainsFunc(layers, isAmbiguous) {
		return nil
	}
	m := mentionsOf(layers, files)
	gone := map[FileOf]bool{}
	for _, f := range files {
		if m.deleted(f) {
			gone[f] = true
		}
	}
	if len(gone) == 0 {
		return nil
	}
	t := NewTree(limits)
	t.watched = map[FileOf][]*file{}
	for f := range gone {
		t.watched[f] = nil
	}
	for i, c := range layers {
		if t.Merge(Spec{Index: i}, c) != nil {
			return nil
		}
	}
	there := map[*file]bool{}
	eachFile(t.merged.root, func(f *file) { there[f] = true })
	maps.DeleteFunc(gone, func(f FileOf, _ bool) bool {
		seen := t.watched[f]
		return len(seen) == 0 || slices.ContainsFunc(seen, func(content *file) bool { return content == nil || there[content] })
	})
	return gone
}

// isAmbiguous reports whether runtimes may unpack something else than what the archive
// says: attributes of overlayfs redirect directories, and a table of contents may name
// other files.
func isAmbiguous(c *Contents) bool {
	return len(c.remarks) > 0 || slices.ContainsFunc(c.findings, func(f finding) bool {
		toc, ok := f.(*tocFacts)
		return ok && toc.problem != ""
	})
}

// watch notes what a name of a layer is, if Gone asks for it.
func (t *Tree) watch(f FileOf, n *node) {
	if seen, ok := t.watched[f]; ok {
		t.watched[f] = append(seen, n.file)
	}
}

// mention is in what roles a layer has a name.
type mention uint8

const (
	asFile mention = 1 << iota
	asLink         // a hard link
	asSymlink
	asDir
	asDevice // or a pipe; runtimes without root leave devices out
	asWhiteout
	asOpaque
	asParent // of something else that the layer has
)

// mentions are the names in the layers of an image that decide whether certain files
// are deleted.
type mentions struct {
	found map[FileOf]mention
	links []hardLinks // by layer
}

// hardLinks are the hard links of a layer. A layer can have a name more than once.
type hardLinks struct {
	targets map[string][]string // by name
	names   map[string][]string // by target
}

// mentionsOf reads the layers twice: the hard links tell which other names matter.
func mentionsOf(layers []*Contents, files []FileOf) *mentions {
	m := &mentions{found: map[FileOf]mention{}, links: make([]hardLinks, len(layers))}
	for i, c := range layers {
		l := &m.links[i]
		l.targets, l.names = map[string][]string{}, map[string][]string{}
		c.each(func(r *record, k *cursor) {
			if r.kind == Hardlink {
				l.targets[k.name()] = append(l.targets[k.name()], k.link)
				l.names[k.link] = append(l.names[k.link], k.name())
			}
		})
	}
	matter := map[string]bool{}
	for name := range m.related(files) {
		for ; name != "" && !matter[name]; name, _ = cutBase(name) {
			matter[name] = true
		}
	}
	for i, c := range layers {
		above := ""
		c.each(func(r *record, k *cursor) {
			if k.dir != above {
				above = k.dir
				for dir := above; dir != ""; dir, _ = cutBase(dir) {
					if matter[dir] {
						m.found[FileOf{i, dir}] |= asParent
					}
				}
			}
			if name := k.name(); matter[name] {
				m.found[FileOf{i, name}] |= roleOf(r.kind)
			}
		})
	}
	return m
}

// related returns the names of the files and all that hard links connect with them.
func (m *mentions) related(files []FileOf) map[string]bool {
	names, open := map[string]bool{}, []string{}
	add := func(list ...string) {
		for _, name := range list {
			if !names[name] {
				names[name], open = true, append(open, name)
			}
		}
	}
	for _, f := range files {
		add(f.Name)
	}
	for len(open) > 0 {
		name := open[len(open)-1]
		open = open[:len(open)-1]
		for i := range m.links {
			add(m.links[i].targets[name]...)
			add(m.links[i].names[name]...)
		}
	}
	return names
}

func roleOf(kind Type) mention {
	switch kind {
	case File:
		return asFile
	case Hardlink:
		return asLink
	case Dir:
		return asDir
	case Whiteout:
		return asWhiteout
	case Opaque:
		return asOpaque
	case Symlink:
		return asSymlink
	}
	return asDevice
}

// each calls f for every record of the layer.
func (c *Contents) each(f func(*record, *cursor)) {
	var k cursor
	for k.next < len(c.records) {
		f(k.step(c.records, c.text), &k)
	}
}

// maxLinked is how many names a file may have that is followed through the layers.
const maxLinked = 1000

// deleted reports whether later layers delete or replace every name of the file.
func (m *mentions) deleted(f FileOf) bool {
	names := map[string]bool{f.Name: true}
	if m.found[f] == asLink { // it is the file that it names, which has to be here
		targets := m.links[f.Layer].targets[f.Name]
		if f.Name = targets[0]; len(targets) > 1 {
			return false
		}
		names[f.Name] = true
	}
	if m.found[f] != asFile || !m.link(f.Layer, names) {
		return false
	}
	for i := f.Layer + 1; i < len(m.links); i++ {
		left := maps.Clone(names)
		maps.DeleteFunc(left, func(name string, _ bool) bool { return m.deletes(i, name) })
		before := len(names)
		if !m.link(i, names) {
			return false
		}
		if len(names) > before {
			return false // a new name for a file of a lower layer, which few tools unpack
		}
		names = left
	}
	return len(names) == 0
}

// link adds the names that hard links of the layer give to a file with these names.
// It reports false for a file with too many names.
func (m *mentions) link(layer int, names map[string]bool) bool {
	open := slices.Collect(maps.Keys(names))
	for len(open) > 0 {
		name := open[len(open)-1]
		open = open[:len(open)-1]
		for _, more := range m.links[layer].names[name] {
			if !names[more] {
				names[more], open = true, append(open, more)
			}
		}
		if len(names) > maxLinked {
			return false
		}
	}
	return true
}

// deletes reports whether the layer deletes or replaces the file that lower layers
// have under the name. Where the layer has two entries for a directory above, tools
// differ in what is left of the two: to Docker, a whiteout of a directory and the
// directory itself is the directory with all that the lower layers have in it.
func (m *mentions) deletes(layer int, name string) bool {
	for at := 0; ; {
		next := strings.IndexByte(name[at:], '/')
		if next < 0 {
			break
		}
		at += next
		switch roles := m.found[FileOf{layer, name[:at]}]; {
		case roles&^(asDir|asParent) == 0: // it stays
		case roles&^(asDir|asParent|asOpaque) == 0, roles == asWhiteout, roles == asFile, roles == asSymlink:
			return true
		default:
			return false
		}
		at++
	}
	roles := m.found[FileOf{layer, name}] // a hard link may be one to the file itself
	return roles&(asDevice|asLink) == 0 && roles&^(asParent|asOpaque) != 0
}
