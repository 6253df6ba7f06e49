package layer

import (
	"slices"
	"strings"
)

// identities compares what the files say about the OS: with each other, over
// the layers, with the package manager and with the repositories.
func (v *view) identities() {
	truth, ok := v.truth()
	v.claims(truth, ok)
	if !ok {
		return
	}
	manager := managerOf(truth)
	v.inventory(truth)
	for _, kind := range []DatabaseType{TypeApk, TypeDpkg, TypeRPM} {
		if manager != "" && kind != manager && v.totals[kind] > 0 && v.totals[manager] == 0 {
			v.t.gaps.add(gapOSMismatch, osRelease, noLayer, "the image says it is %s, which uses %s, but its packages are in a database of %s", quote(truth.id), manager, kind)
		}
	}
	if v.totals[TypeApk]+v.totals[TypeDpkg]+v.totals[TypeRPM] == 0 && truth.family != "bottlerocket" && !v.anyGap() {
		v.t.gaps.add(gapPackageDatabase, osRelease, noLayer, "the image says it is %s, but it has no package database", quote(truth.id))
	}
	v.repositories(truth)
}

// inventory checks an image of Bottlerocket, which has no package manager. A file
// lists its packages. Packages in any other database are not part of the OS, and
// without the file the packages are unknown.
func (v *view) inventory(truth identity) {
	if truth.family != "bottlerocket" {
		return
	}
	for _, kind := range []DatabaseType{TypeApk, TypeDpkg, TypeRPM} {
		if v.totals[kind] > 0 {
			v.t.gaps.add(gapOSMismatch, osRelease, noLayer, "the image says it is bottlerocket, which has no package manager, but its packages are in a database of %s", kind)
		}
	}
	const list = "sys-root/usr/share/bottlerocket/application-inventory.json"
	for _, path := range []string{"aarch64-bottlerocket-linux-gnu/" + list, "x86_64-bottlerocket-linux-gnu/" + list} {
		w := walk{t: v.t, layer: noLayer}
		if n, _, err := w.find(path, false); err == nil && n != nil && n.kind == File {
			return
		}
	}
	v.t.gaps.add(gapPackageDatabase, osRelease, noLayer, "the image says it is bottlerocket, but it has no application-inventory.json")
}

// anyGap reports whether there is a gap for a package database already, which is
// more exact than the gaps of this file.
func (v *view) anyGap() bool { return v.t.gaps.count[gapPackageDatabase] > 0 }

// truth is what a program in the container would find: etc/os-release first, as
// os-release(5) says, then the older files.
func (v *view) truth() (identity, bool) {
	var first identity
	found := false
	sights := slices.Clone(v.runs[classOS])
	slices.SortStableFunc(sights, func(a, b sight) int { return rank(a.path) - rank(b.path) })
	for _, s := range sights {
		facts, ok := fileFacts[*textFacts](s.node)
		if !ok {
			v.t.gaps.add(gapOSMismatch, s.path, s.node.layer, "it names the OS through a link (from %s), where no scanner looks", quote(s.real))
			continue
		}
		if facts.problem != "" {
			v.t.gaps.add(gapOSMismatch, s.path, s.node.layer, "it %s", facts.problem)
			continue
		}
		id, ok := parseIdentity(s.path, facts.text)
		if !ok {
			continue
		}
		v.facts.OSReleases = append(v.facts.OSReleases, OSRelease{
			Path: s.path, Layer: v.t.layers[s.node.layer], ID: id.id, IDLike: id.like, VersionID: id.version, Family: id.family,
		})
		if !found {
			first, found = id, true
		}
	}
	return first, found
}

// rank orders the files by how reliable they are.
func rank(path string) int {
	switch path {
	case osRelease:
		return 0
	case libOSRelease:
		return 1
	case "etc/debian_version", "etc/redhat-release": // derivatives have them too
		return 3
	}
	return 2
}

