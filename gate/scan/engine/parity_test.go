//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/imagegate/imagegate/policy/evidence"
)

// TestParityWithTrivy compares findings with those of Trivy's own command line
// on images that do not lie in this repository. IMAGEGATE_PARITY names a
// directory with images/ (an OCI layout), reports/NAME.json (made by `trivy
// image --detection-priority comprehensive -f json`) and cache/ (the database).
func TestParityWithTrivy(t *testing.T) {
	dir := os.Getenv("IMAGEGATE_PARITY")
	if dir == "" {
		t.Skip("IMAGEGATE_PARITY is not set")
	}
	c, ready := converse(t, filepath.Join(dir, "cache"))
	if ready.Problem != "" {
		t.Fatal(ready.Problem)
	}
	index, err := layout.ImageIndexFromPath(filepath.Join(dir, "images"))
	c.must(err)
	manifest, err := index.IndexManifest()
	c.must(err)
	for _, d := range manifest.Manifests {
		name := d.Annotations["org.opencontainers.image.ref.name"]
		want, err := os.ReadFile(filepath.Join(dir, "reports", name+".json"))
		if err != nil || d.MediaType.IsIndex() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			img, err := index.Image(d.Digest)
			c.must(err)
			c.t = t
			report := c.scan(img, evidence.NeedPackages|evidence.NeedJava, true)
			var got []string
			for _, f := range report.Findings {
				got = append(got, strings.Join([]string{f.ID, f.Package.Name, f.Package.Version, f.Package.Path, string(f.Severity)}, " "))
			}
			slices.Sort(got)
			if diff := cmp.Diff(trivyFindings(t, want), got); diff != "" {
				t.Errorf("findings (-trivy +imagegate):\n%s", diff)
			}
			t.Logf("%d findings, %d packages, os %+v, counts %+v, logs %+v, jars %d, unmatched %v third %d", len(got), len(report.Packages), report.OS, report.Databases, report.Logs, report.Jars, report.Unmatched, len(report.ThirdParty))
		})
	}
}

func trivyFindings(t *testing.T, b []byte) []string {
	t.Helper()
	var r struct {
		Results []struct {
			Target, Class   string
			Vulnerabilities []struct {
				VulnerabilityID, PkgName, PkgPath, InstalledVersion, Severity string
			}
		}
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, res := range r.Results {
		for _, v := range res.Vulnerabilities {
			path := v.PkgPath
			if path == "" && res.Class == "lang-pkgs" {
				path = res.Target
			}
			all = append(all, strings.Join([]string{v.VulnerabilityID, v.PkgName, v.InstalledVersion, path, strings.ToLower(v.Severity)}, " "))
		}
	}
	slices.Sort(all)
	return all
}
