//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/aquasecurity/trivy/pkg/fanal/applier"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/scan/utils"
)

// applyLayers merges layers as Trivy does, with one result for one input.
//
// Trivy's applier walks through maps (applier/docker.go), and of packages with the
// same name and version in several databases it keeps the one that comes first. If
// they differ in a field that selects the advisories, such as the source package,
// the findings depend on the order of the map. applyLayers keeps all packages that
// differ. It also sorts the packages of the types that Trivy gathers from many
// files, such as npm.
func applyLayers(layers []ftypes.BlobInfo) ftypes.ArtifactDetail {
	keepContradictions(layers)
	lastRelease(layers)
	detail := applier.ApplyLayers(layers)
	slices.SortFunc(detail.Packages, comparePackagesOf)
	for i := range detail.Applications {
		slices.SortFunc(detail.Applications[i].Packages, comparePackagesOf)
	}
	return detail
}

// lastRelease lets the last layer that names a release of the OS choose it. Trivy's
// merge keeps the first one, and a layer may upgrade all packages to another release.
func lastRelease(layers []ftypes.BlobInfo) {
	last := ftypes.OS{}
	for i := range slices.Backward(layers) {
		os := &layers[i].OS
		switch {
		case last.Name == "":
			last = *os
		case os.Family == last.Family:
			os.Name = ""
		}
	}
}

// comparePackagesOf orders packages by all that Trivy knows of them.
func comparePackagesOf(a, b ftypes.Package) int {
	order := strings.Compare(a.Name, b.Name)
	if order == 0 {
		order = cmp.Or(strings.Compare(utils.FormatVersion(a), utils.FormatVersion(b)),
			strings.Compare(a.FilePath, b.FilePath), strings.Compare(a.Layer.DiffID, b.Layer.DiffID),
			strings.Compare(a.Identifier.UID, b.Identifier.UID))
	}
	return orText(order, a, b)
}

// keepContradictions keeps all packages of the same name and version that several
// databases list with different facts.
func keepContradictions(layers []ftypes.BlobInfo) {
	type place struct{ key, database string }
	listed := map[place]*ftypes.Package{} // a later layer replaces the database
	databases := map[string]bool{}
	eachPackage(layers, func(database string, p *ftypes.Package) {
		listed[place{dedupeKey(p), database}] = p
		databases[database] = true
	})
	if len(databases) < 2 {
		return
	}
	first, differ := map[string]*ftypes.Package{}, map[string]bool{}
	for at, p := range listed {
		if other := first[at.key]; other != nil && !sameAdvisories(other, p) {
			differ[at.key] = true
		}
		first[at.key] = p
	}
	eachPackage(layers, func(database string, p *ftypes.Package) {
		if p.FilePath == "" && differ[dedupeKey(p)] {
			p.FilePath = database
		}
	})
}

func eachPackage(layers []ftypes.BlobInfo, f func(database string, p *ftypes.Package)) {
	for i := range layers {
		for _, info := range layers[i].PackageInfos {
			for j := range info.Packages {
				f(info.FilePath, &info.Packages[j])
			}
		}
	}
}

// dedupeKey is what Trivy's applier takes for one package.
func dedupeKey(p *ftypes.Package) string {
	return cmp.Or(p.ID, p.Name+"@"+utils.FormatVersion(*p)) + "/" + p.FilePath
}

// sameAdvisories reports whether two packages of the same name and version are
// matched with the same advisories.
func sameAdvisories(a, b *ftypes.Package) bool {
	return a.Name == b.Name && a.Version == b.Version && a.Release == b.Release && a.Epoch == b.Epoch && a.Arch == b.Arch &&
		a.SrcName == b.SrcName && a.SrcVersion == b.SrcVersion && a.SrcRelease == b.SrcRelease && a.SrcEpoch == b.SrcEpoch &&
		a.Modularitylabel == b.Modularitylabel && a.Maintainer == b.Maintainer && a.Repository == b.Repository &&
		slices.Equal(a.Licenses, b.Licenses)
}
