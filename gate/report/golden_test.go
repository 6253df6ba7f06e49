package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report"
)

var update = flag.Bool("update", false, "write the golden files")

// write renders run in the format with that name.
func write(t *testing.T, name string, run *gate.Run, o report.Options) []byte {
	t.Helper()
	f, err := report.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b, run, o); err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
	return b.Bytes()
}

// TestGolden holds every format to what it wrote before, for every sample. The
// big sample is kept only in the formats whose point is to stay short.
func TestGolden(t *testing.T) {
	short := map[string]bool{"text": true, "github": true}
	all := samples()
	all["many"] = manyRun(3000)
	for sample, run := range all {
		for _, f := range report.OwnFormats() {
			if sample == "many" && !short[f.Name] || f.Name == "html" {
				continue // the page has tests of its own, in a browser
			}
			t.Run(sample+"/"+f.Name, func(t *testing.T) {
				checkGolden(t, sample+"."+f.Name+f.Extension, write(t, f.Name, run, report.Options{}))
			})
		}
	}
	t.Run("fail/text narrow", func(t *testing.T) {
		checkGolden(t, "fail.narrow.txt", write(t, "text", failRun(), report.Options{Width: 72}))
	})
	t.Run("fail/text color", func(t *testing.T) {
		checkGolden(t, "fail.color.txt", write(t, "text", failRun(), report.Options{Color: true, Width: 100}))
	})
}

func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); run with -update if that is meant:\n%s", name, diff)
	}
}
