package saved_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/saved"
	"github.com/imagegate/imagegate/gate/strictjson"
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
				Advisory: &evidence.Advisory{
					ID:             "CVE-2020-1",
					Severity:       evidence.SeverityHigh,
					Published:      &day,
					VendorSeverity: map[string]evidence.Severity{"nvd": "high"},
					CVSS:           map[string]evidence.CVSS{"nvd": {V3Score: 7.5, V3Vector: "CVSS:3.1/AV:N"}},
				},
				Package: &evidence.Package{Name: "zlib"},
			}},
			Coverage: evidence.Coverage{Gaps: []evidence.Gap{{Kind: evidence.GapUnknownOS, Detail: "\x1b[31m"}}},
		},
	}
}

// read reads one file.
func read(r *saved.Reader, text string) (images []evidence.Image, missing []saved.Missing, err error) {
	missing, err = r.Read(strings.NewReader(text), func(img *evidence.Image) error {
		images = append(images, *img)
		return nil
	})
	return images, missing, err
}

// write writes a file about images and about references without evidence.
func write(tb testing.TB, images []evidence.Image, missing ...string) string {
	tb.Helper()
	var results []gate.Result
	for i := range images {
		results = append(results, gate.Result{Ref: images[i].Reference.Asked, Evidence: &images[i]})
	}
	for _, ref := range missing {
		results = append(results, gate.Result{Ref: ref})
	}
	var b strings.Builder
	if err := saved.WriteRun(&b, &gate.Run{Results: results}); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func TestEvidenceIsSavedWithoutLoss(t *testing.T) {
	img := fullImage()
	results := []gate.Result{
		{Ref: "app:1", Evidence: &img, Verdict: policy.Verdict{Decision: policy.Passed}},
		{Ref: "gone:1", Err: errors.New("404")},
		{Ref: "half:1", Evidence: &evidence.Image{Platform: "linux/arm64"}, Err: errors.New("layer 2 is cut short")},
		{Ref: "nothing:1"},
	}
	var file strings.Builder
	if err := saved.WriteRun(&file, &gate.Run{Results: results}); err != nil {
		t.Fatal(err)
	}
	images, missing, err := read(saved.NewReader(), file.String())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]evidence.Image{fullImage()}, images); diff != "" {
		t.Errorf("evidence after saving and reading (-want +got):\n%s", diff)
	}
	wantMissing := []saved.Missing{
		{Reference: "gone:1", Reason: "404"},
		{Reference: "half:1", Platform: "linux/arm64", Reason: "layer 2 is cut short"},
		{Reference: "nothing:1", Reason: "nothing was collected"},
	}
	if diff := cmp.Diff(wantMissing, missing); diff != "" {
		t.Errorf("missing images (-want +got):\n%s", diff)
	}
	for i := range missing {
		if r := missing[i].Result(); r.Decision() != policy.Undecided || r.Ref != missing[i].Reference {
			t.Errorf("%s = %v, want no verdict", r.Ref, r.Decision())
		}
	}
}

