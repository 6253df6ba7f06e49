//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"testing"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// Only Python's own metadata takes the place of the name of a directory. A file of another
// kind in the directory would otherwise hide the package.
func TestDirectoryIsDescribedByPythonAlone(t *testing.T) {
	const dir = "site-packages/flask-2.2.3.dist-info"
	for kind, described := range map[ftypes.LangType]bool{ftypes.PythonPkg: true, ftypes.NodePkg: false, ftypes.Jar: false, ftypes.GemSpec: false} {
		directory := ftypes.Application{Type: ftypes.PythonPkg, Packages: ftypes.Packages{{Name: "flask", Version: "2.2.3", FilePath: dir, AnalyzedBy: byDirectory}}}
		beside := ftypes.Application{Type: kind, Packages: ftypes.Packages{{Name: "x", Version: "1", FilePath: dir + "/file"}}}
		detail := &ftypes.ArtifactDetail{Applications: []ftypes.Application{directory, beside}}
		if gaps := dropDescribed(detail); len(gaps) != 0 {
			t.Errorf("%s: gaps %v", kind, gaps)
		}
		if got := len(detail.Applications[0].Packages) == 0; got != described {
			t.Errorf("%s: described %v", kind, got)
		}
	}
}
