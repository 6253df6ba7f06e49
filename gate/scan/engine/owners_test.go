//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"slices"
	"testing"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/pkgdb"
)

// TestOwners: what it takes for a file to count as installed by the distribution.
func TestOwners(t *testing.T) {
	const (
		info   = "usr/lib/python3/dist-packages/urllib3-1.26.egg-info/PKG-INFO"
		vendor = "usr/lib/acme/node_modules/lodash/package.json"
		debian = "Debian Python Team <x@lists.debian.org>"
		acme   = "ACME <p@acme.example>"
		status = "var/lib/dpkg/status"
		list   = "var/lib/dpkg/info/p.md5sums"
	)
	// one has package p with the file, listed with the hash listed and having the
	// hash actual.
	one := func(path, maintainer, listed, actual string) ownLayer {
		return ownLayer{ownFacts: ownFacts{
			Databases: map[string][]pkgdb.Package{status: {{Name: "p", Version: "1", Source: "src", Origin: maintainer}}},
			Sums:      map[string]pkgdb.Sums{list: {Files: []pkgdb.File{{Path: path, Digest: listed}}}},
			Hashes:    map[string][]string{path: {actual, "sha1:x"}},
		}}
	}
	hash := func(path, digest string) ownLayer {
		return ownLayer{ownFacts: ownFacts{Hashes: map[string][]string{path: {digest}}}}
	}
	without := func(l ownLayer, change func(*ownFacts)) ownLayer {
		change(&l.ownFacts)
		return l
	}
	// twice has package p for two architectures, as rpm does. Each lists the file or not.
	twice := func(path string, first, second bool, maintainer string) ownLayer {
		list := []pkgdb.Package{{Name: "p", Version: "1", Source: "src", Origin: debian}, {Name: "p", Version: "1", Source: "src", Origin: maintainer}}
		for i, has := range []bool{first, second} {
			if has {
				list[i].Files = []pkgdb.File{{Path: path, Digest: "md5:1"}}
			}
		}
		return ownLayer{ownFacts: ownFacts{Databases: map[string][]pkgdb.Package{"var/lib/rpm/rpmdb.sqlite": list}, Hashes: map[string][]string{path: {"md5:1"}}}}
	}
	plain := one(info, debian, "md5:1", "md5:1")
	noFile := without(one(info, debian, "md5:1", ""), func(f *ownFacts) { f.Hashes = nil })
	signed := without(one(info, debian, "md5:1", "md5:1"), func(f *ownFacts) {
		f.Sums = map[string]pkgdb.Sums{list: {Files: f.Sums[list].Files, Sign: "it installs files below /opt"}}
	})
	outside := func(path string) ownLayer { return one(path, debian, "md5:1", "md5:1") }
	for _, test := range []struct {
		name   string
		path   string
		layers []ownLayer
		known  bool
		owned  bool
	}{
		{"installed by Debian", info, []ownLayer{plain}, true, true},
		{"in a reserved place, by a source without advisories", info, []ownLayer{plain}, false, true},
		{"elsewhere, by a source with advisories", vendor, []ownLayer{outside(vendor)}, true, true},
		{"elsewhere, by a source without advisories", vendor, []ownLayer{outside(vendor)}, false, false},
		{"a vendored tree in an own package", vendor, []ownLayer{one(vendor, acme, "md5:1", "md5:1")}, false, false},
		{"a package of a third party in a reserved place", info, []ownLayer{one(info, acme, "md5:1", "md5:1")}, false, false},
		{"a package with a sign of a third party and a forged maintainer", info, []ownLayer{signed}, true, false},
		{"a list with another hash", info, []ownLayer{one(info, debian, "md5:2", "md5:1")}, true, false},
		{"changed after installation", info, []ownLayer{plain, hash(info, "md5:9")}, true, false},
		{"installed again, unchanged", info, []ownLayer{plain, hash(info, "md5:1")}, true, true},
		{"the list came after the file", info, []ownLayer{hash(info, "md5:1"), noFile}, true, false},
		{"the list is written again", info, []ownLayer{plain, noFile}, true, true},
		{"the list was deleted", info, []ownLayer{plain, {white: []string{list}}}, true, false},
		{"all lists were deleted", info, []ownLayer{plain, {opaque: []string{"var/lib/dpkg/info"}}}, true, false},
		{"a directory above was deleted", info, []ownLayer{plain, {white: []string{"var/lib/dpkg"}}}, true, false},
		{"another list is deleted", info, []ownLayer{plain, {white: []string{list + "x"}}}, true, true},
		{"below /opt", "opt/x/METADATA", []ownLayer{outside("opt/x/METADATA")}, true, false},
		{"below /usr/local", "usr/local/lib/x/METADATA", []ownLayer{outside("usr/local/lib/x/METADATA")}, true, false},
		{"below /app", "app/x/METADATA", []ownLayer{outside("app/x/METADATA")}, true, false},
		{"a program beside the accounted one", "usr/bin/other", []ownLayer{without(outside("usr/bin/docker"), func(f *ownFacts) {
			f.Hashes = map[string][]string{"usr/bin/other": {"md5:1"}}
		})}, true, false},
		{"a list that says lib for usr/lib", "usr/lib/x/METADATA", []ownLayer{without(outside("lib/x/METADATA"), func(f *ownFacts) {
			f.Hashes = map[string][]string{"usr/lib/x/METADATA": {"md5:1"}}
		})}, true, true},
		{"inside an archive", "usr/share/java/a.jar/lib/b.jar", []ownLayer{outside("usr/share/java/a.jar")}, true, true},
		{"a list without a package", info, []ownLayer{without(one(info, debian, "md5:1", "md5:1"), func(f *ownFacts) { f.Databases = nil })}, true, false},
		{"of a second architecture", info, []ownLayer{twice(info, false, true, debian)}, true, true},
		{"of both architectures", info, []ownLayer{twice(info, true, true, debian)}, true, true},
		{"of the first architecture, the second of a third party", info, []ownLayer{twice(info, true, false, acme)}, false, true},
		{"of both architectures, the second of a third party", info, []ownLayer{twice(info, true, true, acme)}, false, false},
		{"two packages claim it, one of a third party", info, []ownLayer{without(one(info, debian, "md5:1", "md5:1"), func(f *ownFacts) {
			f.Databases[status] = append(f.Databases[status], pkgdb.Package{Name: "q", Version: "1", Source: "q", Origin: acme, Files: f.Sums[list].Files, Sign: "x"})
		})}, true, false},
	} {
		detail := &ftypes.ArtifactDetail{OS: ftypes.OS{Family: ftypes.Debian}, Packages: ftypes.Packages{{Name: "p", Version: "1"}, {Name: "q", Version: "1"}}}
		for reverse := range 2 {
			o := newOwners(slices.Clone(test.layers), detail, func(...string) bool { return test.known })
			if got := o.of(test.path); (got == "p 1") != test.owned || got != "" && got != "p 1" {
				t.Errorf("%s (%d): got %q", test.name, reverse, got)
			}
		}
	}
}

// A package that only a database of a lower layer had is no owner.
func TestOwnersOfRemovedPackages(t *testing.T) {
	const db, file = "lib/apk/db/installed", "usr/lib/python3.12/site-packages/x/METADATA"
	layer := func(packages ...pkgdb.Package) ownLayer {
		return ownLayer{ownFacts: ownFacts{Databases: map[string][]pkgdb.Package{db: packages}}}
	}
	first := layer(pkgdb.Package{Name: "p", Version: "1", Source: "p", Files: []pkgdb.File{{Path: file, Digest: "sha1:1"}}})
	first.Hashes = map[string][]string{file: {"sha1:1"}}
	o := newOwners([]ownLayer{first, layer(pkgdb.Package{Name: "q", Version: "1", Source: "q"})}, &ftypes.ArtifactDetail{}, func(...string) bool { return true })
	if got := o.of(file); got != "" {
		t.Errorf("got %q", got)
	}
}
