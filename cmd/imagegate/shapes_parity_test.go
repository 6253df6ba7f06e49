package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/shapes"
)

// The report has every finding that Trivy's command line reports for a shape by
// default, in any class. The lists in testdata/shapes.txtar were written by
//
//	IMAGEGATE_TRIVY=/path/to/trivy UPDATE=1 go test -run TestShapesLoseNothing ./cmd/imagegate
//
// With UPDATE=new, only shapes that are not there yet are given to Trivy, which
// needs minutes for some of the others.
func TestShapesLoseNothing(t *testing.T) {
	all := shapes.All()
	const golden = "testdata/shapes.txtar"
	if trivy := os.Getenv("IMAGEGATE_TRIVY"); trivy != "" && update {
		writeTrivyFindings(t, trivy, golden, all)
	}
	archive, err := txtar.ParseFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	results := newShapeRun(t, all).judge()
	compared := 0
	for _, f := range archive.Files {
		got, ok := results[f.Name]
		if !ok {
			t.Errorf("%s has %s, which is no shape", golden, f.Name)
		}
		for line := range strings.Lines(string(f.Data)) {
			compared++
			// The report has the release of Go that a vendor has built.
			if line = vendorGo.ReplaceAllString(strings.TrimSpace(line), "$1"); !got.found[line] {
				t.Errorf("%s: Trivy finds %s, the report has %q", f.Name, line, slices.Sorted(maps.Keys(got.found)))
			}
		}
	}
	if compared < 80 || len(archive.Files) != len(all) {
		t.Errorf("only %d findings of %d shapes were compared: write %s anew", compared, len(archive.Files), golden)
	}
}

// vendorGo is Go's standard library as a vendor has built it.
var vendorGo = regexp.MustCompile(`^(\S+ stdlib v1\.\d+\.\d+)-\d+$`)

func writeTrivyFindings(t *testing.T, trivy, file string, all []shapes.Shape) {
	t.Helper()
	cache := dbtest.Database(t, dbtest.DBOptions{Extra: shapes.Advisories()})
	archive, kept := new(txtar.Archive), map[string]txtar.File{}
	if before, err := txtar.ParseFile(file); err == nil && os.Getenv("UPDATE") == "new" {
		for _, f := range before.Files {
			kept[f.Name] = f
		}
	}
	for _, shape := range all {
		if f, ok := kept[shape.Name]; ok {
			archive.Files = append(archive.Files, f)
			continue
		}
		dir := t.TempDir()
		if err := imagetest.WriteOCILayout(dir, imagetest.Named{What: shape.Image}); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), trivy, "image", "--quiet", "--input", dir, "--cache-dir", cache, "--cache-backend", "memory",
			"--skip-db-update", "--skip-java-db-update", "--offline-scan", "--scanners", "vuln", "--format", "json")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil { // Trivy cannot read it
			t.Logf("%s: %v\n%s", shape.Name, err, stderr.String())
		}
		archive.Files = append(archive.Files, txtar.File{Name: shape.Name, Data: trivyFindings(t, out)})
	}
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// trivyFindings lists the findings of a report by Trivy, one a line.
func trivyFindings(t *testing.T, report []byte) []byte {
	t.Helper()
	var r struct {
		Results []struct {
			Vulnerabilities []struct{ VulnerabilityID, PkgName, InstalledVersion string }
		}
	}
	if err := json.Unmarshal(report, &r); len(report) > 0 && err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for _, result := range r.Results {
		for _, v := range result.Vulnerabilities {
			lines[v.VulnerabilityID+" "+v.PkgName+" "+v.InstalledVersion+"\n"] = true
		}
	}
	return []byte(strings.Join(slices.Sorted(maps.Keys(lines)), ""))
}
