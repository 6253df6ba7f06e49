package scan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/manifest"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	// maxNames is how many names a sentence lists before it only counts.
	maxNames = 5
	// maxUnattributed is how many paths the evidence keeps.
	maxUnattributed = 1000
)

// assemble makes evidence from the merged tree and from the worker's report.
func (im *image) assemble(engine string, facts *layer.Facts, r *wire.Report) *evidence.Scan {
	user := facts.User(im.target.Image.Config.User)
	scan := &evidence.Scan{
		Engine: engine, Need: im.need,
		OS: operatingSystem(r.OS), User: &user,
		Packages: r.Packages, Findings: r.Findings, Secrets: r.Secrets, Licenses: r.Licenses,
		Files: files(facts), Database: im.scanner.Database(),
	}
	if im.jars && im.wantsJava() && im.javaErr == nil {
		scan.JavaDatabase = im.scanner.databases.java.current()
	}
	for _, spec := range im.target.Users {
		scan.Users = append(scan.Users, facts.User(spec))
	}
	// Never nil: nil would mean that no check was made.
	gaps := append([]evidence.Gap{}, facts.Gaps...)
	counts, mismatches := compareCounts(facts.Databases, r)
	gaps = append(gaps, mismatches...)
	alone := selfContained(facts, r)
	if !alone {
		gaps = append(gaps, im.osGaps(facts, r)...)
	}
	gaps = append(gaps, feedGaps(r)...)
	gaps = append(gaps, foreignGaps(facts, r)...)
	gaps = append(gaps, im.javaGaps(r)...)
	there, deleted := im.withoutDeleted(append(logGaps(r), r.Gaps...))
	gaps = append(gaps, there...)
	scan.Coverage = evidence.Coverage{
		Gaps: sortGaps(gaps), Counts: counts, SBOMs: facts.SBOMs, SBOMsRepeating: r.SBOMsRepeating,
		Notes:             slices.Concat(im.notes, facts.Notes, r.Notes, deleted),
		SelfContained:     alone,
		Executables:       len(executables(facts)),
		UnattributedCount: len(r.Unattributed),
		Unattributed:      r.Unattributed[:min(len(r.Unattributed), maxUnattributed)],
	}
	return scan
}

// files returns the files with special rights, with paths that JSON can hold.
func files(facts *layer.Facts) *evidence.Files {
	f := facts.Files
	for _, list := range []*evidence.FileList{&f.SetID, &f.Capabilities, &f.WorldWritable} {
		for i := range list.Files {
			list.Files[i].Path = spelled(list.Files[i].Path)
		}
	}
	return &f
}

func operatingSystem(os *wire.OS) *evidence.OS {
	if os == nil {
		return nil
	}
	return &evidence.OS{Family: os.Family, Release: os.Name, EndOfLife: endOfLife(os)}
}

// executables lists the programs that some package should account for.
func executables(facts *layer.Facts) []string {
	var paths []string
	for i := range facts.Executables {
		if e := &facts.Executables[i]; e.Kind == layer.KindELF || e.Kind == layer.KindPE {
			paths = append(paths, spelled(e.Path))
		}
	}
	return paths
}

// feedGaps returns the gaps of packages without advisories, and of advisories
// that the image itself chose.
func feedGaps(r *wire.Report) []evidence.Gap {
	var gaps []evidence.Gap
	for _, supplier := range r.Suppliers {
		gaps = append(gaps, evidence.Gap{Kind: evidence.GapOSMismatch, Subject: supplier,
			Detail: "the image asks to be judged by these advisories, and not by those of its distribution",
			Cure:   "remove the file or the packages of that vendor"})
	}
	if r.ContentSets != "" {
		gaps = append(gaps, evidence.Gap{Kind: evidence.GapOSMismatch, Subject: "root/buildinfo", Detail: r.ContentSets,
			Cure: "use a base image of Red Hat that is younger than the advisory database is old, or a newer database"})
	}
	for _, p := range r.ThirdParty {
		gaps = append(gaps, thirdPartyGap(r.OS, p.Name, p.Version, p.Why))
	}
	for _, kind := range r.Unmatched {
		gaps = append(gaps, evidence.Gap{Kind: evidence.GapUnsupportedPackages, Subject: kind,
			Detail: fmt.Sprintf("the database has no advisories for packages of type %s", kind),
			Cure:   "remove these packages; or, for an image that needs them, say coverage: {unsupported-packages: warn} in an override that names it"})
	}
	if n := len(r.Versionless); n > 0 {
		gaps = append(gaps, evidence.Gap{Kind: evidence.GapPackageDatabase, Subject: r.Versionless[0],
			Detail: fmt.Sprintf("%s no version and cannot be matched: %s", words.Plural(n, "package")+" "+words.Choose(n, "has", "have"), names(r.Versionless))})
	}
	return gaps
}

// foreignGaps are about packages that the image's own files name as not of the
// distribution.
func foreignGaps(facts *layer.Facts, r *wire.Report) []evidence.Gap {
	var gaps []evidence.Gap
	for _, p := range facts.ThirdParty {
		for i := range r.Packages {
			if have := &r.Packages[i]; have.Class == evidence.ClassOS && have.Name == p.Name {
				gaps = append(gaps, thirdPartyGap(r.OS, p.Name, have.Version, p.Why))
			}
		}
	}
	return gaps
}

