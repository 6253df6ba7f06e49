package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// strict asks about vulnerabilities, and about no other fact that these images
// have.
const strict = `version: 1
extends: none
vulnerabilities: {max: {critical: 0, high: 0, medium: 0, low: 0, unknown: 0}}
`

func parse(t testing.TB, src string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func pkg(kind, purl, name, version string) evidence.Package {
	class := evidence.ClassLanguage
	if slices.Contains([]string{"debian", "alpine", "rocky"}, kind) {
		class = evidence.ClassOS
	}
	return evidence.Package{Name: name, Version: version, Type: kind, Class: class, PURL: fmt.Sprintf("pkg:%s/%s@%s", purl, name, version)}
}

func finding(id string, p evidence.Package, fixed string) evidence.Finding {
	return evidence.Finding{Advisory: &evidence.Advisory{ID: id, Severity: evidence.SeverityHigh}, Package: &p, FixedVersion: fixed}
}

// image is an image with these findings. It meets every other rule of the
// policies.
func image(findings ...evidence.Finding) *evidence.Image {
	updated := now.Add(-time.Hour)
	img := &evidence.Image{
		SchemaVersion: evidence.SchemaVersion,
		Reference:     evidence.Reference{Asked: "registry.example.no/app:1.0.0", Source: evidence.SourceRegistry, Name: "registry.example.no/app", Registry: "registry.example.no", Repository: "app", Tag: "1.0.0"},
		Digest:        "sha256:" + strings.Repeat("a", 64), Platform: "linux/amd64", Platforms: []string{"linux/amd64"},
		Config: &evidence.Config{User: "65532", Layers: []evidence.Layer{{DiffID: "base", Base: true}, {DiffID: "own", CreatedBy: "RUN npm ci"}}},
		Scan: &evidence.Scan{
			Engine: "trivy", Need: ^evidence.Need(0), OS: &evidence.OS{Family: "debian", Release: "12"},
			User:     &evidence.User{Spec: "65532", UID: new(int64(65532)), Numeric: true},
			Database: &evidence.Database{Version: 2, UpdatedAt: updated}, Findings: findings,
			JavaDatabase: &evidence.Database{Version: 1, UpdatedAt: updated},
			Coverage:     evidence.Coverage{Gaps: []evidence.Gap{}},
		},
	}
	for _, f := range findings {
		if !slices.Contains(img.Scan.Packages, *f.Package) {
			img.Scan.Packages = append(img.Scan.Packages, *f.Package)
		}
	}
	return img
}

func TestVersions(t *testing.T) {
	tests := []struct {
		name, ecosystem, from string
		fixes                 []string // of one finding each
		want                  string   // "" for no step
		cleared               int
	}{
		{"one fix", "npm", "2.0.2", []string{"2.1.0"}, "2.1.0", 1},
		{"the largest of several", "npm", "2.0.2", []string{"2.1.0", "2.2.0", "2.0.3", "2.2.0"}, "2.2.0", 4},
		{"the branch of the installed version", "npm", "2.5.0", []string{"3.1.1, 2.6.7"}, "2.6.7", 1},
		{"no downgrade", "npm", "3.0.0", []string{"3.1.1, 2.6.7"}, "3.1.1", 1},
		{"a version between the branches is not fixed", "npm", "2.5.0", []string{"3.1.1, 2.6.7", "3.0.0"}, "3.1.1", 2},
		{"branches within a major version", "golang", "v1.21.1", []string{"1.21.11, 1.22.4", "1.21.9, 1.22.2"}, "1.21.11", 2},
		{"one finding needs the next branch", "golang", "v1.21.1", []string{"1.21.11, 1.22.4", "1.22.1"}, "1.22.4", 2},
		{"a finding without a fix does not stop the others", "deb", "1.0-1", []string{"", "1.0-2"}, "1.0-2", 1},
		{"no fix", "deb", "1.0-1", []string{"", ""}, "", 0},
		{"only older fixes", "npm", "3.0.0", []string{"2.6.7"}, "", 0},
		{"epochs", "deb", "1:1.0-1", []string{"1:1.0-1+deb12u2", "1:1.0-1+deb12u10"}, "1:1.0-1+deb12u10", 2},
		{"releases of a distribution", "rpm", "3.0.7-1.el9", []string{"3.0.7-25.el9_3", "3.0.7-9.el9"}, "3.0.7-25.el9_3", 2},
		{"qualifiers of Maven", "maven", "31.0-jre", []string{"32.0.0-android", "31.1-jre"}, "32.0.0-android", 2},
		{"ranges of npm", "npm", "4.17.4", []string{">=4.17.11", "4.17.12"}, "4.17.12", 2},
		{"ranges of RubyGems", "gem", "5.2.3", []string{"~> 5.2.4, >= 5.2.4.3", ">= 6.0.3.1, ~> 5.2.4.3"}, "5.2.4.3", 2},
		{"a version that cannot be compared is a fix all the same", "npm", "weird", []string{"2.0.0"}, "2.0.0", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := pkg("node-pkg", tt.ecosystem, "p", tt.from)
			var findings []evidence.Finding
			for i, fixed := range tt.fixes {
				findings = append(findings, finding(fmt.Sprintf("CVE-2026-%04d", i), p, fixed))
			}
			plan := For(parse(t, strict), image(findings...), now)
			if tt.want == "" {
				if len(plan.Steps) != 0 || len(plan.Unfixed) != len(tt.fixes) {
					t.Fatalf("plan %+v", plan)
				}
				return
			}
			if len(plan.Steps) != 1 || plan.Steps[0].To != tt.want || len(plan.Steps[0].Clears) != tt.cleared {
				t.Fatalf("steps %+v, want %s clearing %d", plan.Steps, tt.want, tt.cleared)
			}
			if len(plan.Unfixed) != len(tt.fixes)-tt.cleared {
				t.Errorf("unfixed %+v", plan.Unfixed)
			}
			if passes := plan.Decision == policy.Passed; passes != (tt.cleared == len(tt.fixes)) {
				t.Errorf("decision %v, left %+v", plan.Decision, plan.Left)
			}
		})
	}
}

