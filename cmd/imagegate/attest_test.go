package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// judgedFor is the result for one platform of an index of the platforms a and b.
func judgedFor(platform string, d policy.Decision) gate.Result {
	r := gate.Result{
		Ref: "registry.example.no/app:1", Verdict: policy.Verdict{Decision: d},
		Evidence: &evidence.Image{
			Reference: evidence.Reference{Asked: "registry.example.no/app:1", Source: evidence.SourceRegistry, Name: "registry.example.no/app"},
			Digest:    "sha256:" + platform, IndexDigest: "sha256:index", Platform: platform, Platforms: []string{"a", "b"},
		},
	}
	if d == policy.Undecided {
		r.Err = errors.New("no verdict")
	}
	return r
}

// A decision about an index says what all its platforms came to. It passes only if
// all of them were judged and passed.
func TestSubjects(t *testing.T) {
	alone := judgedFor("a", policy.Passed)
	alone.Evidence.IndexDigest, alone.Evidence.Platforms = "", []string{"a"}
	elsewhere := judgedFor("b", policy.Denied)
	elsewhere.Evidence.Reference.Name = "registry.example.no/other"
	for name, c := range map[string]struct {
		results []gate.Result
		want    []string
	}{
		"all pass":                      {[]gate.Result{judgedFor("a", policy.Passed), judgedFor("b", policy.Passed)}, []string{"a PASSED", "b PASSED", "index PASSED"}},
		"one fails":                     {[]gate.Result{judgedFor("a", policy.Passed), judgedFor("b", policy.Denied)}, []string{"a PASSED", "b FAILED", "index FAILED"}},
		"one was not judged":            {[]gate.Result{judgedFor("a", policy.Passed)}, []string{"a PASSED"}},
		"one has no verdict":            {[]gate.Result{judgedFor("a", policy.Passed), judgedFor("b", policy.Undecided)}, []string{"a PASSED"}},
		"one fails, one has no verdict": {[]gate.Result{judgedFor("b", policy.Undecided), judgedFor("a", policy.Denied)}, []string{"a FAILED", "index FAILED"}},
		"one fails, one was not judged": {[]gate.Result{judgedFor("a", policy.Denied)}, []string{"a FAILED", "index FAILED"}},
		"twice the same":                {[]gate.Result{judgedFor("a", policy.Passed), judgedFor("b", policy.Passed), judgedFor("a", policy.Passed)}, []string{"a PASSED", "b PASSED", "index PASSED"}},
		"no index":                      {[]gate.Result{alone}, []string{"a PASSED"}},
		"another repository's platform": {[]gate.Result{judgedFor("a", policy.Passed), elsewhere}, []string{"a PASSED", "b FAILED", "index FAILED"}},
		"nothing":                       {[]gate.Result{{Ref: "gone:1", Err: errors.New("404")}}, nil},
	} {
		subjects, err := subjectsOf(c.results)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range subjects {
			got = append(got, strings.TrimPrefix(s.digest, "sha256:")+" "+s.result)
		}
		slices.Sort(got)
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	archive := judgedFor("a", policy.Passed)
	archive.Evidence.Digest, archive.Evidence.ImageID = "", "sha256:id"
	if _, err := subjectsOf([]gate.Result{archive}); err == nil || !strings.Contains(err.Error(), "push it to a registry") {
		t.Errorf("an image without digest: %v", err)
	}
}

// An image that fails by its name alone does not take back what was said about its
// bytes.
func TestFailuresByName(t *testing.T) {
	fails := func(platform string, rules ...string) gate.Result {
		r := judgedFor(platform, policy.Denied)
		for _, rule := range rules {
			r.Verdict.Rules = append(r.Verdict.Rules, policy.RuleResult{Rule: rule, Result: policy.ResultFail})
		}
		return r
	}
	for name, c := range map[string]struct {
		results []gate.Result
		want    map[string]bool // by digest
	}{
		"the name alone":           {[]gate.Result{fails("a", "reference.pin")}, map[string]bool{"a": true, "index": true}},
		"the name and the image":   {[]gate.Result{fails("a", "reference.pin", "config.user")}, map[string]bool{"a": false, "index": false}},
		"the image":                {[]gate.Result{fails("a", "config.user")}, map[string]bool{"a": false, "index": false}},
		"no rule":                  {[]gate.Result{fails("a")}, map[string]bool{"a": false, "index": false}},
		"the name of one":          {[]gate.Result{fails("a", "reference.pin"), fails("b", "config.user")}, map[string]bool{"a": true, "b": false, "index": false}},
		"the name of the other":    {[]gate.Result{fails("a", "config.user"), fails("b", "reference.pin")}, map[string]bool{"a": false, "b": true, "index": false}},
		"the name, one passes":     {[]gate.Result{judgedFor("a", policy.Passed), fails("b", "reference.pin")}, map[string]bool{"a": false, "b": true, "index": true}},
		"the names of all of them": {[]gate.Result{fails("a", "reference.pin"), fails("b", "reference.pin")}, map[string]bool{"a": true, "b": true, "index": true}},
	} {
		subjects, err := subjectsOf(c.results)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range subjects {
			if want := c.want[strings.TrimPrefix(s.digest, "sha256:")]; s.named != want {
				t.Errorf("%s: %s named = %v, want %v", name, s.digest, s.named, want)
			}
		}
	}
}

// A statement says by which policy, with which database, and from which evidence. A
// base that the policy does not name by its hash could have been another one.
func TestStatementNamesItsInputs(t *testing.T) {
	r := judgedFor("a", policy.Passed)
	r.Evidence.Scan = &evidence.Scan{Database: &evidence.Database{Source: "ghcr.io/db", Digest: "sha256:db"},
		Exploited: &evidence.Exploited{KEV: &evidence.Feed{Source: "kev.json", SHA256: "kev"}, EPSS: &evidence.Feed{Source: "epss.csv", SHA256: "epss"}}}
	run := &gate.Run{
		Tool: "imagegate 1.2.3", Engine: "trivy 0.74.0", Started: time.Now(), Results: []gate.Result{r},
		Policy: gate.PolicySource{Path: "p.yaml", Digest: "sha256:all", Parts: []policy.Part{
			{Name: "base.yaml", SHA256: "base", Pinned: true}, {Name: "loose.yaml", SHA256: "loose"}, {Name: "p.yaml", SHA256: "top"},
		}},
	}
	a := &attester{input: []prove.Resource{{Name: "saved evidence", Digest: map[string]string{"sha256": "file"}}}}
	inputs, err := a.inputs(run)
	if err != nil {
		t.Fatal(err)
	}
	subjects, err := subjectsOf(run.Results)
	if err != nil {
		t.Fatal(err)
	}
	st, err := statement(run, subjects[0], "registry.example.no/prod/app", defaultVerifier, inputs)
	if err != nil {
		t.Fatal(err)
	}
	v, err := st.Summary()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range v.InputAttestations {
		got = append(got, i.Name+" "+i.Digest["sha256"])
	}
	want := "[saved evidence file policy base policy top advisory database db KEV catalogue kev EPSS scores epss]"
	if fmt.Sprint(got) != want || v.Policy.Digest["sha256"] != "all" || v.ResourceURI != "oci://registry.example.no/prod/app" || v.Party.Version["engine"] != "trivy 0.74.0" {
		t.Errorf("%v of %+v, want %s", got, v, want)
	}
}
