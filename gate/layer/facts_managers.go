package layer

import (
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/words"
)

// managers reports package managers whose database was removed, and images with
// more than one package manager.
func (v *view) managers() {
	v.deleted()
	v.twice()
	var alive []string
	for _, kind := range []DatabaseType{TypeApk, TypeDpkg, TypeRPM} {
		if v.totals[kind] > 0 {
			alive = append(alive, string(kind))
		}
	}
	if len(alive) > 1 {
		v.t.gaps.add(gapOSMismatch, strings.Join(alive, ", "), noLayer,
			"the image has packages of several package managers (%s); only those of its own OS have advisories", strings.Join(alive, ", "))
	}
	if len(alive) > 0 {
		v.foreignManagers()
	}
	for _, kind := range []DatabaseType{TypeApk, TypeDpkg, TypeRPM} {
		if v.totals[kind] == 0 {
			v.gone(kind, len(alive) == 0)
		}
	}
}

// twice reports packages that are in two databases of one manager. Trivy keeps
// an arbitrary one of them, and a forged second entry may name another source
// package, which has no vulnerabilities.
func (v *view) twice() {
	for _, kind := range []DatabaseType{TypeApk, TypeDpkg} {
		in := make(map[string]string)
		for _, f := range v.present[kind] {
			for _, p := range f.facts.(*databaseFacts).packages {
				name := p.name
				if other, ok := in[name]; ok && other != f.path {
					v.t.gaps.add(gapPackageDatabase, f.path, f.layer, "the package %s is also in %s", quote(name), other)
				}
				in[name] = f.path
			}
		}
	}
}

// deleted reports databases that a later layer deleted, unless another database
// of the same manager lists as many packages: RPM moves its database.
func (v *view) deleted() {
	reported := make(map[string]bool)
	for _, f := range slices.Backward(v.t.history) {
		d, ok := f.facts.(*databaseFacts)
		if !ok || reported[f.path] {
			continue
		}
		reported[f.path] = true // report only the last version
		w := walk{t: v.t, layer: noLayer}
		if n, _, err := w.find(f.path, true); err == nil && n != nil {
			continue
		}
		lost := max(d.count, 1)
		if d.kind != TypeDpkg && v.totals[d.kind] >= lost || d.kind == TypeDpkg && v.kept(d) {
			continue
		}
		by, known := v.t.removals[f.path]
		if !known {
			by = noLayer
		}
		v.t.gaps.add(gapPackageDatabase, f.path, by, "a later layer deleted the package database, which listed %s", words.Plural(d.count, "package"))
	}
}

// kept reports whether every package of a dpkg database is still listed in
// another one: in distroless images each package has a file of its own.
func (v *view) kept(d *databaseFacts) bool {
	for _, p := range d.packages {
		if !v.installed(TypeDpkg)[p.name] {
			return false
		}
	}
	return len(d.packages) > 0
}

// installed are the names in all present databases of a manager.
func (v *view) installed(kind DatabaseType) map[string]bool {
	if v.pkgs == nil {
		v.pkgs = make(map[DatabaseType]map[string]bool)
	}
	if names, ok := v.pkgs[kind]; ok {
		return names
	}
	names := make(map[string]bool)
	for _, f := range v.present[kind] {
		for _, p := range f.facts.(*databaseFacts).packages {
			names[p.name] = true
		}
	}
	v.pkgs[kind] = names
	return names
}

// gone reports a manager that lists no packages although it once did, or is
// the only one and left its files.
func (v *view) gone(kind DatabaseType, only bool) {
	for _, f := range v.present[kind] {
		if f.facts.(*databaseFacts).problem != "" {
			return // reported already
		}
	}
	if left := v.leftover(kind); left != "" && (only || kind != TypeRPM) {
		v.t.gaps.add(gapPackageDatabase, left, noLayer, "the %s package manager left files, but its database lists no packages", kind)
		return
	}
	if !only {
		return
	}
	for _, f := range v.present[kind] {
		v.t.gaps.add(gapPackageDatabase, f.path, f.layer, "the package database is empty")
		return
	}
	for _, path := range programsOf(kind) {
		w := walk{t: v.t, layer: noLayer}
		if n, _, err := w.find(path, true); err == nil && n != nil && n.kind == File {
			v.t.gaps.add(gapPackageDatabase, path, n.layer, "the image has the package manager %s but no package database", kind)
			return
		}
	}
}

// leftover finds a file that only a package manager in use leaves behind.
func (v *view) leftover(kind DatabaseType) string {
	switch kind {
	case TypeDpkg:
		for _, s := range v.runs[classDpkgList] {
			return s.path
		}
	case TypeApk:
		for _, path := range []string{"lib/apk/db/scripts.tar", "usr/lib/apk/db/scripts.tar", "lib/apk/db/triggers", "usr/lib/apk/db/triggers"} {
			w := walk{t: v.t, layer: noLayer}
			if n, _, err := w.find(path, true); err == nil && n != nil && n.file != nil && n.file.size > 0 {
				return path
			}
		}
	case TypeRPM:
		for _, dir := range []string{"var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"} {
			for _, name := range v.names(dir) {
				if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "macros") {
					continue
				}
				return joinName(dir, name)
			}
		}
	}
	return ""
}

func programsOf(kind DatabaseType) []string {
	switch kind {
	case TypeDpkg:
		return []string{"usr/bin/dpkg", "bin/dpkg", "usr/bin/apt-get"}
	case TypeApk:
		return []string{"sbin/apk", "usr/sbin/apk", "usr/bin/apk", "bin/apk"}
	}
	return []string{"usr/bin/rpm", "bin/rpm", "usr/bin/dnf", "usr/bin/microdnf", "usr/bin/yum", "usr/bin/zypper", "usr/bin/tdnf"}
}
