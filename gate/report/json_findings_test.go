package report

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/evidencetest"
	"github.com/imagegate/imagegate/policy/evidence"
)

// The pieces that a report is made of give what encoding all of it at once gives,
// also for texts that look like the seams.
func TestFindingsAreMadeOfPieces(t *testing.T) {
	images := evidencetest.Evidence(20)
	s := images[3].Scan
	s.Findings[0].Package.Name = "\n        }"
	s.Findings[0].Title = "\n      \"findings\": ["
	s.Findings[1].Description = "::error::\x1b[31m\u2028 ##[group] }\n        },"
	s.OS.Release = "\n      \"findings\": ["
	s.Findings[2] = evidence.Finding{Advisory: &evidence.Advisory{ID: "CVE-2", Severity: evidence.SeverityHigh}}
	s.Findings[3] = evidence.Finding{Advisory: &evidence.Advisory{ID: "CVE-2", Severity: evidence.SeverityHigh, Title: "of another feed"}}
	s.Findings[4] = evidence.Finding{Advisory: &evidence.Advisory{ID: "CVE-2", Severity: evidence.SeverityHigh}}
	images[4].Scan.Findings = nil
	results := benchmarkGate(t).Judge(t.Context(), images)
	results = append(results, gate.Result{Ref: "gone:1"}, results[3])
	texts := &advisoryTexts{}
	for i := range results {
		pieces, err := texts.encodeResult(&results[i])
		if err != nil {
			t.Fatal(err)
		}
		out, findings := imageResult(&results[i])
		for _, f := range findings {
			info := findingInfo(&results[i], f)
			info.AdvisoryInfo = advisoryInfo(f.Finding)
			out.Findings = append(out.Findings, info)
		}
		want, err := encodeElement(out)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Join(pieces, nil); !bytes.Equal(got, want) {
			t.Errorf("%s (-want +got):\n%s", results[i].Ref, cmp.Diff(string(want), string(got)))
		}
	}
}

// A difference in any field of an advisory makes it another one.
func TestSameAdvisoryLooksAtEveryField(t *testing.T) {
	plain := &evidence.Advisory{}
	if !sameAdvisory(plain, &evidence.Advisory{}) {
		t.Error("equal advisories are not the same")
	}
	typ := reflect.TypeFor[evidence.Advisory]()
	for i := range typ.NumField() {
		name := typ.Field(i).Name
		if name == "ID" {
			continue // the key of the texts
		}
		other := &evidence.Advisory{}
		switch field := reflect.ValueOf(other).Elem().Field(i); field.Kind() {
		case reflect.String:
			field.SetString("x")
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		case reflect.Map:
			field.Set(reflect.MakeMap(field.Type()))
			field.SetMapIndex(reflect.ValueOf("x"), reflect.Zero(field.Type().Elem()))
		case reflect.Pointer:
			field.Set(reflect.ValueOf(new(time.Time)))
		default:
			t.Fatalf("no value for %s", name)
		}
		if sameAdvisory(plain, other) || sameAdvisory(other, plain) {
			t.Errorf("a difference in %s is overlooked", name)
		}
	}
}

// What is kept for other images is limited.
func TestAdvisoryTextsAreLimited(t *testing.T) {
	texts := &advisoryTexts{size: keptAdvisories - 1, texts: map[string]advisoryText{"CVE-0": {}}}
	if _, err := texts.text(&evidence.Finding{Advisory: &evidence.Advisory{ID: "CVE-1"}}); err != nil {
		t.Fatal(err)
	}
	if len(texts.texts) != 1 || texts.size > 1000 {
		t.Errorf("%d texts of %d bytes are kept", len(texts.texts), texts.size)
	}
}
