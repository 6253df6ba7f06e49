//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Trivy's expressions still contain the literals with which withoutInterest
// excludes analyzers.
func TestWithoutInterestFollowsTrivy(t *testing.T) {
	for file, expression := range map[string]string{
		"language/ruby/gemspec/gemspec.go": `regexp.MustCompile(` + "`" + `.*/specifications/.+\.gemspec` + "`)",
		"language/conda/meta/meta.go":      `regexp.MustCompile(` + "`" + `.*/envs/.+/conda-meta/.+-.+-.+\.json` + "`)",
	} {
		source, err := os.ReadFile(filepath.Join(trivyDir(t), "pkg", "fanal", "analyzer", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(source), expression) {
			t.Errorf("%s has another expression than %s: look at withoutInterest", file, expression)
		}
	}
}

func TestSelectorWants(t *testing.T) {
	wants, err := new(Selector).Wants(evidence.NeedPackages)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"var/lib/dpkg/status":                                  true,
		"usr/lib/ruby/specifications/rack-2.0.0.gemspec":       true,
		"opt/conda/envs/a/conda-meta/openssl-1.1.1-0.json":     true,
		"app/specifications/x.gemspec/conda-meta/none.txt":     true, // Trivy's expression has no end
		"app/node_modules/lodash/package.json":                 true,
		"usr/share/doc/readme.txt":                             false,
		"app/gemspec":                                          false,
		"app/conda-meta":                                       false,
		"lib/apk/db/installed":                                 true,
		"usr/lib/python3/dist-packages/x-1.dist-info/METADATA": true,
	} {
		if got := wants(name, 0o644, 10); got != want {
			t.Errorf("%s is wanted: %v, want %v", name, got, want)
		}
	}
}

// A complaint about the machine is told from one about the layer.
func TestTransient(t *testing.T) {
	for attrs, want := range map[string]bool{
		"err=copy error: write /tmp/x: " + syscall.ENOSPC.Error():        true,
		"err=open /tmp/x: " + syscall.EMFILE.Error():                     true,
		"err=" + errors.New("unable to parse: unexpected EOF").Error():   false,
		"file_path=app/package.json err=invalid character 'x'":           false,
		"err=mkdir /tmp/analyzer-composite-1: " + syscall.EDQUOT.Error(): true,
	} {
		if got := transient(wire.Log{Message: "Analysis error", Attrs: attrs}); got != want {
			t.Errorf("%q is transient: %v, want %v", attrs, got, want)
		}
	}
}
