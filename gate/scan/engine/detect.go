//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	trivydb "github.com/aquasecurity/trivy-db/pkg/db"
	dbtypes "github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/aquasecurity/trivy/pkg/clock"
	"github.com/aquasecurity/trivy/pkg/detector/library"
	ospkgdetector "github.com/aquasecurity/trivy/pkg/detector/ospkg"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/driver"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/rapidfort"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/rootio"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/seal"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/scan/langpkg"
	"github.com/aquasecurity/trivy/pkg/scan/ospkg"
	"github.com/aquasecurity/trivy/pkg/scan/utils"
	"github.com/aquasecurity/trivy/pkg/types"
	"github.com/aquasecurity/trivy/pkg/vulnerability"

	layers "github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// detection is what Trivy's detectors say of one merged image.
type detection struct {
	detail  ftypes.ArtifactDetail
	results types.Results
	owners  *owners
	// extended says that the feed of Ubuntu's extended maintenance is asked as well.
	extended bool
}

// scanOptions request all results. Trivy's zero values do not: without
// relationships it drops every package, and without a severity source it makes
// every severity UNKNOWN.
func scanOptions() types.ScanOptions {
	return types.ScanOptions{
		PkgTypes:            types.PkgTypes,
		PkgRelationships:    ftypes.Relationships,
		Scanners:            types.Scanners{types.VulnerabilityScanner},
		VulnSeveritySources: severitySources,
	}
}

var severitySources = []dbtypes.SourceID{"auto"}

// detect merges the layers, finds vulnerabilities, and lets the SBOMs inside
// the image add to them.
func (s *session) detect(ctx context.Context, report *wire.Report) (*detection, error) {
	ctx = clock.With(ctx, s.begin.Now)
	d := &detection{detail: applyLayers(s.main)}
	report.BuiltFrom = s.builtFrom(&d.detail)
	report.Gaps = append(report.Gaps, dropDescribed(&d.detail)...)
	oneName(&d.detail, s.links)
	report.OS = settleOS(&d.detail)
	settleRepository(&d.detail)
	d.extended = s.settleExtended(&d.detail)
	settleStandardLibrary(&d.detail)
	s.describeFeeds(&d.detail, report)
	d.owners = newOwners(s.own, &d.detail, func(names ...string) bool {
		return report.Stream != "" && s.engine.advisories.knows(report.Stream, names...)
	})
	d.owners.origins(&d.detail, report)
	matchThirdParties(d.detail.Packages)
	if err := d.run(ctx, s.begin.Name, d.detail, report); err != nil {
		return nil, err
	}
	if extra, any := s.fromSBOMs(&d.detail, report); any {
		if err := d.run(ctx, s.begin.Name, extra, report); err != nil {
			return nil, err
		}
	}
	if report.OS != nil {
		report.OS.EndOfLife = endOfLife(ctx, d.detail.OS)
	}
	client := vulnerability.NewClient(&s.engine.details)
	for i := range d.results {
		client.FillInfo(d.results[i].Vulnerabilities, severitySources)
	}
	return d, nil
}

// builtFrom lists the programs whose own build information was read and matched.
// What Trivy knows from lists, SBOMs or directories of packages does not count.
func (s *session) builtFrom(detail *ftypes.ArtifactDetail) []string {
	var programs []string
	for i := range detail.Applications {
		app := &detail.Applications[i]
		if app.Type != ftypes.GoBinary && app.Type != ftypes.RustBinary || len(app.Packages) == 0 || withoutModules(app) {
			continue
		}
		if d, ok := library.NewDriver(app.Type); ok && s.engine.advisories.hasEcosystem(d.Type()) {
			programs = append(programs, app.FilePath)
		}
	}
	slices.Sort(programs)
	return slices.Compact(programs)
}

// withoutModules reports whether a Go program names its compiler and no modules.
// Programs that Bazel or GOPATH built are such, whatever was linked into them.
func withoutModules(app *ftypes.Application) bool {
	return app.Type == ftypes.GoBinary && !slices.ContainsFunc(app.Packages, func(p ftypes.Package) bool { return p.Name != stdlib })
}

// settleOS handles a missing OS as scan/local does. Packages without an OS belong
// to "none". If os-release is missing, the package repositories name the OS, and the
// report says so.
func settleOS(detail *ftypes.ArtifactDetail) *wire.OS {
	assumed := false
	if !detail.OS.Detected() {
		if len(detail.Packages) > 0 {
			detail.OS = ftypes.OS{Family: noOS}
		}
		if r := detail.Repository; r != nil {
			detail.OS, assumed = ftypes.OS{Family: r.Family, Name: r.Release}, true
		}
	}
	if !detail.OS.Detected() || detail.OS.Family == noOS {
		return nil
	}
	return &wire.OS{Family: string(detail.OS.Family), Name: detail.OS.Name, Assumed: assumed}
}

