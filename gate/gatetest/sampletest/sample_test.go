package sampletest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/sampletest"
)

func all(t testing.TB) []sampletest.Sample {
	t.Helper()
	list := sampletest.Samples()
	return list
}

func TestSamplesAreValidImages(t *testing.T) {
	for _, s := range all(t) {
		if err := validate.Image(s.Image); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if _, err := s.Image.Find(func(name string) bool { return name == s.Package }); err != nil {
			t.Errorf("%s: no file %s", s.Name, s.Package)
		}
	}
}

func TestEverySampleHasACleanTwin(t *testing.T) {
	count := map[bool]int{}
	for _, s := range all(t) {
		count[s.Clean()]++
	}
	if count[true] != count[false] || count[true] == 0 {
		t.Errorf("%d clean, %d bad", count[true], count[false])
	}
}

// A finding that the advisories do not have could never be found.
func TestSampleFindingsAreInTheAdvisories(t *testing.T) {
	ids := map[string]bool{}
	for _, b := range dbtest.Buckets() {
		for _, entries := range b.Packages {
			for id := range entries {
				ids[id] = true
			}
		}
	}
	for _, s := range all(t) {
		for _, f := range s.Findings {
			var id, pkg string
			if n, _ := fmt.Sscan(f, &id, &pkg); n != 2 || !ids[id] {
				t.Errorf("%s: %q is not in the advisories", s.Name, f)
			}
		}
	}
}

func TestImagesAreTheSameEveryTime(t *testing.T) {
	first, second := all(t), all(t)
	for i := range first {
		a, _ := first[i].Image.Digest()
		b, _ := second[i].Image.Digest()
		if a != b {
			t.Errorf("%s: %s, then %s", first[i].Name, a, b)
		}
	}
}

// Severities come from the details. Some advisories have none in the source
// either; what the samples rely on must.
func TestSampleFindingsHaveDetails(t *testing.T) {
	details := dbtest.Vulnerabilities()
	for _, s := range all(t) {
		blocking := false
		for _, f := range s.Findings {
			id, _, _ := strings.Cut(f, " ")
			var d struct{ Severity, Title string }
			if err := json.Unmarshal(details[id], &d); err != nil {
				t.Errorf("%s: %s: %v", s.Name, id, err)
			}
			blocking = blocking || d.Severity == "HIGH" || d.Severity == "CRITICAL"
		}
		if !s.Clean() && !blocking {
			t.Errorf("%s: nothing high or critical in %v", s.Name, s.Findings)
		}
	}
}
