package scan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// releasePackages bring the files that name the OS. Their versions begin with that of
// the release, if numbered.
var releasePackages = map[string]struct {
	families []string // Trivy's names
	numbered bool
}{
	"base-files":            {[]string{"debian"}, true},
	"base-files of Ubuntu":  {[]string{"ubuntu"}, false},
	"alpine-release":        {[]string{"alpine"}, true},
	"wolfi-baselayout":      {[]string{"wolfi", "chainguard"}, false},
	"chainguard-baselayout": {[]string{"wolfi", "chainguard"}, false},
	"rocky-release":         {[]string{"rocky"}, true},
	"almalinux-release":     {[]string{"alma"}, true},
	"oraclelinux-release":   {[]string{"oracle"}, true},
	"system-release":        {[]string{"amazon"}, true},
	"photon-release":        {[]string{"photon"}, true},
	"azurelinux-release":    {[]string{"azurelinux"}, true},
	"mariner-release":       {[]string{"cbl-mariner"}, true},
	"Leap-release":          {[]string{"opensuse-leap"}, true},
	"sles-release":          {[]string{"sles"}, true},
}

// releaseGaps compares the distribution and the release whose advisories were matched
// with the package that brings the files which name them, and with what a program in
// the container finds there. Under another name, older versions can look mended.
func releaseGaps(facts *layer.Facts, r *wire.Report) []evidence.Gap {
	gap := func(path, layer, detail string, args ...any) []evidence.Gap {
		return []evidence.Gap{{Kind: evidence.GapOSMismatch, Subject: path, Path: path, Layer: layer, Detail: fmt.Sprintf(detail, args...),
			Cure: "use a base image of the release that is meant, and leave the files that name the OS as its packages installed them"}}
	}
	if len(facts.OSReleases) == 0 {
		return nil
	}
	said := facts.OSReleases[0]
	if said.Family == r.OS.Family && !layer.SameRelease(said.Family, said.VersionID, r.OS.Name) {
		return gap(said.Path, said.Layer, "it says release %q, but the scanner found release %q in another file or layer", said.VersionID, r.OS.Name)
	}
	for i := range r.Packages {
		p := &r.Packages[i]
		name := p.Name
		if name == "base-files" && strings.Contains(p.Version, "ubuntu") {
			name = "base-files of Ubuntu"
		}
		_, version, found := strings.Cut(p.Version, ":")
		if !found {
			version = p.Version
		}
		is, known := releasePackages[name]
		switch own := slices.Contains(is.families, r.OS.Family); {
		case !known || p.Class != evidence.ClassOS:
		case !own:
			return gap(said.Path, said.Layer, "it names %s %s, but the package %s %s is one of %s", r.OS.Family, r.OS.Name, p.Name, p.Version, is.families[0])
		case is.numbered && !layer.SameRelease(r.OS.Family, version, r.OS.Name):
			return gap(said.Path, said.Layer, "it names %s %s, but the package %s %s is one of another release", r.OS.Family, r.OS.Name, p.Name, p.Version)
		}
	}
	if other := otherRelease(r); other != "" {
		return gap(said.Path, said.Layer, "it names %s %s, but %s", r.OS.Family, r.OS.Name, other)
	}
	return nil
}
