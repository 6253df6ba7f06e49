//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"cmp"
	"path"
	"slices"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/scan/utils"

	"github.com/imagegate/imagegate/gate/scan/pkgdb"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// owners answers who installed a file, and which packages are of a third party.
type owners struct {
	layers []ownLayer
	// packages are those of the merged image, by NAME@VERSION. An RPM database has two
	// with one name and version where those of two architectures are installed.
	packages map[string][]*owned
	files    map[string]hashed  // by path
	claims   map[string][]claim // by canonical path
}

// ownLayer is what was read of one layer beside Trivy.
type ownLayer struct {
	ownFacts
	opaque, white []string
}

// owned is an installed package.
type owned struct {
	pkgdb.Package
	foreign string // why it seems to be of a third party
	// mended is true when the distribution's advisories cover the package: they know
	// its source, and the package itself has no sign of a third party.
	mended bool
}

// hashed is a file as the topmost layer has it.
type hashed struct {
	layer   int
	digests []string
}

// claim is a line of a list: the package installed the file with this hash.
type claim struct {
	owner  *owned
	digest string
	layer  int // the first that says so
}

// newOwners joins what was read of the layers with what Trivy found in them.
func newOwners(layers []ownLayer, detail *ftypes.ArtifactDetail, knows func(names ...string) bool) *owners {
	o := &owners{layers: layers, packages: map[string][]*owned{}, files: map[string]hashed{}, claims: map[string][]claim{}}
	for i := range layers {
		for file, digests := range layers[i].Hashes {
			o.files[file] = hashed{i, digests}
		}
	}
	o.addPackages()
	o.addSums()
	for i := range detail.Packages {
		for _, own := range o.packages[idOf(&detail.Packages[i])] {
			known := knows(own.Source, own.Name)
			own.foreign = pkgdb.ThirdParty(&own.Package, string(detail.OS.Family), known)
			// The author of a package can name any source, so a known source does
			// not make a foreign maintainer acceptable here.
			own.mended = known && pkgdb.ThirdParty(&own.Package, string(detail.OS.Family), false) == ""
		}
	}
	return o
}

func idOf(p *ftypes.Package) string { return p.Name + "@" + utils.FormatVersion(*p) }

// addPackages takes the packages of the databases that are still there, and the
// files that they list.
func (o *owners) addPackages() {
	first := map[string]int{}
	for i := range o.layers {
		for _, file := range sortedKeys(o.layers[i].Databases) {
			list := o.layers[i].Databases[file]
			for j := range list {
				for _, f := range list[j].Files {
					remember(first, list[j].Name+"@"+list[j].Version, f, i)
				}
			}
			if !o.topmost(i, file, func(l *ownLayer) bool { _, ok := l.Databases[file]; return ok }) {
				continue
			}
			for j := range list {
				p := &owned{Package: list[j], foreign: "the scanner does not list it"}
				id := p.Name + "@" + p.Version
				o.packages[id] = append(o.packages[id], p)
				for _, f := range p.Files {
					o.claim(p, f, first[claimKey(id, f)])
				}
			}
		}
	}
}

// addSums takes the lists of dpkg that are still there.
func (o *owners) addSums() {
	byName := map[string][]*owned{}
	for _, id := range sortedKeys(o.packages) {
		for _, p := range o.packages[id] {
			byName[p.Name] = append(byName[p.Name], p)
		}
	}
	first := map[string]int{}
	for i := range o.layers {
		for _, file := range sortedKeys(o.layers[i].Sums) {
			sums := o.layers[i].Sums[file]
			for _, f := range sums.Files {
				remember(first, file, f, i)
			}
			if !o.topmost(i, file, func(l *ownLayer) bool { _, ok := l.Sums[file]; return ok }) {
				continue
			}
			name, _ := pkgdb.SumsOf(file)
			name, _, _ = strings.Cut(name, ":")
			for _, p := range byName[name] {
				p.Sign = cmp.Or(p.Sign, sums.Sign)
				for _, f := range sums.Files {
					o.claim(p, f, first[claimKey(file, f)])
				}
			}
		}
	}
}

func claimKey(id string, f pkgdb.File) string { return id + "\x00" + f.Path + "\x00" + f.Digest }

func remember(first map[string]int, id string, f pkgdb.File, layer int) {
	if key := claimKey(id, f); first[key] == 0 {
		if _, seen := first[key]; !seen {
			first[key] = layer
		}
	}
}

