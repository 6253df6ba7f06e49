//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/sampletest"
	"github.com/imagegate/imagegate/gate/gatetest/trivytest"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// sharedData is a directory beside the checkout with real images, a larger
// database and Trivy's reports about them. CI sets IMAGEGATE_REQUIRE_PARITY
// where it exists.
const sharedData = "../../../../shared/data"

// Findings are those of Trivy's own command line, for the images that Trivy's
// tests use and for the samples. The lists in testdata/trivy.txtar were written by
//
//	IMAGEGATE_TRIVY=/path/to/trivy UPDATE=1 go test -run TestParityWithTrivy ./gate/scan/engine
//
// and with IMAGEGATE_TRIVY alone, Trivy runs again and both have to agree.
func TestParityWithTrivy(t *testing.T) {
	const golden = "testdata/trivy.txtar"
	archive, err := txtar.ParseFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	lists := map[string]string{}
	for _, f := range archive.Files {
		lists[f.Name] = string(f.Data)
	}
	cacheDir, images := dbtest.Database(t, dbtest.DBOptions{}), parityImages(t)
	if trivy := os.Getenv("IMAGEGATE_TRIVY"); trivy != "" {
		fresh := map[string]string{}
		for name, img := range images {
			fresh[name] = lines(runTrivy(t, trivy, cacheDir, img))
		}
		if os.Getenv("UPDATE") != "" {
			archive.Files, lists = nil, fresh
			for _, name := range slices.Sorted(maps.Keys(fresh)) {
				archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(fresh[name])})
			}
			if err := os.WriteFile(golden, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(lists, fresh); diff != "" {
			t.Errorf("%s is not what Trivy finds:\n%s", golden, diff)
		}
	}
	c := matcher(t, cacheDir)
	for name, img := range images {
		t.Run(name, func(t *testing.T) {
			c.t = t
			want, ok := lists[name]
			if !ok {
				t.Fatalf("%s has no list of this image", golden)
			}
			c.agree(want, img)
		})
	}
}

// The same for the images and reports beside the checkout.
func TestParityWithTrivyOnSharedData(t *testing.T) {
	if _, err := os.Stat(sharedData); err != nil {
		if os.Getenv("IMAGEGATE_REQUIRE_PARITY") != "" {
			t.Fatalf("IMAGEGATE_REQUIRE_PARITY is set, and there is no data: %v", err)
		}
		t.Skip(err)
	}
	cacheDir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), filepath.Join(sharedData, "unpack-db.sh"), cacheDir).CombinedOutput(); err != nil {
		t.Fatalf("unpack-db.sh: %v\n%s", err, out)
	}
	c := matcher(t, cacheDir)
	index, err := layout.ImageIndexFromPath(filepath.Join(sharedData, "images"))
	c.must(err)
	manifest, err := index.IndexManifest()
	c.must(err)
	compared := 0
	for _, d := range manifest.Manifests {
		name := d.Annotations["org.opencontainers.image.ref.name"]
		want, err := os.ReadFile(filepath.Join(sharedData, "reports", name+".json"))
		if err != nil || d.MediaType.IsIndex() {
			continue
		}
		compared++
		t.Run(name, func(t *testing.T) {
			img, err := index.Image(d.Digest)
			c.must(err)
			c.t = t
			c.agree(lines(trivyFindings(t, want)), img)
		})
	}
	if compared < 20 {
		t.Errorf("only %d images have a report", compared)
	}
}

// asWorker in the environment makes the test binary a worker.
const asWorker = "IMAGEGATE_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(asWorker) != "" {
		os.Exit(Serve(context.Background(), os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// matcher is a worker with a database, in a process of its own: Trivy's
// temporary directory can be had once in each process.
func matcher(t *testing.T, cacheDir string) *conversation {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), asWorker+"=1", "TMPDIR="+t.TempDir())
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	t.Cleanup(func() { _ = in.Close() })
	c := &conversation{t: t, send: wire.NewWriter(in), recv: wire.NewReader(out)}
	if ready := c.open(cacheDir); ready.Problem != "" {
		t.Fatal(ready.Problem)
	}
	return c
}

// agree compares the findings of the worker with those of Trivy.
func (c *conversation) agree(trivy string, img v1.Image) {
	c.t.Helper()
	var got []string
	for _, f := range c.scan(img, evidence.NeedPackages|evidence.NeedJava, true).Findings {
		got = append(got, strings.Join([]string{f.ID, f.Package.Name, f.Package.Version, f.Package.Path, string(f.Severity)}, " "))
	}
	slices.Sort(got)
	if diff := cmp.Diff(trivy, lines(got)); diff != "" {
		c.t.Errorf("findings (-trivy +imagegate):\n%s", diff)
	}
}

// lines ends every finding with a line break.
func lines(findings []string) string {
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(f + "\n")
	}
	return b.String()
}

// parityImages are the images that need nothing but this repository and the
// module cache.
func parityImages(t *testing.T) map[string]v1.Image {
	t.Helper()
	images := map[string]v1.Image{}
	for _, name := range trivytest.TrivyTestImages() {
		img, err := trivytest.TrivyTestImage(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		images[name] = img
	}
	samples := sampletest.Samples()
	for _, s := range samples {
		images[s.Name] = s.Image
	}
	return images
}

// runTrivy lets Trivy's command line judge an image.
func runTrivy(t *testing.T, trivy, cacheDir string, img v1.Image) []string {
	t.Helper()
	dir := t.TempDir()
	if err := imagetest.WriteOCILayout(dir, imagetest.Named{What: img}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), trivy, "image", "--quiet", "--input", dir, "--cache-dir", cacheDir, "--cache-backend", "memory",
		"--skip-db-update", "--skip-java-db-update", "--offline-scan", "--scanners", "vuln", "--detection-priority", "comprehensive", "--format", "json")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("trivy: %v\n%s", err, stderr.String())
	}
	return trivyFindings(t, out)
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
