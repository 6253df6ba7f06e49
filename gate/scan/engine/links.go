//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"cmp"
	"path"
	"slices"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// link is a further name of a file of the layer.
type link struct {
	Name   string `json:"name"`
	Target string `json:"target"`
}

// aliases copies what was found in files to their further names: a later layer may
// delete one of the names, and with it Trivy forgets what it knows by that name. It
// returns the links that matter. [oneName] takes the copies away again.
func (l *layer) aliases() []link {
	if len(l.links) == 0 {
		return nil
	}
	byTarget := map[string][]string{}
	for _, k := range l.links {
		byTarget[k.Target] = append(byTarget[k.Target], k.Name)
	}
	var used []link
	for _, app := range l.main.result.Applications {
		for _, name := range byTarget[app.FilePath] {
			l.main.result.Applications = append(l.main.result.Applications, renamed(app, name))
			if digests, ok := l.own.Hashes[app.FilePath]; ok {
				l.own.Hashes[name] = digests
			}
			used = append(used, link{name, app.FilePath})
		}
	}
	return used
}

// renamed is what was found in a file, under another name of the file.
func renamed(app ftypes.Application, name string) ftypes.Application {
	old := app.FilePath
	app.FilePath, app.Packages = name, slices.Clone(app.Packages)
	for i := range app.Packages {
		if p := &app.Packages[i]; p.FilePath == old || strings.HasPrefix(p.FilePath, old+"/") {
			p.FilePath = name + p.FilePath[len(old):]
		}
	}
	return app
}

// oneName leaves one name of every file in which something was found: the first
// in the archive if it is still there.
func oneName(detail *ftypes.ArtifactDetail, first map[string]string) {
	if len(first) == 0 {
		return
	}
	names := map[string]bool{} // all names of such files
	for name, target := range first {
		names[name], names[target] = true, true
	}
	seen := map[string]string{} // what was found -> the name under which it stays
	better := func(key, name string) {
		if old, ok := seen[key]; !ok || first[old] != "" && (first[name] == "" || name < old) {
			seen[key] = name
		}
	}
	for i := range detail.Applications {
		app := &detail.Applications[i]
		for j := range app.Packages {
			name, key := identityOf(app, &app.Packages[j], first, names)
			better(key, name)
		}
	}
	for i := range detail.Applications {
		app := &detail.Applications[i]
		app.Packages = slices.DeleteFunc(app.Packages, func(p ftypes.Package) bool {
			name, key := identityOf(app, &p, first, names)
			return seen[key] != name
		})
	}
	detail.Applications = slices.DeleteFunc(detail.Applications, func(app ftypes.Application) bool { return len(app.Packages) == 0 && first[app.FilePath] != "" })
}

// identityOf returns the name of the file in which a package was found, and what
// is the same for all names of the file.
func identityOf(app *ftypes.Application, p *ftypes.Package, first map[string]string, names map[string]bool) (name, key string) {
	whole := cmp.Or(p.FilePath, app.FilePath)
	name = whole
	for outer := whole; outer != "." && outer != ""; outer = path.Dir(outer) {
		if names[outer] { // otherwise it is no such file, or one inside an archive
			name = outer
			break
		}
	}
	inside := whole[len(name):]
	file := name
	if target, ok := first[name]; ok {
		file = target
	}
	return name, strings.Join([]string{string(app.Type), file, inside, p.Name, p.Version}, "\x00")
}
