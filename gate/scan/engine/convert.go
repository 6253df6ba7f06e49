//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	dbtypes "github.com/aquasecurity/trivy-db/pkg/types"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/licensing"
	"github.com/aquasecurity/trivy/pkg/scan/utils"
	"github.com/aquasecurity/trivy/pkg/types"

	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// addResults turns Trivy's results into evidence.
func addResults(report *wire.Report, results types.Results) {
	for i := range results {
		r := &results[i]
		byID := make(map[string]*ftypes.Package, len(r.Packages))
		for j := range r.Packages {
			p := &r.Packages[j]
			byID[p.Identifier.UID] = p
			report.Packages = append(report.Packages, toPackage(r, p))
		}
		for j := range r.Vulnerabilities {
			v := &r.Vulnerabilities[j]
			report.Findings = append(report.Findings, toFinding(r, v, byID[v.PkgIdentifier.UID]))
		}
	}
	slices.SortFunc(report.Packages, comparePackages)
	report.Packages = slices.Compact(report.Packages)
	slices.SortFunc(report.Findings, func(a, b evidence.Finding) int {
		return orText(cmp.Or(strings.Compare(a.ID, b.ID), comparePackages(*a.Package, *b.Package), strings.Compare(a.FixedVersion, b.FixedVersion)), a, b)
	})
}

func comparePackages(a, b evidence.Package) int {
	return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Name, b.Name),
		strings.Compare(a.Version, b.Version), strings.Compare(a.Path, b.Path),
		strings.Compare(a.Layer, b.Layer), strings.Compare(a.PURL, b.PURL), strings.Compare(a.SourceName, b.SourceName))
}

// orText is order, or the order of the JSON texts of what is otherwise alike: so a
// report does not depend on the order of Trivy's maps. Texts are slow to make. Where
// they were compared in an argument of [cmp.Or], which Go evaluates always, that took a
// quarter of the time of a run whose layers are known.
func orText[T any](order int, a, b T) int {
	if order != 0 {
		return order
	}
	x, xerr := json.Marshal(a)
	y, yerr := json.Marshal(b)
	if xerr != nil || yerr != nil {
		return 0
	}
	return bytes.Compare(x, y)
}

func toPackage(r *types.Result, p *ftypes.Package) evidence.Package {
	e := evidence.Package{
		Name:       p.Name,
		Version:    utils.FormatVersion(*p),
		Type:       string(r.Type),
		Class:      evidence.Class(r.Class),
		Path:       packagePath(r, p.FilePath),
		Layer:      p.Layer.DiffID,
		SourceName: p.SrcName,
	}
	if p.Identifier.PURL != nil {
		e.PURL = p.Identifier.PURL.String()
	}
	return e
}

// packagePath: Go and Rust binaries carry their path in the result, the
// aggregated types (npm, Python, jars, gems) in the package, and OS packages
// have none: their "file" is the package database.
func packagePath(r *types.Result, path string) string {
	if r.Class == types.ClassOSPkg {
		return ""
	}
	if path != "" {
		return path
	}
	if _, aggregated := aggregatedTargets[r.Target]; aggregated {
		return ""
	}
	return r.Target
}

// aggregatedTargets are names that Trivy gives to results of many files
// (scan/langpkg.PkgTargets).
var aggregatedTargets = map[string]bool{
	"Python": true, "Conda": true, "Ruby": true, "Node.js": true, "Java": true, "Kubernetes": true,
}

