//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"fmt"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// versionGaps names the packages whose versions could not be compared with an
// advisory, which Trivy's messages do not: they give the version only. It returns
// the messages that are about no package of the image.
func versionGaps(logs []wire.Log, detail *ftypes.ArtifactDetail) (gaps []evidence.Gap, rest []wire.Log) {
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
					gaps = append(gaps, versionGap(app, p))
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
	file := p.FilePath
	if file == "" {
		file = app.FilePath
	}
	name := p.Name + " " + p.Version
	return evidence.Gap{
		Kind: evidence.GapScannerErrors, Subject: p.Name, Package: name, Path: file, Layer: p.Layer.DiffID,
		Detail: fmt.Sprintf("the package %s (%s, %s) was compared with no advisory: its version is none that %s packages can have", name, app.Type, file, app.Type),
		Cure:   "install a released version of " + p.Name,
	}
}
