package policy

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// samplePolicies are policies of every kind: the examples, the example of each
// rule, and lax ones that ask as little as the language lets them.
func samplePolicies(t testing.TB) map[string]*Policy {
	t.Helper()
	out := map[string]*Policy{"default": Default()}
	files, err := filepath.Glob("../examples/policies/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[f] = mustParse(t, string(src))
	}
	for _, r := range Rules() {
		if r.Example != "" {
			out[r.ID] = mustParse(t, exampleOf(r))
		}
	}
	for name, src := range map[string]string{
		"deny nothing":  "reference: {deny-tags: [nothing]}",
		"any port":      "config: {deny-ports: [1]}",
		"old and large": "config: {max-age: 5000w, max-size: 999GB}",
		"unlimited":     "vulnerabilities: {max: {critical: unlimited}}",
		"all warn": "vulnerabilities: {max: {low: 0}, deny: [CVE-2026-0001]}\nsecrets: {max: 0}\nconfig: {user: numeric}\n" +
			"levels: {vulnerabilities.max: warn, vulnerabilities.deny: warn, secrets: warn, config.user: warn}\n" +
			"coverage: {no-advisories: warn, scanner-errors: warn, java-database: warn, hidden-files: warn, end-of-life: warn, bundled-sboms: ignore, database-max-age: 5000w}",
		"all blind by name": "vulnerabilities: {max: {low: 0}}\noverrides: [{images: [\"registry.example.no/**\"], " +
			"coverage: {unknown-os: warn, unsupported-os: warn, os-mismatch: warn, package-database: warn}}]",
		"all off by name": "secrets: {max: 0}\noverrides: [{images: [\"registry.example.no/**\"], levels: {secrets: off}}]",
	} {
		out[name] = mustParse(t, "version: 1\n"+src+"\n")
	}
	return out
}

// exampleOf completes a rule's example to a policy.
func exampleOf(r *Rule) string {
	src := "version: 1\n" + r.Example
	switch {
	case r.ID == ruleLevels:
		src += "config: {require-labels: [a]}\n"
	case !strings.Contains(r.Example, "vulnerabilities:"):
		src += "vulnerabilities: {max: {critical: 0}}\n"
	}
	return src
}

// hollowImages are images whose evidence is empty or lacks required facts.
func hollowImages() []*evidence.Image {
	full := goodImage()
	withConfig := &evidence.Image{Config: &evidence.Config{User: "1000"}, Scan: &evidence.Scan{}}
	named := &evidence.Image{SchemaVersion: 1, Reference: full.Reference, Digest: full.Digest, IndexDigest: full.IndexDigest}
	return []*evidence.Image{nil, {}, {SchemaVersion: 1}, withConfig, {Reference: full.Reference}, named,
		{Config: full.Config, Scan: full.Scan}}
}

func TestHollowEvidenceNeverPasses(t *testing.T) {
	for name, p := range samplePolicies(t) {
		for i, img := range hollowImages() {
			if v := p.Evaluate(img, noon()); v.Decision == Passed {
				t.Errorf("%s: hollow image %d passes", name, i)
			}
		}
		img := goodImage()
		img.Scan = &evidence.Scan{}
		if v := p.Evaluate(img, noon()); v.Decision == Passed && p.NeedsFor(img.Reference) != 0 {
			t.Errorf("%s: an empty scan passes", name)
		}
	}
	for name, p := range map[string]*Policy{"nil": nil, "zero": {}} {
		if v := p.Evaluate(goodImage(), noon()); v.Decision != Undecided || len(v.Rules) == 0 {
			t.Errorf("the %s policy says %s", name, v.Decision)
		}
	}
}

// The good image is what the other tests break, so it has to be good.
func TestGoodImagePasses(t *testing.T) {
	for name, p := range samplePolicies(t) {
		switch name {
		case ruleAllow, rulePlatforms, rulePackagesRequire, ruleApprovals, "all off by name", // approvals name the digest of the policy
			ruleVEX, ruleVEXSignedBy, ruleVEXAge, ruleVEXNever, // their documents are not there
			"../examples/policies/production-promotion.yaml": // its workflow has signed no sample
			continue
		}
		img := goodImage()
		if v := p.Evaluate(img, noon()); v.Decision != Passed {
			for _, r := range v.Rules {
				if r.Result == ResultFail || r.Result == ResultUndecided {
					t.Errorf("%s: %s is %s: %s", name, r.Rule, r.Result, r.Message)
				}
			}
		}
	}
}

// A policy whose override turns everything off judges nothing, and that is no
// pass.
func TestAskingNothingIsNoPass(t *testing.T) {
	p := samplePolicies(t)["all off by name"]
	if v := p.Evaluate(goodImage(), noon()); v.Decision != Undecided {
		t.Errorf("an image of which nothing is asked: %s", v.Decision)
	}
}

