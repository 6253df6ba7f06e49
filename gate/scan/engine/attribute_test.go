//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"testing"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/google/go-cmp/cmp"
)

func TestUnattributed(t *testing.T) {
	detail := &ftypes.ArtifactDetail{
		Packages: ftypes.Packages{{Name: "coreutils", InstalledFiles: []string{"/bin/ls", "/usr/sbin/chroot"}}},
		Applications: []ftypes.Application{
			{Type: ftypes.GoBinary, FilePath: "app/server"},
			{Type: ftypes.NodePkg, Packages: ftypes.Packages{{FilePath: "srv/node_modules/esbuild/package.json"}}},
			{Type: ftypes.PythonPkg, Packages: ftypes.Packages{{FilePath: "usr/lib/python3/site-packages/ruff-0.1.dist-info/METADATA"}}},
		},
	}
	tests := []struct {
		path       string
		attributed bool
	}{
		{"bin/ls", true},
		{"usr/bin/ls", true}, // after the merge of /usr
		{"usr/sbin/chroot", true},
		{"sbin/chroot", true},
		{"bin/chroot", true}, // sbin merged into bin
		{"app/server", true},
		{"srv/node_modules/esbuild/bin/esbuild", true},
		{"usr/lib/python3/site-packages/ruff/ruff", true},
		{"usr/local/bin/ls", false},
		{"app/server2", false},
		{"srv/node_modules/esbuildx/bin/x", false},
		{"opt/tool", false},
	}
	for _, tt := range tests {
		want := []string{tt.path}
		if tt.attributed {
			want = nil
		}
		if diff := cmp.Diff(want, unattributed([]string{tt.path}, detail)); diff != "" {
			t.Errorf("%s:\n%s", tt.path, diff)
		}
	}
}
