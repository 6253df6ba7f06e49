package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/disguise"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/gatetest/sampletest"
	"github.com/imagegate/imagegate/gate/gatetest/shapes"
)

// TestShapes judges images in the shapes that people ship, all in one run for
// each policy. It counts three kinds of errors: images that are refused wrongly,
// images that pass wrongly, and images that are refused in the wrong way. It also
// counts how often four teams would have had to touch a policy in a week.
func TestShapes(t *testing.T) {
	all := shapes.All()
	s := newShapeRun(t, all)
	team := filepath.Join(t.TempDir(), "team.yaml")
	if err := os.WriteFile(team, []byte(shapes.TeamPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	refused, passed, otherwise, builds, touched := 0, 0, 0, 0, 0
	for _, policy := range []string{"built-in", "team"} {
		var args []string
		if policy == "team" {
			args = []string{"-p", team}
		}
		results := s.judge(args...)
		for _, shape := range all {
			want, got := shape.Team, results[shape.Name]
			if policy == "built-in" {
				want = shape.BuiltIn
			}
			if strings.HasPrefix(shape.Name, "days-") && !shape.Attack {
				builds++
				if got.verdict != string(shapes.Pass) {
					touched++
				}
			}
			if got.verdict == string(want) && got.names(shape.Names) && !slices.ContainsFunc(shape.Omits, func(text string) bool { return strings.Contains(got.text, text) }) {
				continue
			}
			switch {
			case want == shapes.Pass:
				refused++
			case got.verdict == string(shapes.Pass):
				passed++
			default:
				otherwise++
			}
			t.Errorf("%s, %s policy: %s, want %s (naming %q) because %s\n%s", shape.Name, policy, got.verdict, want, shape.Names, shape.Why, got.text)
		}
	}
	t.Logf("%d builds of four teams in a week: a policy would have had to be touched %d times", builds/2, touched)
	t.Logf("%d shapes under 2 policies: %d refused wrongly, %d passed wrongly, %d wrong otherwise", len(all), refused, passed, otherwise)
}

// Every shape has a name of its own, a reason, and each family an attack.
func TestShapesAreComplete(t *testing.T) {
	all := shapes.All()
	ordinary, attacks := map[string]int{}, map[string]int{}
	seen := map[string]bool{}
	for _, s := range all {
		family, _, _ := strings.Cut(s.Name, "-")
		if s.Attack {
			attacks[family]++
		} else {
			ordinary[family]++
		}
		if seen[s.Name] || s.Why == "" || s.Image == nil {
			t.Errorf("shape %q is there twice or lacks something", s.Name)
		}
		seen[s.Name] = true
		if s.Attack && (s.BuiltIn == shapes.Pass || s.BuiltIn == "") {
			t.Errorf("%s is an attack that passes", s.Name)
		}
	}
	for _, family := range []string{"owned", "key", "npm", "vendor", "apk", "scratch", "conda", "hardlink", "chainguard", "history", "secret", "message", "jar", "metadata", "form", "example", "zipped", "compiler", "release", "manager", "days", "language", "builder", "cleaned", "fixture"} {
		if ordinary[family] < 3 || attacks[family] < 1 {
			t.Errorf("%s has %d ordinary images and %d attacks, want 3 and 1", family, ordinary[family], attacks[family])
		}
	}
}

// What an image says about itself never improves a verdict: neither vendors nor
// lists of files, bills of materials, repository lines. Every claim is added to
// every image that must not pass.
func TestClaimsImproveNothing(t *testing.T) {
	all := shapes.All()
	samples := sampletest.Samples()
	var bad []shapes.Shape
	for _, s := range samples {
		if !s.Clean() {
			bad = append(bad, shapes.Shape{Name: s.Name, Image: s.Image})
		}
	}
	for _, s := range all {
		// A deleted database is written again by a claim inside it, which is a
		// cure and no claim.
		if (s.Attack || s.BuiltIn == shapes.Fail) && s.Team != shapes.Pass {
			bad = append(bad, s)
		}
	}
	var claiming []shapes.Shape
	for i, s := range bad {
		for _, claim := range disguise.Claims() {
			img, ok, err := claim.Apply(s.Image, rand.New(rand.NewPCG(uint64(i), 1)))
			if err != nil {
				t.Fatalf("%s of %s: %v", claim.Name, s.Name, err)
			}
			if ok {
				claiming = append(claiming, shapes.Shape{Name: s.Name + "-" + claim.Name, Image: img})
			}
		}
	}
	if len(claiming) < 5*len(bad) {
		t.Errorf("only %d claims apply to %d images", len(claiming), len(bad))
	}
	for name, got := range newShapeRun(t, claiming).judge() {
		if got.verdict != string(shapes.Fail) && got.verdict != string(shapes.NoVerdict) {
			t.Errorf("%s: %s\n%s", name, got.verdict, got.text)
		}
	}
}

type shapeRun struct {
	t    *testing.T
	dir  string
	refs map[string]string // reference to name
	args []string
}

// newShapeRun pushes the images to a registry on loopback.
func newShapeRun(t *testing.T, all []shapes.Shape) *shapeRun {
	t.Helper()
	reg := registrytest.Registry(t)
	s := &shapeRun{t: t, dir: t.TempDir(), refs: map[string]string{}}
	cache := dbtest.Database(t, dbtest.DBOptions{DownloadedAt: time.Now(), Extra: shapes.Advisories()})
	s.args = []string{"check", "--ci", "none", "--offline", "--cache-dir", cache, "--tmp-dir", s.dir, "--quiet", "-o", "json"}
	for _, shape := range all {
		ref := reg.MustPush(t, shape.Image, "shapes/"+shape.Name+":1.0.0")
		s.refs[ref.Tagged] = shape.Name
	}
	return s
}

// shapeResult is the verdict on one image, with everything the report says.
type shapeResult struct {
	verdict, text string
	found         map[string]bool // "id package version" of every finding
}

func (r shapeResult) names(texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(r.text, text) {
			return false
		}
	}
	return true
}

// judge judges every image in one run.
func (s *shapeRun) judge(args ...string) map[string]shapeResult {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Minute)
	defer cancel()
	argv := append(s.args[:len(s.args):len(s.args)], args...)
	for ref := range s.refs {
		argv = append(argv, ref)
	}
	cmd := exec.CommandContext(ctx, "imagegate", argv...)
	cmd.Dir = s.dir
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	var report struct{ Results []json.RawMessage }
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		s.t.Fatalf("no report: %v\n%s%s", err, out.Bytes(), stderr.Bytes())
	}
	if len(report.Results) != len(s.refs) {
		s.t.Fatalf("%d results for %d images\n%s", len(report.Results), len(s.refs), stderr.Bytes())
	}
	results := map[string]shapeResult{}
	for _, raw := range report.Results {
		results[s.refs[reference(s.t, raw)]] = s.result(raw)
	}
	return results
}