// claims checks every version of every file that Trivy reads, in all layers.
// Trivy's merge considers all layers, including files that a later layer replaced
// or deleted.
func (v *view) claims(truth identity, known bool) {
	for _, f := range v.t.history {
		if f.class != classOS {
			continue
		}
		facts := f.facts.(*textFacts)
		id, ok := parseIdentity(f.path, facts.text)
		if !ok {
			continue
		}
		if !known {
			v.t.gaps.add(gapOSMismatch, f.path, f.layer, "a layer names the OS %s, but the merged image names none", quote(id.id))
			continue
		}
		v.contradiction(f, id, truth)
	}
	// Without lsb-release, Trivy takes Ubuntu for Debian.
	if known && truth.family == "ubuntu" && !v.hasClaim("lsb-release") && v.hasClaim("debian_version") {
		v.t.gaps.add(gapOSMismatch, "etc/lsb-release", noLayer, "the image is Ubuntu, but without this file it is judged as Debian")
	}
}

// hasClaim reports whether any layer has a file of that name that says something.
func (v *view) hasClaim(base string) bool {
	return slices.ContainsFunc(v.t.history, func(f *file) bool {
		if f.class != classOS || baseOf(f.path) != base {
			return false
		}
		_, ok := parseIdentity(f.path, f.facts.(*textFacts).text)
		return ok
	})
}

// contradiction reports a claim that does not fit the merged image.
func (v *view) contradiction(f *file, claim, truth identity) {
	family, own := claim.family, truth.family
	if family == "" && own == "" && claim.id == truth.id {
		return
	}
	if family != own || family == "" {
		if inherits(own, claim) {
			return
		}
		v.t.gaps.add(gapOSMismatch, f.path, f.layer, "it says %s, but the image is %s; the scanner would take the advisories of one for the other", quote(claim.id), quote(truth.id))
		return
	}
	said, is := stream(family, claim.version), stream(own, truth.version)
	if said != "" && is != "" && said != is && !v.upgraded(f, truth, said) {
		v.t.gaps.add(gapOSMismatch, f.path, f.layer, "it says release %s, but the image is %s %s", quote(claim.version), quote(truth.id), quote(truth.version))
	}
}

// inherits lists what derivatives keep of their origin, as far as Trivy's own
// merge prefers the derivative.
func inherits(family string, claim identity) bool {
	if !claim.weak {
		return false
	}
	switch family {
	case "ubuntu", "echo":
		return claim.family == "debian"
	case "oracle", "centos", "centos-stream", "rocky", "alma", "fedora", "coreos":
		return claim.family == "redhat"
	}
	return false
}

// repositories notes lines of etc/apk/repositories that are of another release of
// Alpine. They say where a package may come from; what is installed is of the
// release that os-release names. A package that was asked for from another branch
// by name is another matter: the advisories of this release do not cover it.
func (v *view) repositories(truth identity) {
	if managerOf(truth) != TypeApk {
		return
	}
	for _, s := range v.runs[classRepositories] {
		facts, ok := fileFacts[*textFacts](s.node)
		if !ok {
			continue
		}
		var others []string
		for _, r := range repositoryReleases(facts.text) {
			own := truth.family == "alpine" && (r == stream("alpine", truth.version) || r == "edge" && IsPrerelease(truth.version))
			if !own && !slices.Contains(others, r) && len(others) < maxListed {
				others = append(others, r)
			}
		}
		if len(others) > 0 {
			v.facts.Notes = append(v.facts.Notes, s.path+" names repositories of Alpine "+quote(strings.Join(others, ", "))+
				" beside those of the image's own release; the release in os-release chose the advisories")
		}
	}
	for _, s := range v.runs[classApkWorld] {
		if facts, ok := fileFacts[*textFacts](s.node); ok {
			v.foreign(facts.text)
		}
	}
}

// foreign lists the installed packages that etc/apk/world asks for from elsewhere.
func (v *view) foreign(world []byte) {
	installed := v.installed(TypeApk)
	for entry := range strings.FieldsSeq(string(world)) {
		name, why := apkElsewhere(entry)
		if why != "" && installed[name] && len(v.facts.ThirdParty) < maxGaps {
			v.facts.ThirdParty = append(v.facts.ThirdParty, ThirdParty{Name: name, Why: why})
		}
	}
}