func TestCommands(t *testing.T) {
	tests := []struct {
		p             evidence.Package
		fixed         string
		command, word string
	}{
		{pkg("debian", "deb/debian", "libssl3", "3.0.1"), "3.0.2", "apt-get update && apt-get install --yes --only-upgrade libssl3", "or newer"},
		{pkg("alpine", "apk/alpine", "openssl", "3.1.0-r0"), "3.1.4-r5", "apk add --no-cache 'openssl>=3.1.4-r5'", "or newer"},
		{pkg("rocky", "rpm/rocky", "openssl-libs", "3.0.7-1.el9"), "3.0.7-25.el9", "dnf upgrade -y openssl-libs", "or newer"},
		{pkg("node-pkg", "npm", "@acme/multer", "2.0.2"), "2.2.0", "npm install @acme/multer@2.2.0", "overrides"},
		{pkg("python-pkg", "pypi", "requests", "2.0"), "2.31.0", "pip install --upgrade 'requests>=2.31.0'", "requests >= 2.31.0"},
		{pkg("gobinary", "golang", "github.com/jackc/pgx/v5", "v5.5.3"), "5.9.2", "go get github.com/jackc/pgx/v5@v5.9.2", "build"},
		{pkg("gobinary", "golang", "stdlib", "v1.21.1"), "1.21.11", "", "Go 1.21.11"},
		{pkg("jar", "maven", "org.apache.logging.log4j:log4j-core", "2.14.1"), "2.17.1", "", "org.apache.logging.log4j:log4j-core:2.17.1"},
		{pkg("gemspec", "gem", "rack", "2.0.0"), "2.2.8", "gem install rack --version 2.2.8", "Gemfile"},
		{pkg("composer-vendor", "composer", "twig/twig", "v3.0.0"), "3.14.0", "composer require twig/twig:^3.14.0", "twig/twig"},
		{pkg("rustbinary", "cargo", "time", "0.1.0"), "0.2.23", "cargo update --package time --precise 0.2.23", "build"},
		{pkg("dotnet-core", "nuget", "Newtonsoft.Json", "12.0.1"), "13.0.1", "dotnet add package Newtonsoft.Json --version 13.0.1", "13.0.1"},
		// Text of an image never becomes a command.
		{pkg("node-pkg", "npm", "x; rm -rf /", "1.0.0"), "2.0.0", "", "x; rm -rf /"},
		{pkg("python-pkg", "pypi", "x'$(id)'", "1.0"), "2.0", "", "upgrade"},
		{pkg("debian", "deb/debian", "--force-yes", "1.0"), "2.0", "", "upgrade"},
		{pkg("node-pkg", "npm", "x", "1.0.0"), "2.0.0`id`", "", "upgrade"},
	}
	for _, tt := range tests {
		plan := For(parse(t, strict), image(finding("CVE-2026-0001", tt.p, tt.fixed)), now)
		if len(plan.Steps) != 1 {
			t.Errorf("%s: %+v", tt.p.Name, plan)
			continue
		}
		if s := plan.Steps[0]; s.Command != tt.command || !strings.Contains(s.Advice, tt.word) {
			t.Errorf("%s: %q, %q", tt.p.Name, s.Command, s.Advice)
		}
	}
}

