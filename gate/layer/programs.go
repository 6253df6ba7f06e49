package layer

import (
	"maps"
	"slices"
)

// list walks the merged tree for programs, jars and SBOMs, and for files that
// only a link brings to a name that Trivy would recognise.
func (v *view) list(n *node, path string) {
	for _, name := range slices.Sorted(maps.Keys(n.kids)) {
		kid, full := n.kids[name], joinName(path, name)
		switch kid.kind {
		case Dir:
			v.list(kid, full)
		case File:
			v.listFile(kid, name, full)
		case Symlink:
			v.listLink(kid, name, full)
		}
	}
}

func (v *view) listFile(n *node, name, path string) {
	f := n.file
	if f == nil {
		return
	}
	if f.kind != "" {
		v.facts.Executables = append(v.facts.Executables, Executable{path, f.kind, f.size, v.t.layers[f.layer]})
	}
	if isJar(name) {
		v.facts.Jars = append(v.facts.Jars, path)
	}
	if isSBOM(name) {
		v.facts.SBOMs = append(v.facts.SBOMs, path)
	}
	language := languageClass(name) == classLanguage
	if (language && !v.scannedAs(f) || f.kind.compiled() && !v.scanned[f]) && f.size > 0 {
		v.t.gaps.add(gapHiddenFiles, path, n.layer,
			"no scanner reads it: it is a hard link to a file that has another name, or whose first name was deleted")
	}
}

// scannedAs reports whether Trivy has read f under a name by which it knows
// what to do with it.
func (v *view) scannedAs(f *file) bool { return f.class == classLanguage && v.scanned[f] }

func (v *view) listLink(n *node, name, path string) {
	if languageClass(name) != classLanguage {
		return
	}
	w := walk{t: v.t, layer: noLayer}
	target, real, err := w.find(path, true)
	if err != nil || target == nil || target.kind != File || target.file == nil {
		return
	}
	if !v.scannedAs(target.file) && target.file.size > 0 {
		v.t.gaps.add(gapHiddenFiles, path, n.layer, "no scanner reads it: it is a link to %s, whose name says nothing", quote(real))
	}
}