// Many images with shared advisories, in one file and in a file for each.
func TestManyImagesAreSavedWithoutLoss(t *testing.T) {
	images := benchmarkEvidence(t, 5)
	images = append(images, fullImage(), images[0])
	r := saved.NewReader()
	for range 2 {
		got, _, err := read(r, write(t, images))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(images, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for i := range images {
			if got, _, err = read(r, write(t, images[i:i+1])); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(images[i:i+1], got); diff != "" {
				t.Errorf("image %d (-want +got):\n%s", i, diff)
			}
		}
	}
}

func TestReadRefusesWhatItDoesNotUnderstand(t *testing.T) {
	good := write(t, []evidence.Image{fullImage()}, "gone:1")
	if _, _, err := read(saved.NewReader(), good); err != nil {
		t.Fatalf("the unchanged file: %v", err)
	}
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the file has no %s", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	files := map[string]string{
		"nothing":                 "",
		"null":                    "null",
		"a list":                  "[]",
		"an empty object":         "{}",
		"not JSON":                "%PDF",
		"a byte order mark":       "\ufeff" + good,
		"twice the document":      good + good,
		"a trailing word":         good + " x",
		"a trailing NUL":          good + "\x00",
		"an older version":        change(`{"schemaVersion":2`, `{"schemaVersion":1`),
		"a newer version":         change(`{"schemaVersion":2`, `{"schemaVersion":3`),
		"version zero":            change(`{"schemaVersion":2`, `{"schemaVersion":0`),
		"version null":            change(`{"schemaVersion":2`, `{"schemaVersion":null`),
		"version as text":         change(`{"schemaVersion":2`, `{"schemaVersion":"2"`),
		"version with a fraction": change(`{"schemaVersion":2`, `{"schemaVersion":2.0`),
		"no version":              change(`{"schemaVersion":2,`, `{`),
		"version at the end":      strings.TrimSuffix(change(`{"schemaVersion":2,`, `{`), "}\n") + `,"schemaVersion":2}`,
		"a newer image":           change(`[`+"\n"+`{"schemaVersion":1`, `[`+"\n"+`{"schemaVersion":2`),
		"an unknown key":          change(`"missing":`, `"signed":true,"missing":`),
		"an unknown key, deep":    change(`"gaps":[`, `"holes":["x"],"gaps":[`),
		"a key twice":             change(`"gaps":[`, `"gaps":[],"gaps":[`),
		"a key in another case":   change(`"gaps":[`, `"Gaps":[`),
		"a second version":        change(`"images"`, `"schemaVersion":2,"images"`),
		"two lists of images":     change(`"missing":`, `"images":[],"missing":`),
		"images null":             `{"schemaVersion":2,"advisories":[],"images":null,"missing":[{"reference":"a","reason":"b"}]}`,
		"image null":              `{"schemaVersion":2,"advisories":[],"images":[null],"missing":[{"reference":"a","reason":"b"}]}`,
		"an empty image":          `{"schemaVersion":2,"advisories":[],"images":[{}],"missing":[{"reference":"a","reason":"b"}]}`,
		"no digest":               change(`"digest":"sha256:`+strings.Repeat("a", 64)+`"`, `"digest":""`),
		"no reference":            change(`"asked":"app:1"`, `"asked":""`),
		"no source":               change(`"source":"registry"`, `"source":""`),
		"a wrong type":            change(`"findings":[`, `"findings":"x","packages":[`),
		"nested without end":      `{"schemaVersion":2,"images":` + strings.Repeat("[", 100_000),
		"no image":                `{"schemaVersion":2,"advisories":[],"images":[]}`,
		"a duplicate in a label":  change(`"A":"1"`, `"A":"1","A":"2"`),
		"a duplicate in advisory": change(`"id":"CVE-2020-1"`, `"id":"CVE-2020-1","id":"CVE-2020-2"`),
		"half a character":        change(`"A":"1"`, `"A":"\ud800"`),
		"text that is not UTF-8":  change(`"A":"1"`, "\"A\":\"\xff\""),
		"an impossible day":       change(`2026-01-02T03:04:05`, `2026-02-30T03:04:05`),
	}
	for n := range len(good) - 1 {
		files["cut after "+good[:n]] = good[:n]
	}
	for name, text := range files {
		_, _, err := read(saved.NewReader(), text)
		if _, ok := errors.AsType[*strictjson.Error](err); !ok {
			t.Errorf("%s: error = %v, want one with a place", name, err)
		}
	}
}

// fileWith is a file with two advisories and, in one image of two, one finding.
func fileWith(finding string) string {
	return `{"schemaVersion":2,"advisories":[{"id":"CVE-1","severity":"high"},{"id":"CVE-2","severity":"low"}],"images":[` +
		`{"schemaVersion":1,"reference":{"asked":"a","source":"registry","name":"a"},"digest":"sha256:a","platform":"x","platforms":["x"],"scan":{"engine":"e","need":2,` +
		`"packages":[{"name":"p","version":"1","type":"t","class":"c"},{"name":"q","version":"1","type":"t","class":"c"}],"coverage":{"gaps":[],"unattributedCount":0,"executables":0},` +
		`"findings":[` + finding + `]}},` +
		`{"schemaVersion":1,"reference":{"asked":"b","source":"registry","name":"b"},"digest":"sha256:b","platform":"x","platforms":["x"]}]}`
}

