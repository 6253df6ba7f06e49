package layer

import (
	"maps"
)

// missingPackages reports packages whose files are in the image but which no
// database lists any more, because their stanzas were removed.
func (v *view) missingPackages() {
	v.dpkgLists()
	v.apkWorld()
	v.vanished()
}

// dpkgLists reports lists of files without an entry in the dpkg database. dpkg
// keeps such a list for each package.
func (v *view) dpkgLists() {
	if v.totals[TypeDpkg] == 0 {
		return // reported as gone
	}
	known := maps.Clone(v.installed(TypeDpkg))
	absent := make(map[string]bool)
	for _, f := range v.present[TypeDpkg] {
		for _, name := range f.facts.(*databaseFacts).absent {
			known[name], absent[name] = true, true
		}
	}
	for _, s := range v.runs[classDpkgList] {
		name := dpkgListName(s.path)
		switch facts, _ := fileFacts[*listFacts](s.node); {
		case !known[name]:
			v.t.gaps.add(gapPackageDatabase, s.path, s.node.layer,
				"dpkg lists the files of the package %s, but its database does not list the package", quote(name))
		case absent[name] && !v.installed(TypeDpkg)[name] && facts != nil && v.remain(facts.paths, nil):
			v.t.gaps.add(gapPackageDatabase, s.path, s.node.layer,
				"the package %s is marked as removed, but its programs are still there", quote(name))
		}
	}
}

// apkWorld reports packages that etc/apk/world requests and that the database
// does not list. apk itself keeps every requested package installed.
func (v *view) apkWorld() {
	if v.totals[TypeApk] == 0 {
		return
	}
	known := maps.Clone(v.installed(TypeApk))
	for _, f := range v.present[TypeApk] {
		for _, name := range f.facts.(*databaseFacts).provides {
			known[name] = true
		}
	}
	for _, s := range v.runs[classApkWorld] {
		facts, ok := fileFacts[*textFacts](s.node)
		if !ok || !s.node.file.scanned {
			continue
		}
		for _, name := range apkWorldNames(facts.text) {
			if !known[name] {
				v.t.gaps.add(gapPackageDatabase, s.path, s.node.layer,
					"the package %s was asked for, but the package database does not list it", quote(name))
			}
		}
	}
}

// vanished compares each earlier version of a database with the present one. A
// package that is no longer listed, but whose files are unchanged, was hidden and
// not removed.
func (v *view) vanished() {
	lists := make(map[string][]string)
	for _, f := range v.t.history {
		if l, ok := f.facts.(*listFacts); ok && len(l.paths) > 0 {
			lists[dpkgListName(f.path)] = l.paths
		}
	}
	reported := make(map[string]bool)
	for _, f := range v.t.history {
		d, ok := f.facts.(*databaseFacts)
		if !ok || v.totals[d.kind] == 0 {
			continue
		}
		for _, p := range d.packages {
			name := p.name
			if v.installed(d.kind)[name] || reported[name] {
				continue
			}
			files := p.files
			if d.kind == TypeDpkg {
				files = lists[name]
			}
			if v.remain(files, f) {
				reported[name] = true
				v.t.gaps.add(gapPackageDatabase, f.path, f.layer,
					"the package %s is no longer listed, but its programs are still there unchanged", quote(name))
			}
		}
	}
}

// remain reports whether most of the files are still there, and, given the
// database of the time, not newer than that.
func (v *view) remain(paths []string, then *file) bool {
	there, files := 0, 0
	for _, path := range paths {
		w := walk{t: v.t, layer: noLayer}
		n, _, err := w.find(path, true)
		if err != nil || n != nil && n.kind == Dir {
			continue
		}
		files++
		if n != nil && n.file != nil && (then == nil || n.file.layer <= then.layer) {
			there++
		}
	}
	return there > 0 && 2*there >= files
}