func (o *owners) claim(p *owned, f pkgdb.File, layer int) {
	key := pkgdb.Canonical(f.Path)
	o.claims[key] = append(o.claims[key], claim{p, f.Digest, layer})
}

// topmost reports whether no later layer has the file again or deletes it.
func (o *owners) topmost(layer int, file string, has func(*ownLayer) bool) bool {
	for i := layer + 1; i < len(o.layers); i++ {
		if l := &o.layers[i]; has(l) || deletes(l, file) {
			return false
		}
	}
	return true
}

// deletes reports whether a whiteout of the layer removes the file.
func deletes(l *ownLayer, file string) bool {
	if len(l.white)+len(l.opaque) == 0 {
		return false
	}
	for dir := file; dir != "."; dir = path.Dir(dir) {
		if slices.Contains(l.white, dir) || dir != file && slices.Contains(l.opaque, dir) {
			return true
		}
	}
	return false
}

// of returns the package of the distribution that installed the file, "NAME
// VERSION", or "".
//
// A list alone is not evidence, because the author of the image can write it. The
// file must have the listed hash. It must not be in a lower layer than the entry,
// because an entry could have been forged for an existing file. A package that seems
// to be of a third party is not accepted, and no package is accepted for a path
// that is not the distribution's. The distribution's advisories must know the source
// package, because only then do they say what was fixed. This does not apply to
// directories that the distribution reserves for its packages.
func (o *owners) of(file string) string {
	file = strings.TrimPrefix(file, "/")
	found := outermostFile(file, o.files)
	if found == "" || pkgdb.Foreign(found) {
		return ""
	}
	h := o.files[found]
	owner := ""
	for _, c := range o.claims[pkgdb.Canonical(found)] {
		if !slices.Contains(h.digests, c.digest) {
			continue
		}
		if c.owner.foreign != "" || h.layer < c.layer || !c.owner.mended && !pkgdb.Reserved(pkgdb.Canonical(found)) {
			return ""
		}
		owner = c.owner.Name + " " + c.owner.Version
	}
	return owner
}

func outermostFile(file string, files map[string]hashed) string {
	for file != "" && file != "." {
		if _, ok := files[file]; ok {
			return file
		}
		file = path.Dir(file)
	}
	return ""
}

// attribute notes the owners of the language packages in the report.
func (o *owners) attribute(report *wire.Report) {
	for i := range report.Packages {
		o.note(&report.Packages[i])
	}
	for i := range report.Findings {
		o.note(report.Findings[i].Package)
	}
}

func (o *owners) note(p *evidence.Package) {
	if p.Class == evidence.ClassLanguage && p.Path != "" {
		p.OwnedBy = o.of(p.Path)
	}
}

// origins names the packages of third parties, and takes signing keys, which rpm
// stores like packages, from the list of packages.
func (o *owners) origins(detail *ftypes.ArtifactDetail, report *wire.Report) {
	detail.Packages = slices.DeleteFunc(detail.Packages, func(p ftypes.Package) bool {
		all := o.packages[idOf(&p)]
		return len(all) > 0 && !slices.ContainsFunc(all, func(own *owned) bool { return !own.Key })
	})
	for i := range detail.Packages {
		p := &detail.Packages[i]
		version, why := utils.FormatVersion(*p), ""
		for _, own := range o.packages[idOf(p)] {
			why = cmp.Or(why, own.foreign)
		}
		if why == "" && p.Repository.Class == ftypes.RepositoryClassThirdParty {
			why = "its vendor or maintainer is on the scanner's list of third parties"
		}
		if why != "" {
			report.ThirdParty = append(report.ThirdParty, wire.ThirdParty{Name: p.Name, Version: version, Why: why})
		}
		if p.Name == "gpg-pubkey" {
			// Trivy matches no package of this name (detector/ospkg).
			report.Gaps = append(report.Gaps, wire.Gap{Gap: evidence.Gap{
				Kind: evidence.GapPackageDatabase, Subject: p.Name, Package: p.Name + " " + version, Layer: p.Layer.DiffID,
				Detail: "the package " + p.Name + " " + version + " has the name under which rpm stores signing keys, but it is none, and the scanner matches nothing of that name",
				Cure:   "rename or remove the package",
			}})
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