func TestFindingsPointAtTheAdvisories(t *testing.T) {
	images, _, err := read(saved.NewReader(), fileWith(`{"advisory":1,"packageAt":1,"status":"fixed","fixedVersion":"2"},{"advisory":0,"package":{"name":"r","version":"","type":"","class":""}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []evidence.Finding{
		{Advisory: &evidence.Advisory{ID: "CVE-2", Severity: "low"}, Status: "fixed", FixedVersion: "2", Package: &evidence.Package{Name: "q", Version: "1", Type: "t", Class: "c"}},
		{Advisory: &evidence.Advisory{ID: "CVE-1", Severity: "high"}, Package: &evidence.Package{Name: "r"}},
	}
	if diff := cmp.Diff(want, images[0].Scan.Findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// A finding without its advisory or package is an error, and never an empty one.
func TestDanglingReferencesAreErrors(t *testing.T) {
	good := fileWith(`{"advisory":0,"packageAt":0}`)
	if _, _, err := read(saved.NewReader(), good); err != nil {
		t.Fatal(err)
	}
	advisories := good[strings.Index(good, `"advisories"`):strings.Index(good, `"images"`)]
	for name, text := range map[string]string{
		"advisory too large":          fileWith(`{"advisory":2,"packageAt":0}`),
		"advisory negative":           fileWith(`{"advisory":-1,"packageAt":0}`),
		"no advisory":                 fileWith(`{"packageAt":0}`),
		"null advisory":               fileWith(`{"advisory":null,"packageAt":0}`),
		"null finding":                fileWith(`null`),
		"empty finding":               fileWith(`{}`),
		"package too large":           fileWith(`{"advisory":0,"packageAt":2}`),
		"package negative":            fileWith(`{"advisory":0,"packageAt":-1}`),
		"no package":                  fileWith(`{"advisory":0}`),
		"two packages":                fileWith(`{"advisory":0,"packageAt":0,"package":{"name":"r","version":"","type":"","class":""}}`),
		"own text":                    fileWith(`{"advisory":0,"packageAt":0,"title":"x"}`),
		"own severity":                fileWith(`{"advisory":0,"packageAt":0,"severity":"low"}`),
		"status of the advisory":      strings.Replace(good, `"severity":"high"`, `"severity":"high","status":"fixed"`, 1),
		"package of the advisory":     strings.Replace(good, `"severity":"high"`, `"severity":"high","package":null`, 1),
		"empty package in advisory":   strings.Replace(good, `"severity":"high"`, `"severity":"high","package":{}`, 1),
		"version of the advisory":     strings.Replace(good, `"severity":"high"`, `"severity":"high","fixedVersion":"1"`, 1),
		"advisories after the images": strings.Replace(good[:len(good)-1], advisories, "", 1) + "," + strings.TrimSuffix(advisories, ",") + "}",
		"no advisories":               strings.Replace(good, advisories, "", 1),
		"null advisories":             strings.Replace(good, advisories, `"advisories":null,`, 1),
		"null in advisories":          strings.Replace(good, `{"id":"CVE-1","severity":"high"}`, `null`, 1),
		"another image's package":     strings.Replace(good, `"platforms":["x"]}]}`, `"platforms":["x"],"scan":{"engine":"e","need":2,"coverage":{"gaps":[],"unattributedCount":0,"executables":0},"findings":[{"advisory":0,"packageAt":0}]}}]}`, 1),
	} {
		if text == good {
			t.Fatalf("%s: not changed", name)
		}
		if images, _, err := read(saved.NewReader(), text); err == nil {
			t.Errorf("%s: accepted as %+v", name, images[0].Scan)
		}
	}
}

// One reader for many files: an error in one does not affect the next, and
// nothing of one file is taken for the next one's.
func TestReaderForgetsTheFileBefore(t *testing.T) {
	r := saved.NewReader()
	good := fileWith(`{"advisory":1,"packageAt":1}`)
	want, _, err := read(r, good)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(good, `"severity":"low"`, `"severity":"medium"`, 1)
	if got, _, err := read(r, other); err != nil || got[0].Scan.Findings[0].Severity != "medium" {
		t.Errorf("read %+v, %v", got, err)
	}
	for _, bad := range []string{
		strings.Replace(good, `"advisories":[{"id":"CVE-1","severity":"high"},{"id":"CVE-2","severity":"low"}],`, "", 1),
		good[:len(good)/2],
		strings.Replace(good, `"severity":"low"`, `"severity":5`, 1),
	} {
		if _, _, err := read(r, bad); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
	got, _, err := read(r, good)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after errors (-want +got):\n%s", diff)
	}
}

// The caller can end the reading.
func TestReadEndsWithTheErrorOfVisit(t *testing.T) {
	enough := errors.New("enough")
	seen := 0
	_, err := saved.NewReader().Read(strings.NewReader(fileWith("")), func(*evidence.Image) error {
		seen++
		return enough
	})
	if !errors.Is(err, enough) || seen != 1 {
		t.Errorf("%v after %d images", err, seen)
	}
}

// What can be read says the same when it is written and read again.
func FuzzRead(f *testing.F) {
	f.Add(write(f, []evidence.Image{fullImage(), fullImage()}, "gone:1"))
	f.Add(fileWith(`{"advisory":1,"packageAt":1}`))
	f.Add(`{"schemaVersion":2,"images":[],"missing":[{"reference":"a","reason":"b"}]}`)
	f.Add(`{"schemaVersion":2,"images":[{"schemaVersion":1}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		images, missing, err := read(saved.NewReader(), text)
		if err != nil {
			return
		}
		again := write(t, images)
		if len(missing) > 0 {
			again = strings.TrimSuffix(again, "}\n") + `,"missing":` + marshal(t, missing) + "}"
		}
		images2, missing2, err := read(saved.NewReader(), again)
		if err != nil {
			t.Fatalf("cannot read what was written: %v\n%s", err, again)
		}
		if diff := cmp.Diff(images, images2, cmpopts.EquateEmpty()) + cmp.Diff(missing, missing2); diff != "" {
			t.Errorf("changed by writing and reading:\n%s", diff)
		}
	})
}