// settleRepository lets the files that name the OS choose the feed, and not the
// lines of etc/apk/repositories as Trivy's detector would: an extra repository
// says where some package may come from, not what is installed. Only a
// prerelease of Alpine is edge, which has a feed of its own.
func settleRepository(detail *ftypes.ArtifactDetail) {
	if detail.OS.Family != ftypes.Alpine || detail.Repository == nil || detail.OS.Name == detail.Repository.Release {
		return
	}
	detail.Repository = nil
	if layers.IsPrerelease(detail.OS.Name) {
		detail.Repository = &ftypes.Repository{Family: ftypes.Alpine, Release: edge}
	}
}

// edge is the rolling branch of Alpine.
const edge = "edge"

// matchThirdParties makes Trivy match the packages of other vendors as well. Trivy
// omits a package because of its maintainer or vendor field, which the author of an
// image can forge.
func matchThirdParties(pkgs []ftypes.Package) {
	for i := range pkgs {
		pkgs[i].Repository.Class = ftypes.RepositoryClassOfficial
	}
}

// run detects the vulnerabilities of detail's packages and appends the results.
func (d *detection) run(ctx context.Context, name string, detail ftypes.ArtifactDetail, report *wire.Report) error {
	target := types.ScanTarget{
		Name: name, OS: detail.OS, Repository: detail.Repository,
		Packages: detail.Packages, Applications: detail.Applications,
	}
	watch := ospkgdetector.WithSupplier(func(os ftypes.OS, pkgs []ftypes.Package) driver.Driver {
		report.Suppliers = union(report.Suppliers, suppliers(os, pkgs))
		return nil // this call only records what Trivy has chosen
	})
	result, _, err := ospkg.NewScanner(watch).Scan(ctx, target, scanOptions())
	if err == nil && d.extended {
		err = addExtended(ctx, target, &result)
	}
	switch {
	case errors.Is(err, ospkgdetector.ErrUnsupportedOS), err != nil && withoutRedHat(detail.OS, report):
		// The packages are reported without findings; Stream is empty, and the
		// parent makes a gap of that.
		d.results = append(d.results, result)
	case err != nil:
		return fmt.Errorf("find vulnerabilities of OS packages: %w", err)
	case result.Target != "":
		d.results = append(d.results, result)
	}
	libraries, err := langpkg.NewScanner().Scan(ctx, target, scanOptions())
	if err != nil {
		return fmt.Errorf("find vulnerabilities of libraries: %w", err)
	}
	d.results = append(d.results, libraries...)
	return nil
}

// withoutRedHat reports whether the detector for an OS of Red Hat failed because the
// database has no advisories of Red Hat. The detector asks for their index first.
func withoutRedHat(os ftypes.OS, report *wire.Report) bool {
	return (os.Family == ftypes.RedHat || os.Family == ftypes.CentOS) && !report.StreamKnown
}

// suppliers names the vendors whose own feeds Trivy would use instead of the
// distribution's because of something in the image: a marker file or a suffix
// of a version, which the author of an image can forge.
func suppliers(os ftypes.OS, pkgs []ftypes.Package) []string {
	var names []string
	if rapidfort.Supplier(os, pkgs) != nil {
		names = append(names, "RapidFort")
	}
	if rootio.Supplier(os, pkgs) != nil {
		names = append(names, "Root.io")
	}
	if seal.Supplier(os, pkgs) != nil {
		names = append(names, "Seal Security")
	}
	return names
}

// describeFeeds says which feed answers for the OS packages, and which
// packages no feed answers for.
func (s *session) describeFeeds(detail *ftypes.ArtifactDetail, report *wire.Report) {
	sets, known := contentSets(detail.Packages)
	if report.OS != nil {
		report.Stream = stream(detail.OS, detail.Repository, sets > 0)
		report.StreamKnown = report.Stream != "" && s.engine.advisories.has(report.Stream)
	}
	if sets > known {
		report.ContentSets = fmt.Sprintf("the image names %d content sets of Red Hat, which say from which repositories its packages are, but the database does not know %d of them; packages from these were matched with nothing", sets, sets-known)
	}
	for i := range detail.Packages {
		p := &detail.Packages[i]
		if p.Version == "" {
			report.Versionless = append(report.Versionless, p.Name)
		}
	}
	for i := range detail.Applications {
		s.describeApplication(&detail.Applications[i], report)
	}
}

