package layer

import (
	"slices"
	"strings"
)

// list walks the merged tree for programs, jars and SBOMs, and for files that
// only a link brings to a name that Trivy would recognise.
func (v *view) list(dir *node, path string) {
	start := len(v.kids)
	for kid := range dir.all {
		v.kids = append(v.kids, kid)
	}
	end := len(v.kids)
	slices.SortFunc(v.kids[start:], func(a, b *node) int { return strings.Compare(a.name, b.name) })
	for i := start; i < end; i++ {
		switch kid := v.kids[i]; kid.kind {
		case Dir:
			v.listDir(kid, joinName(path, kid.name))
			v.list(kid, joinName(path, kid.name))
		case File:
			v.listFile(kid, path)
		case Symlink:
			v.listLink(kid, path)
		}
	}
	v.kids = v.kids[:start]
}

func (v *view) listFile(n *node, dir string) {
	f := n.file
	if f == nil {
		return
	}
	if f.rights != 0 {
		v.rights(f, joinName(dir, n.name))
	}
	jar, sbom, language := isJar(n.name), isSBOM(n.name), languageClass(n.name) == classLanguage
	if f.program == programNone && !jar && !sbom && !language {
		return // nearly all files
	}
	path := joinName(dir, n.name)
	if f.program.kind() != "" {
		v.facts.Executables = append(v.facts.Executables, Executable{path, f.program.kind(), f.size, v.t.layers[f.layer]})
	}
	if jar {
		v.facts.Jars = append(v.facts.Jars, path)
	}
	if sbom {
		v.facts.SBOMs = append(v.facts.SBOMs, path)
	}
	if (language && !f.recognised() || f.program.recognised() && !f.scanned) && f.size > 0 {
		v.t.gaps.add(gapHiddenFiles, path, n.layer,
			"no scanner reads it: it is a hard link to a file that has another name, or whose first name was deleted")
	}
}

// recognised reports whether Trivy has read f under a name by which it knows
// what to do with it.
func (f *file) recognised() bool { return f.class == classLanguage && f.scanned }