func marshal(t *testing.T, v any) string {
	b, err := strictjson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// VEX documents are written once for all images, and each image names its own.
func TestVEXDocumentsAreSavedOnce(t *testing.T) {
	one := evidence.VEXDocument{Path: "a.json", SHA256: strings.Repeat("a", 64), Content: "{\"a\": \"\u2028<\"}\n", Signers: []evidence.Signer{{Key: "sha256:1"}}}
	two := evidence.VEXDocument{Path: "b.json", SHA256: strings.Repeat("b", 64), Content: "{}"}
	images := []evidence.Image{fullImage(), fullImage(), fullImage(), fullImage()}
	images[0].VEX, images[1].VEX, images[3].VEX = []evidence.VEXDocument{one, two}, []evidence.VEXDocument{two}, []evidence.VEXDocument{one, two}
	file := write(t, images)
	if n := strings.Count(file, `"a.json"`); n != 1 {
		t.Errorf("a document was written %d times", n)
	}
	got, _, err := read(saved.NewReader(), file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(images, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, change := range map[string][2]string{
		"no such document": {`"vex":[0,1]`, `"vex":[0,2]`},
		"before the first": {`"vex":[0,1]`, `"vex":[-1,1]`},
		"no content":       {`"content":"{}"`, `"content":""`},
		"an unknown key":   {`"content":"{}"`, `"content":"{}","until":"2027"`},
	} {
		if _, _, err := read(saved.NewReader(), strings.Replace(file, change[0], change[1], 1)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