func (s *session) describeApplication(app *ftypes.Application, report *wire.Report) {
	if len(app.Packages) == 0 {
		return
	}
	d, ok := library.NewDriver(app.Type)
	if !ok || !s.engine.advisories.hasEcosystem(d.Type()) {
		report.Unmatched = union(report.Unmatched, []string{string(app.Type)})
	}
}

// contentSets counts the Red Hat content sets and image names (NVRs) that
// choose the advisories, and those that the database knows. An image whose
// content sets are unknown matches nothing.
func contentSets(pkgs []ftypes.Package) (all, known int) {
	seen := map[string]bool{}
	count := func(id string, lookup func(string) ([]int, error)) {
		if id == "" || seen[id] {
			return
		}
		seen[id] = true
		all++
		if cpes, err := lookup(id); err == nil && len(cpes) > 0 {
			known++
		}
	}
	for i := range pkgs {
		info := pkgs[i].BuildInfo
		if info == nil {
			continue
		}
		for _, set := range info.ContentSets {
			count(set, trivydb.Config{}.RedHatRepoToCPEs)
		}
		if len(info.ContentSets) == 0 && info.Nvr != "" {
			count(info.Nvr+"-"+info.Arch, trivydb.Config{}.RedHatNVRToCPEs)
		}
	}
	return all, known
}

// foreignPURLs looks at the OS packages that Trivy drops from the SBOMs inside the
// image because their purl names another distribution. Images of Chainguard have
// SBOMs with purls of Wolfi, for packages that the package database has as well. A
// package that the database does not have would be missing from the report.
func (s *session) foreignPURLs(main *ftypes.ArtifactDetail) []wire.Gap {
	installed := map[string]bool{}
	for i := range main.Packages {
		installed[main.Packages[i].Name] = true
	}
	var gaps []wire.Gap
	for i := range s.sbom {
		for _, info := range s.sbom[i].PackageInfos {
			for _, p := range info.Packages {
				purl := p.Identifier.PURL
				if installed[p.Name] || purl == nil || purl.Namespace == "" || main.OS.Family == "" || purl.Namespace == main.OS.Family.PurlNamespace() {
					continue
				}
				name := p.Name + " " + utils.FormatVersion(p)
				gaps = append(gaps, wire.Gap{Gap: evidence.Gap{
					Kind: evidence.GapScannerErrors, Subject: info.FilePath, Package: name, Layer: s.sbom[i].DiffID,
					Detail: fmt.Sprintf("a bill of materials in the image lists the package %s of %q, which the package database does not list and which the advisories of %s cannot judge", name, purl.Namespace, main.OS.Family),
					Cure:   "delete the bill of materials if the package is not there",
				}})
			}
		}
	}
	return gaps
}

// fromSBOMs returns the packages that only the SBOMs inside the image name.
func (s *session) fromSBOMs(main *ftypes.ArtifactDetail, report *wire.Report) (ftypes.ArtifactDetail, bool) {
	if len(s.sbom) > 0 {
		s.sbom[0].OS = main.OS // without it, packages of another OS would not be left out
	}
	report.Gaps = append(report.Gaps, s.foreignPURLs(main)...)
	extra := applyLayers(s.sbom)
	extra.OS, extra.Repository = main.OS, main.Repository

	known := map[string]bool{}
	for i := range main.Packages {
		known[packageKey("", &main.Packages[i])] = true
	}
	for i := range main.Applications {
		for j := range main.Applications[i].Packages {
			known[packageKey(main.Applications[i].Type, &main.Applications[i].Packages[j])] = true
		}
	}
	for path, packages := range s.bills {
		if !slices.ContainsFunc(packages, func(key string) bool { return !known[key] }) {
			report.SBOMsRepeating = append(report.SBOMsRepeating, path)
		}
	}
	slices.Sort(report.SBOMsRepeating)
	isKnown := func(t ftypes.LangType) func(ftypes.Package) bool {
		return func(p ftypes.Package) bool { return known[packageKey(t, &p)] }
	}
	extra.Packages = slices.DeleteFunc(extra.Packages, isKnown(""))
	found := len(extra.Packages)
	for i := range extra.Applications {
		app := &extra.Applications[i]
		app.Packages = slices.DeleteFunc(app.Packages, isKnown(app.Type))
		found += len(app.Packages)
	}
	return extra, found > 0
}

func packageKey(t ftypes.LangType, p *ftypes.Package) string {
	return fmt.Sprintf("%s\x00%s\x00%d:%s-%s", t, p.Name, p.Epoch, p.Version, p.Release)
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// noOS is the family that Trivy gives to packages without an OS.
const noOS ftypes.OSType = "none"
