package gate

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// A run is excused by nothing but a finished promotion in an emergency.
func TestExcused(t *testing.T) {
	denied := []Result{{Verdict: policy.Verdict{Decision: policy.Denied}}}
	emergency := &Emergency{Reason: "down", By: "anna", Until: time.Now()}
	done, open := []PromotionTarget{{Done: true}}, []PromotionTarget{{Done: true}, {}}
	for name, c := range map[string]struct {
		run  Run
		want bool
	}{
		"promoted in an emergency": {Run{Results: denied, Promotion: &Promotion{Emergency: emergency, Targets: done}}, true},
		"without an emergency":     {Run{Results: denied, Promotion: &Promotion{Targets: done}}, false},
		"at one of two targets":    {Run{Results: denied, Promotion: &Promotion{Emergency: emergency, Targets: open}}, false},
		"at no target":             {Run{Results: denied, Promotion: &Promotion{Emergency: emergency}}, false},
		"a dry run":                {Run{Results: denied, Promotion: &Promotion{Emergency: emergency, Targets: done, DryRun: true}}, false},
		"no verdict":               {Run{Results: []Result{{}}, Promotion: &Promotion{Emergency: emergency, Targets: done}}, false},
		"no image":                 {Run{Promotion: &Promotion{Emergency: emergency, Targets: done}}, false},
		"no promotion":             {Run{Results: denied}, false},
	} {
		if got := c.run.Excused(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Only an error in an emergency leaves it unfinished: what a rule refuses is a
// denial.
func TestUnfinished(t *testing.T) {
	denied := []Result{{Verdict: policy.Verdict{Decision: policy.Denied}}}
	for name, c := range map[string]struct {
		run  Run
		want bool
	}{
		"an error":                        {Run{Results: denied, Promotion: &Promotion{Emergency: new(Emergency), Failed: true}}, true},
		"refused by a rule":               {Run{Results: denied, Promotion: &Promotion{Emergency: new(Emergency)}}, false},
		"an error without an emergency":   {Run{Results: denied, Promotion: &Promotion{Failed: true}}, false},
		"an error without a verdict":      {Run{Results: []Result{{}}, Promotion: &Promotion{Emergency: new(Emergency), Failed: true}}, false},
		"a denial and nothing to promote": {Run{Results: denied}, false},
	} {
		if got := c.run.Unfinished(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What is judged again keeps its name, its errors and what was not judged.
func TestRejudge(t *testing.T) {
	p, err := policy.Parse("p", []byte("version: 1\nextends: none\nconfig: {max-layers: 9}\npromote: {to: [\"r.no/prod/**\"]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	image := func(target string) *evidence.Image {
		return &evidence.Image{
			SchemaVersion: evidence.SchemaVersion, Digest: "sha256:" + strings.Repeat("a", 64), Platform: "linux/amd64", Platforms: []string{"linux/amd64"},
			Reference: evidence.Reference{Asked: "r.no/a:1", Name: "r.no/a", Source: evidence.SourceRegistry},
			Config:    &evidence.Config{Layers: []evidence.Layer{{}}}, Promotions: []evidence.Promotion{{Target: target}},
		}
	}
	g := &Gate{Policy: p}
	out := g.Rejudge(t.Context(), []Result{
		{Ref: "a:1", Evidence: image("r.no/prod/a"), Skipped: []evidence.Skipped{{Digest: "sha256:b"}}},
		{Ref: "a:1", Evidence: image("r.no/test/a")},
		{Ref: "b:1", Err: broken},
		{Ref: "c:1", Evidence: image("r.no/prod/a"), Err: broken},
	})
	if out[0].Ref != "a:1" || len(out[0].Skipped) != 1 || out[2].Err != broken || out[3].Err != broken {
		t.Errorf("%+v", out)
	}
	for i, want := range []policy.Decision{policy.Passed, policy.Denied, policy.Undecided, policy.Undecided} {
		if got := out[i].Decision(); got != want {
			t.Errorf("result %d: %s, want %s: %+v", i, got, want, out[i].Verdict)
		}
	}
}
