//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/aquasecurity/trivy/pkg/dependency"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/manifest"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// reading is what we read in a metadata file, to be compared with what Trivy reads.
type reading struct {
	packages []manifest.Package
	err      error
}

// read reads a metadata file as the program that owns it does.
func (l *layer) read(e *wire.Entry, c content) {
	read := manifest.ReaderOf(e.Name)
	if read == nil {
		return
	}
	var r reading
	if c.bytes == nil {
		r.err = fmt.Errorf("it has %d bytes", e.Size)
	} else {
		r.packages, r.err = read(c.bytes)
	}
	put(&l.readings, e.Name, r)
}

// compareReadings adds the packages that Trivy has not found in a file, and a gap
// where Trivy has found one and the file's owner would read something else. Where
// Trivy has found nothing, it has logged why.
func (l *layer) compareReadings(r *analyzer.AnalysisResult) {
	byFile := map[string]int{}
	for i := range r.Applications {
		byFile[r.Applications[i].FilePath] = i
	}
	for _, file := range slices.Sorted(maps.Keys(l.readings)) {
		own := l.readings[file]
		at, found := byFile[file]
		switch {
		case !found:
		case own.err != nil && manifest.NeedsNoPackage(file):
			l.skipped = append(l.skipped, file)
		case own.err != nil:
			l.gap(file, evidence.Gap{
				Kind: evidence.GapScannerErrors, Subject: file, Path: file, Package: manifest.PackageAt(file),
				Detail: "which package it describes depends on who reads it: " + own.err.Error(),
				Cure:   "install the package again, or delete " + path.Dir(file),
			})
		default:
			addMissing(&r.Applications[at], own.packages)
		}
	}
}

// addMissing adds packages that the application lacks.
func addMissing(app *ftypes.Application, packages []manifest.Package) {
	for _, p := range packages {
		same := func(q ftypes.Package) bool { return strings.EqualFold(q.Name, p.Name) && q.Version == p.Version }
		if !slices.ContainsFunc(app.Packages, same) {
			app.Packages = append(app.Packages, ftypes.Package{
				ID: dependency.ID(app.Type, p.Name, p.Version), Name: p.Name, Version: p.Version, FilePath: pathOfPackages(app),
			})
		}
	}
}

// pathOfPackages is the path that Trivy gives to the packages of an application.
func pathOfPackages(app *ftypes.Application) string {
	if len(app.Packages) > 0 {
		return app.Packages[0].FilePath
	}
	return ""
}