// randomImage is the good image with random faults.
func randomImage(r *rand.Rand) *evidence.Image {
	img := goodImage()
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	for range r.IntN(12) {
		f := finding(fmt.Sprintf("CVE-2026-%04d", r.IntN(6)), evidence.Severity(pick("critical", "HIGH", "medium", "low", "unknown", "", "odd")))
		f.FixedVersion = pick("", "2.0")
		f.Package.Class, f.Package.Type = evidence.Class(pick("os-pkgs", "lang-pkgs", "")), pick("debian", "npm", "x")
		f.Published = []*time.Time{nil, ptr(noon()), ptr(noon().AddDate(0, -1, 0)), ptr(noon().AddDate(9, 0, 0))}[r.IntN(4)]
		f.Package.OwnedBy = pick("", "zlib1g 1:1.2.13.dfsg-1", "other 1.0")
		f.Aliases = []string{pick("GHSA-aaaa-bbbb-cccc", "CVE-2026-0001")}
		f.VendorSeverity = map[string]evidence.Severity{"nvd": evidence.Severity(pick("critical", "low"))}
		img.Scan.Findings = append(img.Scan.Findings, f)
	}
	for i := range 6 {
		x := evidence.Exploitation{ID: fmt.Sprintf("CVE-2026-%04d", i)}
		if r.IntN(3) == 0 {
			x.KEV = &evidence.KEVEntry{Added: noon().AddDate(0, 0, -r.IntN(50)), Due: noon().AddDate(0, 0, 20-r.IntN(40))}
		}
		if r.IntN(3) == 0 {
			x.EPSS = &evidence.EPSSScore{Probability: r.Float64(), Percentile: r.Float64()}
		}
		img.Scan.Exploited.Known = append(img.Scan.Exploited.Known, x)
	}
	for range r.IntN(2) {
		gap(allGapKinds()[r.IntN(len(allGapKinds()))])(img)
	}
	for _, change := range []func(){
		func() { img.Config = nil }, func() { img.Scan.OS = nil }, func() { img.Scan.Database = nil }, func() { img.Reference.Tag = "1" },
		func() { img.Scan.Need = evidence.Need(r.IntN(32)) }, func() { img.Scan.Coverage.Gaps = nil }, func() { secret("low")(img) },
		func() { img.Scan.User = nil }, func() { img.Digest = "" },
	} {
		if r.IntN(12) == 0 {
			change()
		}
	}
	return img
}

// shapers are policies that use every class.
func shapers(t testing.TB) []*Policy {
	const exceptions = "exceptions:\n" +
		"- {id: CVE-2026-0001, reason: a, expires: 2026-07-01}\n" +
		"- {id: CVE-2026-0002, package: lodash, reason: a, expires: 2026-06-14}\n" +
		"- {id: CVE-2026-0003, images: [\"registry.example.no/**\"], reason: a, expires: 2027-07-01}\n" +
		"- {id: GHSA-aaaa-bbbb-cccc, paths: [\"app/**\"], reason: a, expires: 2026-07-01}\n"
	var out []*Policy
	for _, section := range []string{
		"max: {critical: 0, high: 2}, unfixed: warn, grace: {high: 40d}, types: [os]",
		"max: {critical: 1, high: 1, medium: 1, low: 1, unknown: 1}, severity-source: highest, deny: [CVE-2026-0004]",
		"max: {medium: 0}, unfixed: ignore, severity-source: [nvd]",
		"max: {high: 0}, unfixed: ignore, grace: {high: 40d}}\nexploited: {kev: fail, epss: {probability: 0.5}, exceptions: true",
		"max: {high: 9}, types: [os]}\nexploited: {kev: warn, epss: {percentile: 0.5}",
	} {
		out = append(out, mustParse(t, "version: 1\nvulnerabilities: {"+section+"}\nexception-limits: {max-days: 90, never: {severity: critical}}\n"+exceptions))
	}
	for _, p := range samplePolicies(t) {
		out = append(out, p)
	}
	return out
}

func TestProperties(t *testing.T) {
	policies := shapers(t)
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		img := randomImage(r)
		for i, p := range policies {
			name := fmt.Sprintf("seed %d, policy %d", seed, i)
			v := p.Evaluate(img, noon())
			passIsClean(t, name, v)
			classesAddUp(t, name, img, v)
			gapsOnlyHurt(t, name, p, img, v)
			exceptionsOnlyHelp(t, name, p, img, v)
			exploitationOnlyHurts(t, name, p, img, v)
		}
	}
}