// pip and npm do not touch what the distribution's package manager has installed.
func TestAdviceForPackagesOfTheDistribution(t *testing.T) {
	for path, want := range map[string][2]string{
		"usr/lib/python3/dist-packages/urllib3-1.26.12.egg-info/PKG-INFO":     {"", "update the distribution's package"},
		"/usr/share/nodejs/lodash/package.json":                               {"", "update the distribution's package"},
		"usr/lib/python3.9/site-packages/urllib3-1.26.12.dist-info/METADATA":  {"pip install", "update its package instead"},
		"usr/local/lib/python3.9/site-packages/urllib3.dist-info/METADATA":    {"pip install", "require urllib3 >= 2.0"},
		"app/usr/lib/python3/dist-packages/urllib3-1.26.12.egg-info/PKG-INFO": {"pip install", "require urllib3 >= 2.0"},
		"": {"pip install", "require urllib3 >= 2.0"},
	} {
		p := pkg("python-pkg", "pypi", "urllib3", "1.26.12")
		p.Path = path
		plan := For(parse(t, strict), image(finding("CVE-2026-0001", p, "2.0")), now)
		if len(plan.Steps) != 1 {
			t.Fatalf("%s: %+v", path, plan)
		}
		s := plan.Steps[0]
		if (s.Command == "") != (want[0] == "") || !strings.HasPrefix(s.Command, want[0]) || !strings.Contains(s.Advice, want[1]) {
			t.Errorf("%s: %q, %q", path, s.Command, s.Advice)
		}
	}
}

func TestOrderAndOrigin(t *testing.T) {
	lib := pkg("debian", "deb/debian", "libssl3", "3.0.1")
	lib.SourceName, lib.Layer = "openssl", "base"
	tool := pkg("debian", "deb/debian", "openssl", "3.0.1")
	tool.SourceName, tool.Layer = "openssl", "base"
	app := pkg("node-pkg", "npm", "multer", "2.0.2")
	app.Layer = "own"
	two := []evidence.Finding{finding("CVE-2026-0001", lib, "3.0.2"), finding("CVE-2026-0001", tool, "3.0.2")}
	plan := For(parse(t, strict), image(append(two, finding("CVE-2026-0003", app, "2.2.0"))...), now)
	if len(plan.Steps) != 2 || plan.Steps[0].Findings != 2 || plan.Steps[0].Packages[1].Name != "openssl" || plan.Rebuild {
		t.Fatalf("plan %+v", plan)
	}
	if l := plan.Steps[1].Layer; l == nil || l.CreatedBy != "RUN npm ci" {
		t.Errorf("layer %+v", l)
	}
	// A newer base image may do when it brought all that has to be upgraded.
	if plan := For(parse(t, strict), image(two...), now); !plan.Rebuild || plan.Decision != policy.Passed {
		t.Errorf("plan %+v", plan)
	}
}