// thirdPartyGap is about a package for which only the distribution's advisories
// of the same name could be looked up.
func thirdPartyGap(os *wire.OS, name, version, why string) evidence.Gap {
	distribution := "the distribution"
	if os != nil {
		distribution = os.Family
	}
	return evidence.Gap{Kind: evidence.GapNoAdvisories, Subject: name, Package: strings.TrimSpace(name + " " + version),
		Detail: fmt.Sprintf("%s does not seem to be a package of %s (%s); its maker publishes no advisories here, and only those of %s for this name were matched", strings.TrimSpace(name+" "+version), distribution, why, distribution),
		Cure:   "install it from the distribution, or follow the advisories of its maker yourself"}
}

func (im *image) javaGaps(r *wire.Report) []evidence.Gap {
	if !im.wantsJava() || r.Jars == 0 || (im.jars && im.javaErr == nil) {
		return nil
	}
	reason := "no Java database was obtained"
	if im.javaErr != nil {
		reason = im.javaErr.Error()
	}
	return []evidence.Gap{{Kind: evidence.GapJavaDatabase, Subject: "java-db",
		Detail: fmt.Sprintf("%s could not be identified: %s", words.Plural(r.Jars, "jar"), reason)}}
}

// logGaps returns the gaps that Trivy's log tells of: it is the only trace of a
// file that could not be read.
func logGaps(r *wire.Report) []wire.Gap {
	var gaps []wire.Gap
	for _, l := range r.Logs {
		g := evidence.Gap{Kind: evidence.GapScannerErrors, Subject: l.Message, Layer: l.Layer,
			Detail: strings.TrimSpace("the scanner reports: " + l.Message + " " + l.Attrs)}
		if l.File != "" {
			g.Subject, g.Path, g.Package = l.File, l.File, manifest.PackageAt(l.File)
			g.Detail = "the scanner could not read it: " + cmp.Or(l.Cause, l.Message)
			g.Cure = "restore the file as its package came with it, or delete it if nothing uses it"
		}
		gaps = append(gaps, wire.Gap{Gap: g, File: l.Of})
	}
	return gaps
}

// compareCounts holds our own count of each package database against the
// number of packages that Trivy read from it.
func compareCounts(databases []layer.PackageDatabase, r *wire.Report) ([]evidence.Count, []evidence.Gap) {
	byPath := make(map[string]wire.Count, len(r.Databases))
	for _, c := range r.Databases {
		byPath[c.Path] = c
	}
	var counts []evidence.Count
	var gaps []evidence.Gap
	for i := range databases {
		d := &databases[i]
		got := byPath[spelled(d.Path)]
		c := evidence.Count{Type: string(d.Type), Path: d.Path, Expected: d.Count, Got: got.Packages}
		counts = append(counts, c)
		if unread := missing(d.IDs, got.IDs); d.Problem == "" && c.Got == c.Expected && len(unread) > 0 {
			// As many, but others: a stanza that only we count beside one that only
			// Trivy counts.
			gaps = append(gaps, evidence.Gap{Kind: evidence.GapPackageDatabase, Subject: d.Path, Layer: d.Layer,
				Detail: fmt.Sprintf("%s holds %s, which the scanner did not read: %s", d.Path, words.Plural(len(unread), "package"), names(unread))})
		}
		if c.Got != c.Expected && d.Problem == "" {
			gaps = append(gaps, evidence.Gap{Kind: evidence.GapPackageDatabase, Subject: d.Path, Layer: d.Layer,
				Detail: fmt.Sprintf("%s holds %s, but the scanner read %d%s", d.Path, words.Plural(c.Expected, "package"), c.Got, difference(d.IDs, got.IDs)),
				Cure:   "install the packages that differ again, with the package manager"})
		}
	}
	return counts, gaps
}

// difference names the packages that only one side has read.
func difference(ours, scanners []string) string {
	if len(ours) == 0 {
		return "" // an RPM database is only counted here
	}
	var parts []string
	if unread := missing(ours, scanners); len(unread) > 0 {
		parts = append(parts, "it did not read "+names(unread))
	}
	if extra := missing(scanners, ours); len(extra) > 0 {
		parts = append(parts, "only the scanner read "+names(extra))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, "; ")
}

// missing returns what is in want and not in got, both sorted.
func missing(want, got []string) []string {
	var out []string
	for _, id := range want {
		if _, found := slices.BinarySearch(got, id); !found {
			out = append(out, id)
		}
	}
	return out
}

func sortGaps(gaps []evidence.Gap) []evidence.Gap {
	slices.SortFunc(gaps, func(a, b evidence.Gap) int {
		return strings.Compare(gapKey(a), gapKey(b))
	})
	return slices.Compact(gaps)
}

func gapKey(g evidence.Gap) string {
	subject := cmp.Or(g.Subject, "\xff") // gaps without a place come last
	return strings.Join([]string{string(g.Kind), subject, g.Detail, g.Layer}, "\x00")
}

func names(list []string) string {
	if len(list) <= maxNames {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:maxNames], ", "), len(list)-maxNames)
}