// passIsClean asks that no rule of a pass is violated.
func passIsClean(t *testing.T, name string, v Verdict) {
	t.Helper()
	if v.Decision != Passed {
		return
	}
	if v.Count(ClassBlocking) > 0 {
		t.Errorf("%s: passes with blocking findings", name)
	}
	for _, r := range v.Rules {
		if r.Result == ResultFail || r.Result == ResultUndecided {
			t.Errorf("%s: passes although %s is %s", name, r.Rule, r.Result)
		}
	}
}

func classesAddUp(t *testing.T, name string, img *evidence.Image, v Verdict) {
	t.Helper()
	sum := 0
	for _, c := range Classes() {
		sum += v.Count(c)
	}
	if want := len(img.Scan.Findings); sum != want || len(v.Findings) != want {
		t.Errorf("%s: classes add up to %d, verdict lists %d, want %d", name, sum, len(v.Findings), want)
	}
	for _, f := range v.Findings {
		if (f.Class == ClassBlocking) != (f.Rule != "") || (f.Class == ClassExcepted) != (f.Exception != nil) || (f.Class == ClassGrace) == f.GraceUntil.IsZero() {
			t.Errorf("%s: %+v contradicts itself", name, f)
		}
	}
}

func gapsOnlyHurt(t *testing.T, name string, p *Policy, img *evidence.Image, v Verdict) {
	t.Helper()
	if v.Decision == Passed {
		return
	}
	for _, k := range append(allGapKinds(), "brand-new") {
		worse := *img
		sc := *img.Scan
		sc.Coverage.Gaps = append(slices.Clone(sc.Coverage.Gaps), evidence.Gap{Kind: k, Detail: "x"})
		worse.Scan = &sc
		if img.Scan.Coverage.Gaps != nil && p.Evaluate(&worse, noon()).Decision == Passed {
			t.Errorf("%s: passes once there is a gap %s", name, k)
		}
	}
}

// exploitationOnlyHurts adds everything to the feeds, and takes the feeds away.
func exploitationOnlyHurts(t *testing.T, name string, p *Policy, img *evidence.Image, v Verdict) {
	t.Helper()
	worse := *img
	sc := *img.Scan
	worse.Scan = &sc
	feeds := exploitedFeeds()
	for i := range 6 {
		feeds.Known = append(feeds.Known, evidence.Exploitation{
			ID: fmt.Sprintf("CVE-2026-%04d", i), KEV: &evidence.KEVEntry{Added: noon().AddDate(-1, 0, 0), Due: noon().AddDate(0, 0, -60)}, EPSS: &evidence.EPSSScore{Probability: 1, Percentile: 1},
		})
	}
	for what, feeds := range map[string]*evidence.Exploited{"listed": feeds, "unread": nil, "empty": {}} {
		sc.Exploited = feeds
		w := p.Evaluate(&worse, noon())
		if w.Decision == Passed && v.Decision != Passed && what == "listed" {
			t.Errorf("%s: passes once its findings are exploited", name)
		}
		if _, asked := p.base.set(kevKey, epssProbabilityKey, epssPercentileKey); asked && what != "listed" && w.Decision == Passed {
			t.Errorf("%s: passes without feeds", name)
		}
		if what == "listed" && w.Count(ClassBlocking) < v.Count(ClassBlocking) {
			t.Errorf("%s: fewer findings block once all are exploited", name)
		}
	}
}

func exceptionsOnlyHelp(t *testing.T, name string, p *Policy, img *evidence.Image, v Verdict) {
	t.Helper()
	for i := range p.exceptions {
		fewer := *p
		fewer.exceptions = slices.Delete(slices.Clone(p.exceptions), i, i+1)
		fewer.indexExceptions()
		w := fewer.Evaluate(img, noon())
		if w.Count(ClassBlocking) < v.Count(ClassBlocking) {
			t.Errorf("%s: without exception %d fewer findings block", name, i)
		}
		if w.Decision == Passed && v.Decision != Passed {
			t.Errorf("%s: passes without exception %d", name, i)
		}
	}
}

// Evaluate is pure: the same answer twice, and the evidence is left alone.
func TestEvaluateIsPure(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, p := range shapers(t) {
		img := randomImage(r)
		img.Scan.Coverage.SBOMs = []string{"b", "a"}
		img.Scan.Coverage.Unattributed = []string{"d", "c"}
		before, first := fmt.Sprintf("%+v", *img.Scan), fmt.Sprintf("%+v", p.Evaluate(img, noon()).Rules)
		if again := fmt.Sprintf("%+v", p.Evaluate(img, noon()).Rules); again != first {
			t.Errorf("two answers:\n%s\n%s", first, again)
		}
		if after := fmt.Sprintf("%+v", *img.Scan); after != before {
			t.Errorf("the evidence changed:\n%s\n%s", before, after)
		}
	}
}
