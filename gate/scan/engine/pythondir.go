//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"archive/zip"
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

// byDirectory marks packages that only the name of a directory names.
const byDirectory analyzer.Type = "python-directory"

// pythonDirectories adds the packages that the names of directories name. Python loads
// a package whose METADATA was deleted as before. dropDescribed takes them away again
// where the merged image has a description.
func (l *layer) pythonDirectories(sent map[string]bool, r *analyzer.AnalysisResult) {
	dirs := map[string]bool{}
	for file := range sent {
		// pip renames a package to ~ackage while it removes it.
		if dir, ok := manifest.PythonDirectory(file); ok && !manifest.IsPythonMetadata(file) && !manifest.InTests(file) && !strings.HasPrefix(path.Base(dir), "~") {
			dirs[dir] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		p, ok := manifest.NamedByDirectory(dir)
		if !ok {
			p = manifest.Package{Name: path.Base(dir)}
		}
		r.Applications = append(r.Applications, namedByDirectory(p, dir))
	}
}

func namedByDirectory(p manifest.Package, at string) ftypes.Application {
	return ftypes.Application{Type: ftypes.PythonPkg, FilePath: at, Packages: ftypes.Packages{{
		ID: dependency.ID(ftypes.PythonPkg, p.Name, p.Version), Name: p.Name, Version: p.Version, FilePath: at, AnalyzedBy: byDirectory,
	}}}
}

// egg reads the name of an egg, which is an archive, if nothing in it describes the
// package.
func (l *layer) egg(e *wire.Entry, c content) {
	p, ok := manifest.NamedByDirectory(e.Name)
	if !ok || !strings.HasSuffix(strings.ToLower(e.Name), ".egg") {
		return
	}
	z := openZip(e, c)
	defer z.close()
	if z.err == nil && !slices.ContainsFunc(z.reader.File, func(f *zip.File) bool { return manifest.TrivyReadsPython(f.Name) }) {
		l.main.byName[e.Name].own = &analyzer.AnalysisResult{Applications: []ftypes.Application{namedByDirectory(p, e.Name)}}
	}
}

// dropDescribed takes away what only the name of a directory says where the file that
// describes the package is there. It returns a gap for each directory that names no
// version. Only Python's metadata describes it: a package.json in the directory would
// hide the package.
func dropDescribed(detail *ftypes.ArtifactDetail) (gaps []wire.Gap) {
	described := map[string]bool{}
	for i := range detail.Applications {
		if detail.Applications[i].Type != ftypes.PythonPkg {
			continue
		}
		for j := range detail.Applications[i].Packages {
			if p := &detail.Applications[i].Packages[j]; p.AnalyzedBy != byDirectory {
				described[p.FilePath], described[path.Dir(p.FilePath)] = true, true // of an egg that is an archive, and of a directory
			}
		}
	}
	for i := range detail.Applications {
		app := &detail.Applications[i]
		app.Packages = slices.DeleteFunc(app.Packages, func(p ftypes.Package) bool {
			if p.AnalyzedBy != byDirectory || described[p.FilePath] || p.Version != "" {
				return p.AnalyzedBy == byDirectory && described[p.FilePath]
			}
			gaps = append(gaps, wire.Gap{Gap: evidence.Gap{
				Kind: evidence.GapScannerErrors, Subject: p.FilePath, Path: p.FilePath, Layer: p.Layer.DiffID,
				Detail: "Python knows a package by this directory, but neither METADATA nor its name says which version it has",
				Cure:   "install the package again, or delete the directory",
			}})
			return true
		})
	}
	return gaps
}
