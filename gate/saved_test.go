package gate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// fullImage has something in every kind of field.
func fullImage() evidence.Image {
	uid := int64(1000)
	day := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	return evidence.Image{
		SchemaVersion: evidence.SchemaVersion,
		Reference:     evidence.Reference{Asked: "app:1", Source: evidence.SourceRegistry, Name: "docker.io/library/app", Tag: "1"},
		Digest:        "sha256:" + strings.Repeat("a", 64),
		Platform:      "linux/amd64",
		Platforms:     []string{"linux/amd64"},
		Config:        &evidence.Config{User: "1000", Labels: map[string]string{"A": "1", "a": "2", "": "<>&\u2028"}, Created: &day, Layers: []evidence.Layer{}},
		Scan: &evidence.Scan{
			Engine: "trivy 0.74.0", Need: evidence.NeedUser | evidence.NeedPackages,
			OS:   &evidence.OS{Family: "alpine", Release: "3.10", EndOfLife: &day},
			User: &evidence.User{Spec: "1000", UID: &uid, Numeric: true},
			Findings: []evidence.Finding{{
				ID: "CVE-2020-1", Severity: evidence.SeverityHigh, Published: &day,
				VendorSeverity: map[string]evidence.Severity{"nvd": "high"},
				CVSS:           map[string]evidence.CVSS{"nvd": {V3Score: 7.5, V3Vector: "CVSS:3.1/AV:N"}},
			}},
			Coverage: evidence.Coverage{Gaps: []evidence.Gap{{Kind: evidence.GapUnknownOS, Detail: "\x1b[31m"}}},
		},
	}
}

func TestEvidenceIsSavedWithoutLoss(t *testing.T) {
	img := fullImage()
	results := []gate.Result{
		{Ref: "app:1", Evidence: &img, Verdict: policy.Verdict{Decision: policy.Passed}},
		{Ref: "gone:1", Err: errors.New("404")},
		{Ref: "half:1", Evidence: &evidence.Image{Platform: "linux/arm64"}, Err: errors.New("layer 2 is cut short")},
		{Ref: "nothing:1"},
	}
	var file bytes.Buffer
	if err := gate.Save(results).Write(&file); err != nil {
		t.Fatal(err)
	}
	got, err := gate.ParseSaved(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	want := &gate.Saved{
		SchemaVersion: 2,
		Images:        []evidence.Image{fullImage()},
		Missing: []gate.SavedMissing{
			{Reference: "gone:1", Reason: "404"},
			{Reference: "half:1", Platform: "linux/arm64", Reason: "layer 2 is cut short"},
			{Reference: "nothing:1", Reason: "nothing was collected"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("evidence after saving and reading (-want +got):\n%s", diff)
	}
	for _, r := range got.Results() {
		if r.Decision() != policy.Undecided {
			t.Errorf("%s = %v, want no verdict", r.Ref, r.Decision())
		}
	}
}

func TestParseSavedRefusesWhatItDoesNotUnderstand(t *testing.T) {
	good, err := json.Marshal(gate.Saved{SchemaVersion: 1, Images: []evidence.Image{fullImage()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gate.ParseSaved(good); err != nil {
		t.Fatalf("the unchanged file: %v", err)
	}
	change := func(old, new string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("the file has no %s", old)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	for name, text := range map[string]string{
		"nothing":                "",
		"null":                   "null",
		"a list":                 "[]",
		"not JSON":               "%PDF",
		"truncated":              string(good[:len(good)-2]),
		"twice the document":     string(good) + string(good),
		"a trailing word":        string(good) + " x",
		"a newer version":        change(`{"schemaVersion":1`, `{"schemaVersion":2`),
		"version zero":           change(`{"schemaVersion":1`, `{"schemaVersion":0`),
		"version as text":        change(`{"schemaVersion":1`, `{"schemaVersion":"1"`),
		"no version":             change(`{"schemaVersion":1,`, `{`),
		"a newer image":          change(`[{"schemaVersion":1`, `[{"schemaVersion":2`),
		"an unknown key":         change(`"gaps":[`, `"holes":["x"],"gaps":[`),
		"a key twice":            change(`"gaps":[`, `"gaps":[],"gaps":[`),
		"a key in another case":  change(`"gaps":[`, `"Gaps":[`),
		"a second version":       change(`"images"`, `"schemaVersion":1,"images"`),
		"no digest":              change(`"digest":"sha256:`+strings.Repeat("a", 64)+`"`, `"digest":""`),
		"no reference":           change(`"asked":"app:1"`, `"asked":""`),
		"no source":              change(`"source":"registry"`, `"source":""`),
		"a wrong type":           change(`"findings":[`, `"findings":"x","packages":[`),
		"nested without end":     `{"schemaVersion":1,"images":` + strings.Repeat("[", 100_000),
		"no image":               `{"schemaVersion":1,"images":[]}`,
		"a duplicate in a label": change(`"A":"1"`, `"A":"1","A":"2"`),
	} {
		if got, err := gate.ParseSaved([]byte(text)); err == nil {
			t.Errorf("%s: accepted as %+v", name, got)
		}
	}
}

// What can be read says the same when it is written and read again.
func FuzzParseSaved(f *testing.F) {
	good, err := json.Marshal(gate.Saved{SchemaVersion: 1, Images: []evidence.Image{fullImage()}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"schemaVersion":1,"images":[],"missing":[{"reference":"a","reason":"b"}]}`))
	f.Add([]byte(`{"schemaVersion":1,"images":[{"schemaVersion":1}]}`))
	f.Add(tableForm(f, fullImage(), fullImage()))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := gate.ParseSaved(data)
		if err != nil {
			return
		}
		var table bytes.Buffer
		if err := first.Write(&table); err != nil {
			t.Fatal(err)
		}
		second, err := gate.ParseSaved(table.Bytes())
		if err != nil {
			t.Fatalf("cannot read what was written: %v\n%s", err, table.Bytes())
		}
		if second.SchemaVersion != 2 {
			t.Errorf("wrote version %d", second.SchemaVersion)
		}
		second.SchemaVersion = first.SchemaVersion
		if diff := cmp.Diff(first, second, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("changed by writing and reading:\n%s", diff)
		}
	})
}

// Both forms say the same about many images, and one reader can read both.
func TestBothFormsSayTheSame(t *testing.T) {
	images := benchmarkEvidence(t, 5)
	images = append(images, fullImage(), images[0])
	r := gate.NewSavedReader()
	for _, file := range [][]byte{fullForm(t, images...), tableForm(t, images...), fullForm(t, images...), tableForm(t, images...)} {
		got, err := r.Parse(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(images, got.Images); diff != "" {
			t.Errorf("version %d (-want +got):\n%s", got.SchemaVersion, diff)
		}
	}
}
