package policytest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"

	"github.com/imagegate/imagegate/policy/evidence"
)

// allNeeds is what a good image was looked at for.
const allNeeds = evidence.NeedUser | evidence.NeedPackages | evidence.NeedSecrets | evidence.NeedLicenses | evidence.NeedJava | evidence.NeedFiles | evidence.NeedSecretsAnywhere

// Good returns the evidence of an image without a fault: a supported system, a
// user that is not root, and nothing found at the moment now.
func Good(ref evidence.Reference, now time.Time) *evidence.Image {
	digest := cmp.Or(ref.Digest, "sha256:"+strings.Repeat("0", 64))
	layer := evidence.Layer{Digest: digest, DiffID: digest, MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", Size: 30e6}
	uid := int64(10001)
	built := now.Add(-time.Hour)
	return &evidence.Image{
		SchemaVersion: evidence.SchemaVersion, Reference: ref, Digest: digest, Platform: "linux/amd64", Platforms: []string{"linux/amd64"},
		Config: &evidence.Config{User: "10001", Healthcheck: true, Created: &built, Size: layer.Size, Layers: []evidence.Layer{layer}},
		Scan: &evidence.Scan{
			Engine: "imagegate policy test", Need: allNeeds,
			OS:       &evidence.OS{Family: "debian", Release: "12.5"},
			User:     &evidence.User{Spec: "10001", UID: &uid, GID: &uid, Numeric: true, Via: "the number itself"},
			Packages: []evidence.Package{{Name: "base-files", Version: "12.4", Type: "debian", Class: evidence.ClassOS, PURL: "pkg:deb/debian/base-files@12.4"}},
			Licenses: []evidence.License{{Name: "MIT", Package: "base-files", Type: "debian"}},
			Files:    &evidence.Files{},
			Database: &evidence.Database{Source: "imagegate policy test", UpdatedAt: built},
			Coverage: evidence.Coverage{Gaps: []evidence.Gap{}},
		},
	}
}

// withFacts returns a copy of an image in which facts replace those of the same
// name. Mappings are merged and lists are replaced.
func withFacts(img *evidence.Image, facts map[string]any) (*evidence.Image, error) {
	src, err := json.Marshal(img)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	if err := json.Unmarshal(src, &all); err != nil {
		return nil, err
	}
	if src, err = json.Marshal(merge(all, facts)); err != nil {
		return nil, fmt.Errorf("facts: %w", err)
	}
	out := &evidence.Image{}
	d := json.NewDecoder(bytes.NewReader(src))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		return nil, fmt.Errorf("facts: %w: the names are those of saved evidence", err)
	}
	return out, nil
}

func merge(into, by map[string]any) map[string]any {
	for k, v := range by {
		below, ok1 := into[k].(map[string]any)
		above, ok2 := v.(map[string]any)
		if ok1 && ok2 {
			v = merge(below, above)
		}
		into[k] = v
	}
	return into
}

// addFindings adds findings to the evidence of an image, and their packages.
func addFindings(img *evidence.Image, findings []Finding) error {
	if len(findings) > 0 && img.Scan == nil {
		return fmt.Errorf("the evidence has no scan that findings could be added to")
	}
	for i, f := range findings {
		out, err := f.full()
		if err != nil {
			return fmt.Errorf("finding %d: %w", i+1, err)
		}
		img.Scan.Findings = append(img.Scan.Findings, *out)
		img.Scan.Packages = append(img.Scan.Packages, *out.Package)
	}
	return nil
}

// full returns the finding as a scanner would report it.
func (f *Finding) full() (*evidence.Finding, error) {
	if f.ID == "" || f.Severity == "" || f.Package == "" {
		return nil, fmt.Errorf("it needs id, severity and package")
	}
	purl, err := packageurl.FromString(f.Package)
	if err != nil || purl.Version == "" {
		return nil, fmt.Errorf("package is %q: write a purl with its version, such as pkg:npm/lodash@4.17.15", f.Package)
	}
	out := &evidence.Finding{
		Advisory: &evidence.Advisory{
			ID:       f.ID,
			Aliases:  f.Aliases,
			Severity: evidence.Severity(f.Severity),
		},
		FixedVersion: f.Fixed,
		Status:       f.Status,
		Package: &evidence.Package{
			Name: nameOf(&purl), Version: purl.Version, Type: typeOf(&purl), Class: classOf(&purl), PURL: f.Package, Path: f.Path, OwnedBy: f.OwnedBy,
		},
	}
	if out.Status == "" && f.Fixed != "" {
		out.Status = "fixed"
	}
	if f.Published != "" {
		day, err := time.Parse(time.DateOnly, f.Published)
		if err != nil {
			return nil, fmt.Errorf("published is %q: write it as 2027-01-31", f.Published)
		}
		out.Published = &day
	}
	return out, nil
}

func isOS(p *packageurl.PackageURL) bool {
	return p.Type == packageurl.TypeDebian || p.Type == packageurl.TypeApk || p.Type == packageurl.TypeRPM
}

func classOf(p *packageurl.PackageURL) evidence.Class {
	if isOS(p) {
		return evidence.ClassOS
	}
	return evidence.ClassLanguage
}

// typeOf returns Trivy's type of a package in an image.
func typeOf(p *packageurl.PackageURL) string {
	if isOS(p) {
		return p.Namespace
	}
	types := map[string]string{
		"npm": "node-pkg", "pypi": "python-pkg", "maven": "jar", "golang": "gobinary", "gem": "gemspec", "cargo": "rustbinary",
		"nuget": "dotnet-core", "composer": "composer-vendor",
	}
	return cmp.Or(types[p.Type], p.Type)
}

// nameOf returns the name that Trivy gives a package.
func nameOf(p *packageurl.PackageURL) string {
	switch {
	case p.Namespace == "" || isOS(p):
		return p.Name
	case p.Type == packageurl.TypeMaven:
		return p.Namespace + ":" + p.Name
	}
	return p.Namespace + "/" + p.Name
}
