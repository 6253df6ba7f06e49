// Package diff compares two images by their evidence: what is fixed, what is new,
// what stays, and what else changed. It writes the comparison for people and for
// programs.
//
// A comparison decides nothing. Comparing the other way round gives the same with
// old and new exchanged.
package diff

import (
	"cmp"
	"slices"
	"time"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// SchemaVersion is the version of the JSON document.
const SchemaVersion = 1

// Document is a whole comparison. Arrays are never null.
type Document struct {
	SchemaVersion int        `json:"schemaVersion"`
	Tool          string     `json:"tool"`
	At            time.Time  `json:"at"` // the moment both images were judged at
	Policy        string     `json:"policy"`
	Images        []Pair     `json:"images"`
	Unpaired      []Unpaired `json:"unpaired"` // images that only one of the two has
}

// Unpaired is an image that could not be compared.
type Unpaired struct {
	Side      string `json:"side"` // old or new
	Reference string `json:"reference"`
	Platform  string `json:"platform"`
	Reason    string `json:"reason"`
}

// Pair is the comparison of one platform.
type Pair struct {
	Platform string          `json:"platform"`
	Old      Side            `json:"old"`
	New      Side            `json:"new"`
	Findings Findings        `json:"findings"`
	Packages []PackageChange `json:"packages"`
	Config   []ConfigChange  `json:"config"`
	Notes    []string        `json:"notes"`
}

// Findings are the findings of two images.
type Findings struct {
	Fixed   []Finding `json:"fixed"`   // of the old image alone
	New     []Finding `json:"new"`     // of the new image alone
	Staying []Finding `json:"staying"` // of both
}

// Side is one of the two images.
type Side struct {
	Reference string    `json:"reference"`
	Digest    string    `json:"digest"`
	Verdict   string    `json:"verdict"`
	Blocking  int       `json:"blocking"`
	Size      int64     `json:"size"` // compressed bytes, 0 when it is not known
	Packages  int       `json:"packages"`
	Database  time.Time `json:"database"` // when it was built; zero when none was used
}

// Finding is one vulnerability of one package.
type Finding struct {
	ID       string            `json:"id"`
	Aliases  []string          `json:"aliases"`
	Severity evidence.Severity `json:"severity"`
	Package  string            `json:"package"`
	Type     string            `json:"type"`
	Path     string            `json:"path"`
	// OldVersion and NewVersion are the versions of the package; "" where the image
	// does not have it.
	OldVersion   string       `json:"oldVersion"`
	NewVersion   string       `json:"newVersion"`
	FixedVersion string       `json:"fixedVersion"`
	Class        policy.Class `json:"class"` // in the image that has the finding, the new one first
	// Cause says why only one of the images has the finding.
	Cause Cause `json:"cause,omitempty"`
}

func oldVersion(f *Finding) string { return f.OldVersion }
func newVersion(f *Finding) string { return f.NewVersion }

// Cause is why only one of two images has a finding.
type Cause string

// The causes, as seen from the image that has the finding.
const (
	// CauseVersion is another version of the package.
	CauseVersion Cause = "version"
	// CausePackage is a package that the other image does not have.
	CausePackage Cause = "package"
	// CauseAdvisory is the advisory database: both images have the same version.
	CauseAdvisory Cause = "advisory"
)

// PackageChange is a package whose versions differ. One that was added has no old
// versions, and one that was removed no new ones.
type PackageChange struct {
	Name string   `json:"name"`
	Type string   `json:"type"`
	Old  []string `json:"old"`
	New  []string `json:"new"`
}

// ConfigChange is a difference in what the image config says.
type ConfigChange struct {
	What string `json:"what"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// Images compares the images of two sides by one policy and at one moment. Images
// with the same name and platform are compared; what is left is compared by its
// platform, where both sides have exactly one image left of it.
func Images(p *policy.Policy, old, now []evidence.Image, at time.Time) ([]Pair, []Unpaired) {
	pairs := []Pair{}
	usedOld, usedNew := make([]bool, len(old)), make([]bool, len(now))
	join := func(same func(a, b *evidence.Image) bool, alone bool) {
		for i := range old {
			matches := matching(now, usedNew, func(b *evidence.Image) bool { return same(&old[i], b) })
			if usedOld[i] || len(matches) == 0 || len(matches) > 1 && alone {
				continue
			}
			k := matches[0]
			if rivals := matching(old, usedOld, func(a *evidence.Image) bool { return same(a, &now[k]) }); len(rivals) > 1 && alone {
				continue
			}
			usedOld[i], usedNew[k] = true, true
			pairs = append(pairs, compare(p, &old[i], &now[k], at))
		}
	}
	join(func(a, b *evidence.Image) bool {
		return a.Reference.Name == b.Reference.Name && a.Platform == b.Platform
	}, false)
	join(func(a, b *evidence.Image) bool { return a.Platform == b.Platform }, true)
	unpaired := []Unpaired{}
	unpaired = appendUnpaired(unpaired, "old", old, usedOld)
	return pairs, appendUnpaired(unpaired, "new", now, usedNew)
}

func matching(images []evidence.Image, used []bool, is func(*evidence.Image) bool) []int {
	var out []int
	for i := range images {
		if !used[i] && is(&images[i]) {
			out = append(out, i)
		}
	}
	return out
}

func appendUnpaired(out []Unpaired, side string, images []evidence.Image, used []bool) []Unpaired {
	other := map[string]string{"old": "new", "new": "old"}[side]
	for i := range images {
		if img := &images[i]; !used[i] {
			out = append(out, Unpaired{side, img.Reference.Asked, img.Platform, "the " + other + " side has no image to compare it with"})
		}
	}
	return out
}

// compare compares two images of one platform.
func compare(p *policy.Policy, old, now *evidence.Image, at time.Time) Pair {
	oldVerdict, newVerdict := p.Evaluate(old, at), p.Evaluate(now, at)
	out := Pair{
		Platform: now.Platform, Old: sideOf(old, &oldVerdict), New: sideOf(now, &newVerdict),
		Findings: Findings{[]Finding{}, []Finding{}, []Finding{}}, Notes: notesOf(old, now),
		Packages: packageChanges(packagesOf(old), packagesOf(now)), Config: configChanges(old, now),
	}
	m := match(oldVerdict.Findings, newVerdict.Findings)
	oldPackages, newPackages := versionsOf(packagesOf(old)), versionsOf(packagesOf(now))
	for _, f := range m.onlyOld {
		x := findingOf(f)
		x.OldVersion = f.Package.Version
		x.Cause, x.NewVersion = causeOf(f, newPackages)
		out.Findings.Fixed = append(out.Findings.Fixed, x)
	}
	for _, f := range m.onlyNew {
		x := findingOf(f)
		x.NewVersion = f.Package.Version
		x.Cause, x.OldVersion = causeOf(f, oldPackages)
		out.Findings.New = append(out.Findings.New, x)
	}
	for _, pair := range m.both {
		x := findingOf(pair[1])
		x.OldVersion, x.NewVersion = pair[0].Package.Version, pair[1].Package.Version
		out.Findings.Staying = append(out.Findings.Staying, x)
	}
	sortFindings(out.Findings.Fixed, oldVersion)
	sortFindings(out.Findings.New, newVersion)
	sortFindings(out.Findings.Staying, newVersion)
	return out
}

func sideOf(img *evidence.Image, v *policy.Verdict) Side {
	s := Side{
		Reference: img.Reference.Asked, Digest: img.ID(), Verdict: v.Decision.String(), Blocking: v.Count(policy.ClassBlocking),
		Packages: len(packagesOf(img)),
	}
	if img.Config != nil {
		s.Size = img.Config.Size
	}
	if img.Scan != nil && img.Scan.Database != nil {
		s.Database = img.Scan.Database.UpdatedAt.UTC()
	}
	return s
}

func packagesOf(img *evidence.Image) []evidence.Package {
	if img.Scan == nil {
		return nil
	}
	return img.Scan.Packages
}

func findingOf(f *policy.Judged) Finding {
	return Finding{
		ID: f.ID, Aliases: append([]string{}, f.Aliases...), Severity: f.Severity, Package: f.Package.Name, Type: f.Package.Type,
		Path: f.Package.Path, FixedVersion: f.FixedVersion, Class: f.Class,
	}
}

// causeOf says why the other image does not have the finding, and the version of the
// package there.
func causeOf(f *policy.Judged, other map[string][]string) (Cause, string) {
	versions := other[policy.PackageIdentity(f.Package)]
	switch {
	case len(versions) == 0:
		return CausePackage, ""
	case slices.Contains(versions, f.Package.Version):
		return CauseAdvisory, f.Package.Version
	}
	return CauseVersion, versions[0]
}

// sortFindings brings findings into the order of reports. version returns the version
// of the package in the image that has them.
func sortFindings(list []Finding, version func(*Finding) string) {
	severity := func(f *Finding) int { return slices.Index(evidence.Severities(), f.Severity) }
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(severity(&a), severity(&b)), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Package, b.Package), cmp.Compare(a.Path, b.Path),
			cmp.Compare(version(&a), version(&b)), slices.Compare(a.Aliases, b.Aliases),
		)
	})
}

// notesOf says what limits the comparison.
func notesOf(old, now *evidence.Image) []string {
	notes := []string{}
	if old.ID() == now.ID() && old.ID() != "" {
		notes = append(notes, "both images are the same: they have one digest")
	}
	for _, side := range []struct {
		name string
		img  *evidence.Image
	}{{"old", old}, {"new", now}} {
		if side.img.Scanned(evidence.NeedPackages) == nil {
			notes = append(notes, "packages of the "+side.name+" image were not looked at, so no findings can be compared")
		}
	}
	a, b := databaseOf(old), databaseOf(now)
	if a != nil && b != nil && !sameDatabase(a, b) {
		notes = append(notes, "the images were scanned with different advisory databases: findings in packages that did not change came with the database")
	}
	return notes
}

func databaseOf(img *evidence.Image) *evidence.Database {
	if img.Scan == nil {
		return nil
	}
	return img.Scan.Database
}

func sameDatabase(a, b *evidence.Database) bool {
	return a.Digest == b.Digest && a.FileSHA256 == b.FileSHA256 && a.UpdatedAt.Equal(b.UpdatedAt)
}
