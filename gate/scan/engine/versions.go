//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/aquasecurity/trivy/pkg/dependency"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// stdlib is the name of Go's standard library among the packages of a program.
const stdlib = "stdlib"

// versionGaps names the packages whose versions could not be compared with an
// advisory, which Trivy's messages do not: they give the version only. It returns
// the messages that are about no package of the image.
func versionGaps(logs []wire.Log, detail *ftypes.ArtifactDetail) (gaps []wire.Gap, rest []wire.Log) {
	for _, l := range logs {
		version, ok := incomparable(l)
		if !ok {
			rest = append(rest, l)
			continue
		}
		found := false
		for i := range detail.Applications {
			app := &detail.Applications[i]
			for j := range app.Packages {
				if p := &app.Packages[j]; p.Version == version {
					found = true
					gaps = append(gaps, wire.Gap{Gap: versionGap(app, p)})
				}
			}
		}
		if !found {
			rest = append(rest, l)
		}
	}
	return gaps, rest
}

// incomparable returns the version of which a message says that it cannot be
// compared: "npm version error (v4.4.1): invalid semantic version".
func incomparable(l wire.Log) (string, bool) {
	if l.Message != versionMismatch {
		return "", false
	}
	_, rest, ok := strings.Cut(l.Cause, "version error (")
	if !ok {
		return "", false
	}
	end := strings.LastIndex(rest, "): ")
	if end < 0 {
		return "", false
	}
	return rest[:end], true
}

func versionGap(app *ftypes.Application, p *ftypes.Package) evidence.Gap {
	file := cmp.Or(p.FilePath, app.FilePath)
	name, cure := p.Name+" "+p.Version, "install a released version of "+p.Name
	if app.Type == ftypes.GoBinary && p.Name == stdlib {
		cure = "build the program with a released version of Go"
	}
	return evidence.Gap{
		Kind: evidence.GapScannerErrors, Subject: p.Name, Package: name, Path: file, Layer: p.Layer.DiffID,
		Detail: fmt.Sprintf("the package %s (%s, %s) was compared with no advisory: its version is none that %s packages can have", name, app.Type, file, app.Type),
		Cure:   cure,
	}
}

// vendorGo is the version of a compiler that a vendor has built from a release of Go,
// with its own name behind: "v1.24.4 (Red Hat 1.24.4-1.el9)" and "v1.24.4-1" of
// Microsoft. Go's own prereleases have no third number before their suffix.
var vendorGo = regexp.MustCompile(`^(v1\.[0-9]+\.[0-9]+)( \(|-)[^X]`)

// settleStandardLibrary gives the standard library the version of the release that the
// vendor has built. Trivy compares the first form with no advisory, and takes the second
// for a prerelease, which lacks the fixes of the release.
func settleStandardLibrary(detail *ftypes.ArtifactDetail) {
	for i := range detail.Applications {
		app := &detail.Applications[i]
		if app.Type != ftypes.GoBinary {
			continue
		}
		for j := range app.Packages {
			p := &app.Packages[j]
			if m := vendorGo.FindStringSubmatch(p.Version); m != nil && p.Name == stdlib {
				p.Version, p.ID = m[1], dependency.ID(app.Type, p.Name, m[1])
			}
		}
	}
}