func toFinding(r *types.Result, v *types.DetectedVulnerability, p *ftypes.Package) evidence.Finding {
	f := evidence.Finding{
		Advisory: &evidence.Advisory{
			ID:             v.VulnerabilityID,
			Aliases:        aliases(v),
			Severity:       severity(v.Severity), //lint:ignore SA1019 FillInfo sets no other field to the severity that it selects
			SeveritySource: string(v.SeveritySource),
			Title:          v.Title,
			Description:    v.Description,
			URL:            v.PrimaryURL,
			References:     v.References,
			CWEs:           v.CweIDs,
			Published:      v.PublishedDate,
			Modified:       v.LastModifiedDate,
		},
		FixedVersion: v.FixedVersion,
		Status:       v.Status.String(),
	}
	if v.DataSource != nil {
		f.DataSource = string(v.DataSource.ID)
	}
	for source, s := range v.VendorSeverity {
		if f.VendorSeverity == nil {
			f.VendorSeverity = map[string]evidence.Severity{}
		}
		f.VendorSeverity[string(source)] = severity(s.String())
	}
	for source, c := range v.CVSS {
		if f.CVSS == nil {
			f.CVSS = map[string]evidence.CVSS{}
		}
		f.CVSS[string(source)] = toCVSS(c)
	}
	if p != nil {
		found := toPackage(r, p)
		f.Package = &found
	} else {
		f.Package = &evidence.Package{Name: v.PkgName, Type: string(r.Type), Class: evidence.Class(r.Class), Path: packagePath(r, v.PkgPath)}
	}
	f.Package.Version = v.InstalledVersion // as matched, which can differ from the package's own form
	f.Package.Layer = cmp.Or(f.Package.Layer, v.Layer.DiffID)
	return f
}

// aliases are the other ids that Trivy knows the finding by.
func aliases(v *types.DetectedVulnerability) []string {
	ids := slices.Clone(v.VendorIDs)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return slices.DeleteFunc(ids, func(id string) bool { return id == v.VulnerabilityID || id == "" })
}

func toCVSS(c dbtypes.CVSS) evidence.CVSS {
	return evidence.CVSS{
		V2Vector: c.V2Vector, V3Vector: c.V3Vector, V40Vector: c.V40Vector,
		V2Score: c.V2Score, V3Score: c.V3Score, V40Score: c.V40Score,
	}
}

func severity(s string) evidence.Severity { return evidence.Severity(strings.ToLower(s)) }

// addSecrets turns Trivy's secrets into evidence. The match itself is left
// behind: a report is not a place for a credential.
func addSecrets(report *wire.Report, secrets []ftypes.Secret, contentOf func(diffID, path string) string) {
	for _, s := range secrets {
		for _, f := range s.Findings {
			report.Secrets = append(report.Secrets, evidence.Secret{
				RuleID: f.RuleID, Category: string(f.Category), Severity: severity(f.Severity),
				Title: f.Title, Path: s.FilePath, StartLine: f.StartLine, EndLine: f.EndLine,
				Layer: f.Layer.DiffID, Content: contentOf(f.Layer.DiffID, s.FilePath),
				// The image config is in no layer, and always looked into.
				LeftOut: f.Layer.DiffID != "" && leftOut(pathOf(s.FilePath)),
			})
		}
	}
	slices.SortFunc(report.Secrets, func(a, b evidence.Secret) int {
		return orText(cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.StartLine, b.StartLine),
			strings.Compare(a.RuleID, b.RuleID), strings.Compare(a.Layer, b.Layer)), a, b)
	})
}

// addLicenses turns the licences of packages into evidence.
func addLicenses(report *wire.Report, detail *ftypes.ArtifactDetail) {
	scanner := licensing.NewScanner(nil)
	add := func(p *ftypes.Package, kind, path string) {
		for _, name := range p.Licenses {
			if text, isText := strings.CutPrefix(name, licensing.LicenseTextPrefix); isText {
				name = licensing.CustomLicensePrefix + ": " + licensing.TrimLicenseText(text)
			}
			category, _ := scanner.Scan(name)
			report.Licenses = append(report.Licenses, evidence.License{
				Name: name, Package: p.Name, Type: kind, Path: path, Category: string(category),
			})
		}
	}
	for i := range detail.Packages {
		add(&detail.Packages[i], string(detail.OS.Family), "")
	}
	for i := range detail.Applications {
		app := &detail.Applications[i]
		for j := range app.Packages {
			add(&app.Packages[j], string(app.Type), cmp.Or(app.Packages[j].FilePath, app.FilePath))
		}
	}
	slices.SortFunc(report.Licenses, func(a, b evidence.License) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Package, b.Package),
			strings.Compare(a.Name, b.Name), strings.Compare(a.Path, b.Path), strings.Compare(a.Category, b.Category))
	})
	report.Licenses = slices.Compact(report.Licenses)
}
