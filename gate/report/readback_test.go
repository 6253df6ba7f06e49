package report_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/gate/strictjson"
)

// Commands read JSON reports back strictly: no report has a key that the document does
// not know, or one twice.
func TestReportsAreReadBackStrictly(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.json.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d reports: %v", len(files), err)
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var doc report.Document
		if err := strictjson.Unmarshal(src, &doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
