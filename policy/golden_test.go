package policy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// Each testdata/*.txtar holds policy.yaml, evidence.json and verdict.
// evidence.json holds only the differences from the good image of the other
// tests, and is decoded on top of that image. UPDATE=1 rewrites the verdicts;
// read the diff.
func TestGoldenVerdicts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 6 {
		t.Fatalf("golden files: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			img, src := goodImage(), DefaultSource()
			verdict := -1
			for i, f := range a.Files {
				switch f.Name {
				case "policy.yaml":
					src = f.Data
				case "evidence.json":
					if err := json.Unmarshal(f.Data, img); err != nil {
						t.Fatal(err)
					}
				case "verdict":
					verdict = i
				}
			}
			got := render(mustParse(t, string(src)).Evaluate(img, noon()))
			if update() {
				a.Files[verdict].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(a.Files[verdict].Data), got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

// render writes a verdict for people who review a diff.
func render(v Verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", v.Decision)
	for _, o := range v.Overrides {
		fmt.Fprintf(&b, "override %s\n", o.Position)
	}
	for _, r := range v.Rules {
		if r.Result == ResultOff {
			continue
		}
		fmt.Fprintf(&b, "%s %s: %s\n", r.Result, r.Rule, r.Message)
		for _, d := range r.Details {
			fmt.Fprintf(&b, "    - %s\n", d)
		}
		if r.Result != ResultPass {
			fmt.Fprintf(&b, "    allowed: %s\n    cure: %s\n    at: %s\n", r.Allowed, r.Cure, r.Position)
		}
	}
	for _, f := range v.Findings {
		fmt.Fprintf(&b, "finding %s %s %s: %s: %s\n", f.ID, f.Severity, f.Package.Name, f.Class, f.Reason)
	}
	for _, u := range v.Exceptions {
		fmt.Fprintf(&b, "exception %s %s: matches %d, %d days left, soon %v %s\n", u.Exception.ID, u.Status, u.Matches, u.DaysLeft, u.EndsSoon, u.Why)
	}
	return b.String()
}
