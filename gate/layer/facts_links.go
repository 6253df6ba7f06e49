package layer

import "strings"

// listLink adds a gap for a symbolic link that brings a file to a name at which Trivy
// would read it, from one at which Trivy does not.
func (v *view) listLink(n *node, dir string) {
	path := joinName(dir, n.name)
	language := languageClass(n.name) == classLanguage
	if !language && !hasMetadata(path) && !readByDir(path) {
		return
	}
	w := walk{t: v.t, layer: noLayer}
	target, real, err := w.find(path, true)
	switch {
	case err != nil || target == nil:
	case target.kind == Dir:
		v.listLinkedDir(n, path, target, real)
	case target.kind != File || target.file == nil || target.file.size == 0:
	case language && !target.file.recognised() || readByDir(path) && !readByDir(real):
		v.t.gaps.add(gapHiddenFiles, path, n.layer, "no scanner reads it: it is a link to %s, whose name says nothing", quote(real))
	}
}

// listLinkedDir does that for a link to the directory that has the file.
func (v *view) listLinkedDir(n *node, path string, target *node, real string) {
	for kid := range target.all {
		if kid.kind != Dir && readByDir(joinName(path, kid.name)) && !readByDir(joinName(real, kid.name)) {
			v.t.gaps.add(gapHiddenFiles, path, n.layer, "no scanner reads what is in it: it is a link to %s, whose name says nothing", quote(real))
			return
		}
	}
}

// hasMetadata reports whether the name of a directory says that it has metadata of
// packages, which Trivy reads in such directories only.
func hasMetadata(dir string) bool {
	return isPythonInfo(dir) || strings.Contains(dir+"/", "/specifications/") || baseOf(dir) == "conda-meta"
}

// readByDir reports whether the file at path is metadata that Trivy, or the engine's
// analyzer for conda, knows by the name of its directory.
func readByDir(path string) bool {
	dir, base := cutBase(path)
	switch {
	case base == "METADATA", base == "PKG-INFO":
		return isPythonInfo(dir)
	case strings.HasSuffix(base, ".gemspec"):
		return strings.Contains(dir+"/", "/specifications/")
	case strings.HasSuffix(base, ".json"):
		return baseOf(dir) == "conda-meta"
	}
	return false
}

// isPythonInfo reports whether a directory has the metadata of one Python package.
func isPythonInfo(dir string) bool {
	base := strings.ToLower(baseOf(dir))
	return strings.HasSuffix(base, ".dist-info") || strings.HasSuffix(base, ".egg-info") || base == "egg-info"
}
