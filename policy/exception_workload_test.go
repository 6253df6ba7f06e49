package policy

import (
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// An exception for a rule about workloads names a workload, and all others name
// images.
func TestWorkloadExceptionsAreNarrow(t *testing.T) {
	const account = ", reason: x, owner: x, expires: 2026-07-01}\n"
	for keys, want := range map[string]string{
		"rule: workload.starts, workload: shop/Deployment/web":                         "",
		"rule: workload.starts, workload: shop/Deployment/web/sidecar":                 "",
		"rule: workload.starts, workload: Deployment/web":                              "",
		"rule: workload.starts, workload: Pod/migrate-":                                "",
		"rule: workload.starts, workload: service/web":                                 "",
		"rule: workload.starts":                                                        "has no \"workload\"",
		"rule: workload.starts, images: [registry.example.no/a]":                       "has no meaning beside rule: workload.starts",
		"rule: workload.starts, workload: \"*\"":                                       "which is no workload",
		"rule: workload.starts, workload: shop/Deployment/*":                           "which is no workload",
		"rule: workload.starts, workload: shop":                                        "which is no workload",
		"rule: workload.starts, workload: a/b/c":                                       "which is no workload",
		"rule: config.user, workload: shop/Deployment/web":                             "has no \"images\"",
		"rule: config.user, images: [registry.example.no/a], workload: Deployment/web": "has no meaning beside rule: config.user",
		"rule: workload.documents, workload: Deployment/web":                           "exception 1.rule",
		"id: CVE-2026-0001, workload: Deployment/web":                                  "has no meaning beside id",
	} {
		_, err := Parse("p", []byte("version: 1\nworkload: {starts: true}\nexceptions:\n- {"+keys+account))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", keys, err, want)
		}
	}
}

// What became of an exception for a workload is told of the documents, and not of
// every image.
func TestWorkloadExceptionsAreAccountedFor(t *testing.T) {
	const p = "version: 1\nworkload: {starts: true}\nexceptions:\n- {rule: workload.starts, workload: shop/Deployment/NAME, reason: x, owner: x, expires: DAY}\n"
	for name, tt := range map[string]struct {
		workload, day string
		decision      Decision
		status        ExceptionStatus
	}{
		"used":      {"web", "2026-07-01", Passed, ExceptionUsed},
		"elsewhere": {"other", "2026-07-01", Denied, ExceptionOutOfScope},
		"ended":     {"web", "2026-01-01", Denied, ExceptionExpired},
		"too long":  {"web", "2029-01-01", Denied, ExceptionRefused},
	} {
		parsed := mustParse(t, strings.NewReplacer("NAME", tt.workload, "DAY", tt.day).Replace(p)+"exception-limits: {max-days: 90}\n")
		r, img := goodRelease(), releaseImageOf()
		ofImage("", ptr(int64(0)), ptr(true))(r, img)
		v := parsed.EvaluateRelease(r, []*evidence.Image{img}, noon())
		if v.Decision != tt.decision || len(v.Exceptions) != 1 || v.Exceptions[0].Status != tt.status {
			t.Errorf("%s: %s, %+v", name, v.Decision, v.Exceptions)
		}
		if own := parsed.Evaluate(releaseImageOf(), noon()); len(own.Exceptions) != 0 {
			t.Errorf("%s: an image tells of the exception: %+v", name, own.Exceptions)
		}
	}
}

// Levels of rules about workloads are no matter of overrides, which are for images.
func TestWorkloadLevelsInOverrides(t *testing.T) {
	_, err := Parse("p", []byte("version: 1\nworkload: {starts: true}\noverrides: [{images: [registry.example.no/a], levels: {workload.starts: off}}]\n"))
	if err == nil || !strings.Contains(err.Error(), "is not about images") {
		t.Errorf("%v", err)
	}
	_, err = Parse("p", []byte("version: 1\noverrides: [{images: [registry.example.no/a], workload: {starts: false}}]\n"))
	if err == nil {
		t.Error("an override has keys about workloads")
	}
}

// The zero values are no verdict.
func TestReleaseZeroValues(t *testing.T) {
	p := mustParse(t, "version: 1\nworkload: {starts: true}\n")
	for name, v := range map[string]ReleaseVerdict{
		"no release":    p.EvaluateRelease(nil, nil, noon()),
		"an empty one":  p.EvaluateRelease(&evidence.Release{}, nil, noon()),
		"no policy":     (*Policy)(nil).EvaluateRelease(goodRelease(), nil, noon()),
		"a zero policy": new(Policy).EvaluateRelease(goodRelease(), nil, noon()),
		"no images":     p.EvaluateRelease(goodRelease(), nil, noon()),
		"a nil image":   p.EvaluateRelease(goodRelease(), []*evidence.Image{nil, {}}, noon()),
		"zero":          {},
	} {
		if v.Decision != Undecided {
			t.Errorf("%s: %s", name, v.Decision)
		}
	}
}
