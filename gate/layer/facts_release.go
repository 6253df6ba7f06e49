package layer

import (
	"slices"
	"strings"
)

// releasePackage names the package that brings the files which name the OS. Its version
// begins with that of the release.
func releasePackage(family string) string {
	switch family {
	case "alpine":
		return "alpine-release"
	case "debian":
		return "base-files"
	}
	return ""
}

// releaseIn is the release that a package database says it is of, "" when it does not
// say that.
func releaseIn(f *file, family string) string {
	d, ok := f.facts.(*databaseFacts)
	if name := releasePackage(family); ok && name != "" {
		for _, id := range d.ids {
			if version, ok := strings.CutPrefix(id, name+"@"); ok {
				return stream(family, version)
			}
		}
	}
	return ""
}

// upgraded reports whether a file names another release than the merged image because a
// later layer upgraded all packages, as apk upgrade and apt-get dist-upgrade do: the file
// was replaced, and the package databases of then and now say the same as the files.
func (v *view) upgraded(f *file, truth identity, said string) bool {
	if slices.ContainsFunc(v.runs[classOS], func(s sight) bool { return s.node.file == f }) {
		return false
	}
	is := stream(truth.family, truth.version)
	now := slices.ContainsFunc(v.present[managerOf(truth)], func(db *file) bool { return releaseIn(db, truth.family) == is })
	return now && slices.ContainsFunc(v.t.history, func(db *file) bool { return releaseIn(db, truth.family) == said })
}

// SameRelease reports whether two versions of a distribution have the same advisories,
// as far as they tell a release. family is Trivy's name of the distribution.
func SameRelease(family, a, b string) bool {
	if strings.HasPrefix(family, "opensuse") || strings.HasPrefix(family, "sle") {
		family = "suse"
	}
	a, b = stream(family, a), stream(family, b)
	return a == b || a == "" || b == ""
}