// What no upgrade cures remains, with the rule that says so.
func TestLeft(t *testing.T) {
	img := image(finding("CVE-2026-0001", pkg("node-pkg", "npm", "p", "1.0.0"), "1.0.1"))
	img.Config.User, img.Scan.User = "root", &evidence.User{Spec: "root", UID: new(int64(0))}
	plan := For(parse(t, strict+"config: {user: non-root}\n"), img, now)
	if plan.Decision != policy.Denied || len(plan.Left) != 1 || plan.Left[0].Rule != "config.user" {
		t.Errorf("plan %+v", plan)
	}
	if plan := For(parse(t, strict), image(), now); len(plan.Steps)+len(plan.Left)+len(plan.Unfixed) != 0 || plan.Decision != policy.Passed {
		t.Errorf("plan of an image that passes: %+v", plan)
	}
}

// vulnerable is an independent model: a finding has one fix for each major version
// that was ever fixed, and versions of other majors above the first are affected.
func vulnerable(fixed map[int]int, major, minor int) bool {
	if at, ok := fixed[major]; ok {
		return minor < at
	}
	newest := -1
	for m := range fixed {
		newest = max(newest, m)
	}
	return newest < 0 || major < newest
}

// Applying the plan gives exactly the verdict that it promises, and the image is
// then free of what the plan says it clears.
func TestPlanKeepsItsPromise(t *testing.T) {
	p := parse(t, strict)
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		major, minor := r.IntN(4), r.IntN(10)
		installed := pkg("node-pkg", "npm", "p", fmt.Sprintf("%d.%d.0", major, minor))
		models := map[string]map[int]int{}
		var findings []evidence.Finding
		for i := range 1 + r.IntN(4) {
			fixed := map[int]int{}
			for range r.IntN(3) {
				fixed[r.IntN(5)] = r.IntN(12)
			}
			if !vulnerable(fixed, major, minor) {
				continue // no scanner would report it
			}
			var text []string
			for m, n := range fixed {
				text = append(text, fmt.Sprintf("%d.%d.0", m, n))
			}
			slices.Sort(text)
			id := fmt.Sprintf("CVE-2026-%04d", i)
			models[id] = fixed
			findings = append(findings, finding(id, installed, strings.Join(text, ", ")))
		}
		img := image(findings...)
		plan := For(p, img, now)
		verdict := p.Evaluate(Apply(img, plan.Steps), now)
		if verdict.Decision != plan.Decision {
			t.Fatalf("seed %d: promised %v, got %v", seed, plan.Decision, verdict.Decision)
		}
		for _, s := range plan.Steps {
			var x, y int
			if _, err := fmt.Sscanf(s.To, "%d.%d.0", &x, &y); err != nil {
				t.Fatal(err)
			}
			if x < major || x == major && y <= minor {
				t.Errorf("seed %d: %s is no upgrade of %s", seed, s.To, installed.Version)
			}
			for id, fixed := range models {
				if got := slices.Contains(s.Clears, id); got == vulnerable(fixed, x, y) {
					t.Errorf("seed %d: %s at %s: cleared %v with fixes %v", seed, id, s.To, got, fixed)
				}
			}
		}
		if got := len(plan.Unfixed); len(plan.Steps) > 0 && got+len(plan.Steps[0].Clears) != len(findings) {
			t.Errorf("seed %d: %d findings, %d left", seed, len(findings), got)
		}
		if !slices.EqualFunc(findings, img.Scan.Findings, func(a, b evidence.Finding) bool { return a.ID == b.ID && a.Package == b.Package }) {
			t.Fatalf("seed %d: the evidence was changed", seed)
		}
	}
}
