package diff_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"

	"github.com/imagegate/imagegate/gate/diff"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

func noon() time.Time { return time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC) }

func parse(t testing.TB, src string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("imagegate.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const source = "version: 1\nextends: none\nvulnerabilities: {max: {critical: 0, high: 0}}\n"

func image(ref, platform string, packages []evidence.Package, findings ...evidence.Finding) evidence.Image {
	name, _, _ := strings.Cut(ref, ":")
	return evidence.Image{
		SchemaVersion: 1, Digest: "sha256:" + strings.Repeat("a", 64-len(ref)%10) + strings.Repeat("b", len(ref)%10), Platform: platform, Platforms: []string{platform},
		Reference: evidence.Reference{Asked: ref, Source: evidence.SourceRegistry, Name: name},
		Config:    &evidence.Config{User: "1000", Size: 1000, EnvNames: []string{"PATH"}, Labels: map[string]string{"a": "1"}},
		Scan: &evidence.Scan{
			Engine: "trivy 0.74.0", Need: 31, OS: &evidence.OS{Family: "debian", Release: "12"}, Packages: packages, Findings: findings,
			Database: &evidence.Database{Version: 2, UpdatedAt: noon()}, Coverage: evidence.Coverage{Gaps: []evidence.Gap{}},
		},
	}
}

func pkg(name, version string) evidence.Package {
	return evidence.Package{Name: name, Version: version, Type: "npm", Class: evidence.ClassLanguage, PURL: "pkg:npm/" + name + "@" + version}
}

func finding(id string, p evidence.Package, aliases ...string) evidence.Finding {
	return evidence.Finding{Advisory: &evidence.Advisory{ID: id, Aliases: aliases, Severity: "high"}, Package: &p, FixedVersion: "9"}
}

func TestImages(t *testing.T) {
	lodash1, lodash2, gone, fresh, same := pkg("lodash", "1"), pkg("lodash", "2"), pkg("gone", "1"), pkg("fresh", "1"), pkg("same", "1")
	old := image("app:1", "linux/amd64", []evidence.Package{lodash1, gone, same},
		finding("CVE-1", lodash1), finding("GHSA-2", lodash1, "CVE-2"), finding("CVE-3", gone), finding("CVE-4", same))
	now := image("app:2", "linux/amd64", []evidence.Package{lodash2, fresh, same},
		finding("CVE-2", lodash2, "GHSA-2"), finding("CVE-5", fresh), finding("CVE-6", same), finding("CVE-7", lodash2))
	now.Config.User, now.Config.Size, now.Scan.OS.Release = "0", 1500, "13"
	pairs, unpaired := diff.Images(parse(t, source), []evidence.Image{old}, []evidence.Image{now}, noon())
	if len(pairs) != 1 || len(unpaired) != 0 {
		t.Fatalf("%d pairs, %v", len(pairs), unpaired)
	}
	p := pairs[0]
	var got []string
	for list, findings := range map[string][]diff.Finding{"fixed": p.Findings.Fixed, "new": p.Findings.New, "staying": p.Findings.Staying} {
		for _, f := range findings {
			got = append(got, fmt.Sprintf("%s %s %s>%s %s", list, f.ID, f.OldVersion, f.NewVersion, f.Cause))
		}
	}
	for _, want := range []string{
		"fixed CVE-1 1>2 version", "fixed CVE-3 1> package", "fixed CVE-4 1>1 advisory", "staying CVE-2 1>2 ",
		"new CVE-5 >1 package", "new CVE-6 1>1 advisory", "new CVE-7 1>2 version",
	} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if len(got) != 7 {
		t.Errorf("%d findings: %q", len(got), got)
	}
	if want := []diff.PackageChange{
		{Name: "fresh", Type: "npm", Old: []string{}, New: []string{"1"}}, {Name: "gone", Type: "npm", Old: []string{"1"}, New: []string{}},
		{Name: "lodash", Type: "npm", Old: []string{"1"}, New: []string{"2"}},
	}; !reflect.DeepEqual(p.Packages, want) {
		t.Errorf("packages: %+v", p.Packages)
	}
	if want := []diff.ConfigChange{{What: "operating system", Old: "debian 12", New: "debian 13"}, {What: "user", Old: "1000", New: "0"}}; !reflect.DeepEqual(p.Config, want) {
		t.Errorf("config: %+v", p.Config)
	}
}

// A second copy of a vulnerable package is a new finding, although its identity was
// there before.
func TestAnotherOccurrenceIsNew(t *testing.T) {
	a, b := pkg("lodash", "1"), pkg("lodash", "1")
	a.Path, b.Path = "a/package.json", "b/package.json"
	old := image("app:1", "linux/amd64", []evidence.Package{a}, finding("CVE-1", a))
	now := image("app:2", "linux/amd64", []evidence.Package{b, a}, finding("CVE-1", b), finding("CVE-1", a))
	pairs, _ := diff.Images(parse(t, source), []evidence.Image{old}, []evidence.Image{now}, noon())
	if f := pairs[0].Findings; len(f.New) != 1 || f.New[0].Path != b.Path || len(f.Staying) != 1 || len(f.Fixed) != 0 {
		t.Errorf("%+v", f)
	}
}

func TestPairing(t *testing.T) {
	p := parse(t, source)
	amd, arm := "linux/amd64", "linux/arm64"
	for name, tt := range map[string]struct {
		old, now []evidence.Image
		pairs    string
		left     int
	}{
		"platforms":         {[]evidence.Image{image("a:1", amd, nil), image("a:1", arm, nil)}, []evidence.Image{image("a:2", arm, nil), image("a:2", amd, nil)}, "a:1>a:2 amd a:1>a:2 arm", 0},
		"another name":      {[]evidence.Image{image("a:1", amd, nil)}, []evidence.Image{image("b:2", amd, nil)}, "a:1>b:2 amd", 0},
		"names first":       {[]evidence.Image{image("a:1", amd, nil), image("b:1", amd, nil)}, []evidence.Image{image("b:2", amd, nil), image("c:2", amd, nil)}, "b:1>b:2 amd a:1>c:2 amd", 0},
		"ambiguous":         {[]evidence.Image{image("a:1", amd, nil)}, []evidence.Image{image("b:2", amd, nil), image("c:2", amd, nil)}, "", 3},
		"platform is gone":  {[]evidence.Image{image("a:1", amd, nil), image("a:1", arm, nil)}, []evidence.Image{image("a:2", amd, nil)}, "a:1>a:2 amd", 1},
		"nothing":           {nil, nil, "", 0},
		"the old side only": {[]evidence.Image{image("a:1", amd, nil)}, nil, "", 1},
	} {
		pairs, left := diff.Images(p, tt.old, tt.now, noon())
		var got []string
		for _, x := range pairs {
			got = append(got, x.Old.Reference+">"+x.New.Reference+" "+strings.TrimSuffix(strings.TrimPrefix(x.Platform, "linux/"), "64"))
		}
		if strings.Join(got, " ") != tt.pairs || len(left) != tt.left {
			t.Errorf("%s: %q, left %v", name, got, left)
		}
	}
}

func randomImage(r *rand.Rand, ref string) evidence.Image {
	var packages []evidence.Package
	var findings []evidence.Finding
	for range r.IntN(6) {
		p := pkg(fmt.Sprintf("p%d", r.IntN(3)), fmt.Sprint(r.IntN(3)))
		p.Path = fmt.Sprint(r.IntN(2))
		packages = append(packages, p)
		for range r.IntN(4) {
			f := finding(fmt.Sprintf("CVE-%d", r.IntN(5)), p)
			if r.IntN(2) == 0 {
				f.Aliases = []string{fmt.Sprintf("GHSA-%d", r.IntN(5))}
			}
			findings = append(findings, f)
		}
	}
	img := image(ref, "linux/amd64", packages, findings...)
	img.Config.User = fmt.Sprint(r.IntN(2))
	img.Config.Labels = map[string]string{fmt.Sprint("l", r.IntN(3)): fmt.Sprint(r.IntN(2))}
	return img
}

// Comparing the other way round exchanges old and new, and nothing else.
func TestAntisymmetric(t *testing.T) {
	p := parse(t, source)
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		a, b := randomImage(r, "app:1"), randomImage(r, "app:2")
		there, _ := diff.Images(p, []evidence.Image{a}, []evidence.Image{b}, noon())
		back, _ := diff.Images(p, []evidence.Image{b}, []evidence.Image{a}, noon())
		x, y := there[0], back[0]
		if got := len(x.Findings.Fixed) + len(x.Findings.Staying); got != len(a.Scan.Findings) {
			t.Fatalf("seed %d: %d findings of the old image, it has %d", seed, got, len(a.Scan.Findings))
		}
		if got := len(x.Findings.New) + len(x.Findings.Staying); got != len(b.Scan.Findings) {
			t.Fatalf("seed %d: %d findings of the new image, it has %d", seed, got, len(b.Scan.Findings))
		}
		reverse(&y)
		for _, pair := range [][2]any{
			{texts(x.Findings.New), texts(y.Findings.New)}, {texts(x.Findings.Fixed), texts(y.Findings.Fixed)}, {len(x.Findings.Staying), len(y.Findings.Staying)},
			{x.Packages, y.Packages}, {x.Config, y.Config}, {x.Old, y.Old}, {x.New, y.New},
		} {
			if !reflect.DeepEqual(pair[0], pair[1]) {
				t.Fatalf("seed %d:\n%+v\n%+v", seed, pair[0], pair[1])
			}
		}
		if same, _ := diff.Images(p, []evidence.Image{a}, []evidence.Image{a}, noon()); len(same[0].Findings.New)+len(same[0].Findings.Fixed)+len(same[0].Packages)+len(same[0].Config) != 0 {
			t.Fatalf("seed %d: an image differs from itself: %+v", seed, same[0])
		}
	}
}

func texts(findings []diff.Finding) string {
	text, err := json.Marshal(findings)
	return fmt.Sprint(string(text), err)
}

func reverse(p *diff.Pair) {
	p.Old, p.New = p.New, p.Old
	p.Findings.New, p.Findings.Fixed = p.Findings.Fixed, p.Findings.New
	for _, list := range [][]diff.Finding{p.Findings.New, p.Findings.Fixed} {
		for i := range list {
			list[i].OldVersion, list[i].NewVersion = list[i].NewVersion, list[i].OldVersion
		}
	}
	for i := range p.Packages {
		p.Packages[i].Old, p.Packages[i].New = p.Packages[i].New, p.Packages[i].Old
	}
	for i := range p.Config {
		p.Config[i].Old, p.Config[i].New = p.Config[i].New, p.Config[i].Old
	}
}

// What limits the comparison is said.
func TestNotes(t *testing.T) {
	p := parse(t, source)
	old, now := image("app:1", "linux/amd64", nil), image("app:22", "linux/amd64", nil)
	now.Scan.Database = &evidence.Database{Version: 2, UpdatedAt: noon().Add(-time.Hour)}
	bare := image("app:333", "linux/amd64", nil)
	bare.Scan = nil
	for _, tt := range []struct {
		a, b evidence.Image
		want string
	}{{old, now, "different advisory databases"}, {old, old, "are the same"}, {old, bare, "packages of the new image were not looked at"}} {
		pairs, _ := diff.Images(p, []evidence.Image{tt.a}, []evidence.Image{tt.b}, noon())
		if got := strings.Join(pairs[0].Notes, "; "); !strings.Contains(got, tt.want) {
			t.Errorf("%q lacks %q", got, tt.want)
		}
	}
}

const hostile = "\x1b[2J\n::error::x ##[group] <img src=x onerror=alert(1)> | `[a](http://evil) @you #1 \u202e"

func hostileDocument() *diff.Document {
	x := pkg("x", "1")
	x.Name, x.Version, x.Path, x.Type, x.PURL = hostile, hostile, hostile, hostile, ""
	old, now := image("app:1", "linux/amd64", []evidence.Package{x}, finding(hostile, x)), image("app:22", "linux/amd64", nil, finding("CVE-9", pkg("y", "1")))
	old.Reference.Asked, old.Digest, now.Config.User, now.Config.Entrypoint = hostile, hostile, hostile, []string{hostile}
	now.Config.Labels = map[string]string{hostile: hostile}
	d := &diff.Document{SchemaVersion: 1, Tool: "imagegate", At: noon(), Policy: hostile}
	d.Images, _ = diff.Images(policy.Default(), []evidence.Image{old}, []evidence.Image{now}, noon())
	d.Unpaired = []diff.Unpaired{{Side: "old", Reference: hostile, Platform: hostile, Reason: "x"}}
	return d
}

// No text of an image reaches a reader as anything but text.
func TestFormatsAreSafe(t *testing.T) {
	d := hostileDocument()
	page, err := diff.HTML(d)
	if err != nil {
		t.Fatal(err)
	}
	for name, doc := range map[string][]byte{"text": diff.Text(d), "markdown": diff.Markdown(d), "html": page} {
		for _, r := range string(doc) {
			if r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf)) {
				t.Errorf("%s: %U gets through", name, r)
				break
			}
		}
		for line := range strings.Lines(string(doc)) {
			if strings.HasPrefix(strings.TrimSpace(line), "::") || name == "text" && strings.Contains(line, "##[") {
				t.Errorf("%s: a command: %q", name, line)
			}
		}
	}
	if strings.Contains(string(diff.Markdown(d)), "<img") && !strings.Contains(string(diff.Markdown(d)), "`") {
		t.Error("markdown has markup of an image")
	}
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && (n.Data == "img" || n.Data == "script" || n.Data == "link") {
			t.Errorf("the page has an element %s", n.Data)
		}
	}
	if _, err := json.Marshal(d); err != nil {
		t.Error(err)
	}
}

// A comment on a merge request has a limit, and what it leaves out is said.
func TestMarkdownIsShort(t *testing.T) {
	var packages []evidence.Package
	var findings []evidence.Finding
	for i := range 3000 {
		p := pkg(strings.Repeat("p", 150)+fmt.Sprint(i), "1")
		packages, findings = append(packages, p), append(findings, finding(fmt.Sprintf("CVE-2026-%05d", i), p))
	}
	d := &diff.Document{At: noon()}
	d.Images, _ = diff.Images(parse(t, source), []evidence.Image{image("app:1", "linux/amd64", nil)}, []evidence.Image{image("app:22", "linux/amd64", packages, findings...)}, noon())
	for len(d.Images) < 200 {
		d.Images = append(d.Images, d.Images[0])
	}
	doc := string(diff.Markdown(d))
	if len(doc) > 65_000 || !strings.Contains(doc, "left out") {
		t.Errorf("%d bytes", len(doc))
	}
}
