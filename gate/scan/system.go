package scan

import (
	"fmt"
	"strings"

	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// selfContained reports whether an image without an operating system is known all
// the same: every program, library and script in it says itself what it was built
// from, and no layer ever had an OS or a package manager, whose libraries might be
// left.
func selfContained(facts *layer.Facts, r *wire.Report) bool {
	return r.OS == nil && facts.Bare && len(facts.OSReleases) == 0 && len(facts.Databases) == 0 &&
		len(facts.Executables) > 0 && len(unexplained(facts, r)) == 0
}

// unexplained lists the programs, libraries and scripts that do not say what they
// were built from.
func unexplained(facts *layer.Facts, r *wire.Report) []string {
	built := make(map[string]bool, len(r.BuiltFrom))
	for _, path := range r.BuiltFrom {
		built[path] = true
	}
	var rest []string
	for i := range facts.Executables {
		if path := spelled(facts.Executables[i].Path); !built[path] {
			rest = append(rest, path)
		}
	}
	return rest
}

// osGaps returns the gaps of an OS that is not known, or for which the database
// has no advisories.
func (im *image) osGaps(facts *layer.Facts, r *wire.Report) []evidence.Gap {
	switch {
	case r.OS == nil:
		return []evidence.Gap{im.unknownOS(facts, r)}
	case r.OS.Assumed:
		return []evidence.Gap{{Kind: evidence.GapUnknownOS, Subject: "os-release",
			Detail: fmt.Sprintf("only the package repositories say that this is %s %s", r.OS.Family, r.OS.Name),
			Cure:   "restore etc/os-release"}}
	case r.Stream == "":
		return []evidence.Gap{{Kind: evidence.GapUnsupportedOS, Subject: r.OS.Family,
			Detail: fmt.Sprintf("Trivy has no advisories for packages of %s %s", r.OS.Family, r.OS.Name),
			Cure:   "use a base image of a distribution that publishes advisories"}}
	case !r.StreamKnown:
		return []evidence.Gap{{Kind: evidence.GapUnsupportedOS, Subject: r.OS.Family,
			Detail: fmt.Sprintf("the database has no advisories for %s %s (feed %q)", r.OS.Family, r.OS.Name, r.Stream),
			Cure:   "use a release that the advisory database covers"}}
	}
	return releaseGaps(facts, r)
}

// unknownOS tells why no operating system was identified, as far as the image
// shows it.
func (im *image) unknownOS(facts *layer.Facts, r *wire.Report) evidence.Gap {
	g := evidence.Gap{Kind: evidence.GapUnknownOS, Subject: "os-release"}
	platform, _, _ := strings.Cut(im.target.Image.Platform, "/")
	programs := unexplained(facts, r)
	switch {
	case platform == "windows":
		g.Subject = "windows"
		g.Detail = "this is an image for Windows, for whose packages there are no advisories here"
		g.Cure = "judge images for Windows with another tool; no setting makes imagegate see what is in them"
	case len(facts.OSReleases) > 0 && facts.OSReleases[0].Family == "debian":
		said := facts.OSReleases[0]
		g.Subject, g.Path, g.Layer = "etc/debian_version", "etc/debian_version", said.Layer
		g.Detail = fmt.Sprintf("%s says that this is Debian %s, but the scanner knows the release only by etc/debian_version, which is not there", said.Path, said.VersionID)
		g.Cure = "restore etc/debian_version: it is in the package base-files"
	case len(facts.OSReleases) > 0:
		said := facts.OSReleases[0]
		g.Subject, g.Path, g.Layer = said.Path, said.Path, said.Layer
		g.Detail = fmt.Sprintf("%s says %q, which is no operating system that the scanner knows", said.Path, said.ID)
		g.Cure = "use a base image of a distribution that publishes advisories"
	case !facts.Bare:
		g.Detail = "no operating system was identified: a layer has files of one or of a package manager, but there is no os-release or release file that the scanner knows"
		g.Cure = "restore etc/os-release and the package database that the base image came with"
	case len(facts.Executables) == 0:
		g.Detail = "no operating system was identified, and no program that says what it was built from"
	default:
		g.Detail = fmt.Sprintf("there is no operating system, and %s no build information of Go or Rust that names its modules: %s",
			words.Plural(len(programs), "program")+" "+words.Choose(len(programs), "has", "have"), names(programs))
		g.Cure = "build the programs with Go in a module (go mod init; single files, GOPATH and Bazel leave no list of modules, gccgo and UPX no build information), or with cargo-auditable, " +
			"and leave out everything else that can run; " +
			"or, for an image that holds other programs by design, say coverage: {unknown-os: warn} in an override that names it"
	}
	return g
}