func reference(t *testing.T, raw []byte) string {
	t.Helper()
	var r struct{ Reference string }
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r.Reference
}

// result takes from a report what a reader of a refusal looks at.
func (s *shapeRun) result(raw []byte) shapeResult {
	s.t.Helper()
	var r struct {
		Verdict  string
		Error    json.RawMessage
		Rules    []struct{ Rule, Result, Message string }
		Coverage struct{ Gaps json.RawMessage }
		Findings []struct {
			ID, Class, Severity string
			Package             struct{ Name, Version, Path string }
		}
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	for name, value := range map[string]json.RawMessage{"error": r.Error, "gaps": r.Coverage.Gaps} {
		b.WriteString("  " + name + " ")
		var line bytes.Buffer
		if json.Compact(&line, value) == nil {
			b.Write(line.Bytes())
		}
		b.WriteString("\n")
	}
	for _, rule := range r.Rules {
		if rule.Result != "pass" && rule.Result != "off" {
			b.WriteString("  " + rule.Rule + " " + rule.Result + ": " + rule.Message + "\n")
		}
	}
	found := map[string]bool{}
	for i, f := range r.Findings {
		found[f.ID+" "+f.Package.Name+" "+f.Package.Version] = true
		if i < 5 {
			b.WriteString("  " + strings.Join([]string{f.ID, f.Severity, f.Class, f.Package.Name, f.Package.Version, f.Package.Path}, " ") + "\n")
		}
	}
	return shapeResult{r.Verdict, b.String(), found}
}
