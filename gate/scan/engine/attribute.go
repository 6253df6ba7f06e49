//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"path"
	"slices"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/pkgdb"
)

// unattributed returns the executables of unknown origin: no OS package installed
// them, no build info names their modules, and they are not in the directory of a
// package that was found.
func unattributed(executables []string, detail *ftypes.ArtifactDetail) []string {
	owned := map[string]bool{}
	for i := range detail.Packages {
		for _, f := range detail.Packages[i].InstalledFiles {
			owned[canonical(f)] = true
		}
	}
	var dirs []string
	for i := range detail.Applications {
		app := &detail.Applications[i]
		owned[canonical(app.FilePath)] = true
		for j := range app.Packages {
			if dir := packageDir(app.Type, app.Packages[j].FilePath); dir != "" {
				dirs = append(dirs, dir)
			}
		}
	}
	var rest []string
	for _, exe := range executables {
		if name := canonical(exe); !owned[name] && !within(name, dirs) {
			rest = append(rest, exe)
		}
	}
	return rest
}

// canonical is a path of the tree in the form in which package databases are
// compared with it.
func canonical(name string) string {
	return pkgdb.Canonical(strings.TrimPrefix(path.Clean("/"+name), "/"))
}

// packageDir is the directory that a language package fills, "" when its type
// has none.
func packageDir(t ftypes.LangType, file string) string {
	if file == "" {
		return ""
	}
	dir := path.Dir(canonical(file))
	switch t {
	case ftypes.NodePkg: // node_modules/x/package.json
		return dir
	case ftypes.PythonPkg: // site-packages/x-1.0.dist-info/METADATA beside site-packages/x
		name, _, _ := strings.Cut(path.Base(dir), "-")
		return path.Join(path.Dir(dir), name)
	}
	return ""
}

func within(name string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(name, dir+"/") })
}
