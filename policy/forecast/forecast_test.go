package forecast_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/forecast"
)

func noon() time.Time { return time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC) }

const source = `version: 1
extends: none
vulnerabilities:
  max: {critical: 0, high: 1, medium: {value: 0, from: 2026-07-10}}
  grace: {critical: 7d, high: 20d}
config: {max-age: 40d}
coverage: {database-max-age: 5d, end-of-life: {warn-before: 30d}}
exceptions:
- {id: CVE-2026-0001, reason: a, expires: 2026-06-20}
- {id: CVE-2026-0002, reason: a, expires: 2026-08-01}
- {id: CVE-2026-0003, package: lodash, reason: a, expires: 2026-07-01}
overrides:
- {images: ["registry.example.no/**"], vulnerabilities: {max: {low: 0}}}
- {images: ["registry.example.no/shop/*"], reason: a, owner: b, expires: 2026-07-20, vulnerabilities: {max: {high: 3}}}
`

func parse(t testing.TB, src string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("imagegate.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// randomImage is an image with dates of every kind.
func randomImage(r *rand.Rand) *evidence.Image {
	at := func(days int) *time.Time {
		m := noon().Add(time.Duration(days)*24*time.Hour + time.Duration(r.IntN(86400))*time.Second)
		return &m
	}
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	img := &evidence.Image{
		SchemaVersion: 1, Digest: "sha256:" + strings.Repeat("a", 64), Platform: "linux/amd64", Platforms: []string{"linux/amd64"},
		Reference: evidence.Reference{Asked: "a", Source: evidence.SourceRegistry, Name: pick("registry.example.no/shop/app", "docker.io/library/app")},
		Config:    &evidence.Config{User: "1000", Created: at(-r.IntN(60))},
		Scan: &evidence.Scan{
			Engine: "trivy 0.74.0", Need: 31, OS: &evidence.OS{Family: "debian", Release: "12", EndOfLife: at(r.IntN(60) - 5)},
			Packages: []evidence.Package{{Name: "zlib1g", Version: "1", Type: "debian", Class: evidence.ClassOS}},
			Database: &evidence.Database{Version: 2, UpdatedAt: *at(-r.IntN(6))},
			Coverage: evidence.Coverage{Gaps: []evidence.Gap{}},
		},
	}
	for range r.IntN(8) {
		f := evidence.Finding{
			Advisory: &evidence.Advisory{
				ID:       fmt.Sprintf("CVE-2026-%04d", r.IntN(5)),
				Severity: evidence.Severity(pick("critical", "high", "medium", "low")),
			},
			Package:      &img.Scan.Packages[0],
			FixedVersion: "2",
			Status:       "fixed",
		}
		if r.IntN(4) > 0 {
			f.Published = at(-r.IntN(30))
		}
		img.Scan.Findings = append(img.Scan.Findings, f)
	}
	return img
}

// deadlines has the dates that source does not: deadlines by row, clock and ceiling, the
// end of a baseline, and the age of feeds.
// overdue limits no severity of most findings: rows about exploited ones block alone.
const overdue = `version: 1
extends: none
vulnerabilities: {max: {critical: 0}}
exploited: {kev: warn, database-max-age: 300d}
coverage: {database-max-age: 300d}
deadlines:
  rows:
  - {kev: true, exposure: public, within: 3d}
  - {kev: true, within: due-date}
  - {epss: 0.5, within: 9d}
  - {severity: critical, within: 14d}
overrides: [{images: ["registry.example.no/**"], exposure: internal, reason: r, owner: o, expires: 2026-07-01}]
`

const deadlines = `version: 1
extends: none
trust: [{name: gate, identity: gate@example.no, issuer: "https://login.example.no", for: [decision]}]
vulnerabilities: {max: {critical: 0, high: 0, medium: 0, low: 1}}
exploited: {kev: warn, database-max-age: {value: 35d, from: 2026-07-05}}
coverage: {database-max-age: 300d}
deadlines:
  clock: {value: first-seen, from: 2026-06-20}
  ceiling: 30d
  signed-by: [gate]
  rows:
  - {kev: true, exposure: public, within: 9d}
  - {kev: true, within: due-date}
  - {epss: 0.5, within: 3d}
  - {severity: critical, within: 9d}
  - {within: 14d}
baseline: {ceiling: {high: 2, medium: 1}, until: 2026-06-28, digests: ["sha256:` + baselineDigest + `"]}
exceptions:
- {id: CVE-2026-0001, reason: a, expires: 2026-06-25}
overrides:
- {images: ["registry.example.no/**"], exposure: internal, reason: a, owner: b, expires: 2026-07-02, deadlines: {ceiling: 20d}}
`

const baselineDigest = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

// withDeadlines gives an image what deadlines asks for.
func withDeadlines(img *evidence.Image, r *rand.Rand) {
	ago := func(days int) time.Time {
		return noon().Add(-time.Duration(days)*24*time.Hour - time.Duration(r.IntN(86400))*time.Second)
	}
	known := map[string]evidence.Exploitation{}
	for _, f := range img.Scan.Findings {
		x := evidence.Exploitation{ID: f.ID}
		if r.IntN(3) == 0 {
			added := ago(r.IntN(20)).Truncate(24 * time.Hour)
			x.KEV = &evidence.KEVEntry{Added: added, Due: added.AddDate(0, 0, 21)}
		}
		if r.IntN(2) == 0 {
			x.EPSS = &evidence.EPSSScore{Probability: r.Float64(), Percentile: 0.9}
		}
		known[f.ID] = x
	}
	e := &evidence.Exploited{KEV: &evidence.Feed{Date: ago(r.IntN(5)), Entries: 1}, EPSS: &evidence.Feed{Date: ago(r.IntN(5)), Entries: 1}}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		e.Known = append(e.Known, known[id])
	}
	img.Scan.Exploited = e
	other := func(digest string) *evidence.Image {
		o := *img
		scan := *img.Scan
		scan.Findings = scan.Findings[:r.IntN(len(scan.Findings)+1)]
		o.Scan, o.Digest, o.Baseline, o.Earlier = &scan, digest, nil, nil
		return &o
	}
	img.Baseline = &evidence.Baseline{Source: "old", Image: other("sha256:" + baselineDigest)}
	for range r.IntN(3) {
		img.Earlier = append(img.Earlier, evidence.Earlier{Source: "earlier", Time: ago(r.IntN(12)), SignedBy: []string{"gate"}, Image: other("")})
	}
}

// A forecast has each change that judging the image hour by hour shows, and no
// other.
func TestForecastEqualsBruteForce(t *testing.T) {
	for name, c := range map[string]struct {
		policy string
		seeds  uint64
		days   int
		more   func(*evidence.Image, *rand.Rand)
	}{
		"ages":      {source, 8, 60, func(*evidence.Image, *rand.Rand) {}},
		"deadlines": {deadlines, 12, 40, withDeadlines},
		"overdue":   {overdue, 8, 40, withDeadlines},
	} {
		t.Run(name, func(t *testing.T) { compareWithBruteForce(t, parse(t, c.policy), c.seeds, c.days, c.more) })
	}
}

func compareWithBruteForce(t *testing.T, p *policy.Policy, seeds uint64, days int, more func(*evidence.Image, *rand.Rand)) {
	all := 0
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		img := randomImage(r)
		more(img, r)
		first, changes := forecast.Of(p, img, noon(), days)
		if got := answer(first); got != answer(p.Evaluate(img, noon())) {
			t.Fatalf("seed %d: now is %s", seed, got)
		}
		told := answer(first)
		next := 0
		for hour := range days*24 + 1 {
			moment := noon().Add(time.Duration(hour) * time.Hour)
			for next < len(changes) && !changes[next].At.After(moment) {
				c := &changes[next]
				if before := p.Evaluate(img, c.At.Add(-time.Second)); answer(before) != told || before.Decision != c.Before {
					t.Errorf("seed %d: one second before %s: %s, told %s", seed, c.At, answer(before), told)
				}
				after := p.Evaluate(img, c.At)
				if answer(after) == told || after.Decision != c.After || len(c.Rules)+len(c.Findings) == 0 {
					t.Errorf("seed %d: nothing changes at %s: %+v", seed, c.At, c)
				}
				told = answer(after)
				next++
			}
			if got := answer(p.Evaluate(img, moment)); got != told {
				t.Fatalf("seed %d: at %s the answer is %s, the forecast says %s", seed, moment, got, told)
			}
		}
		if next != len(changes) {
			t.Errorf("seed %d: %d changes after the end", seed, len(changes)-next)
		}
		all += len(changes)
	}
	if all < int(seeds) {
		t.Errorf("only %d changes were foreseen", all)
	}
}

// A forecast of documents has the day on which a rule about workloads changes, and the
// workload that it changes for.
func TestForecastOfARelease(t *testing.T) {
	p := parse(t, `version: 1
extends: none
vulnerabilities: {max: {critical: 0}}
workload: {deny-privileged: {value: true, from: 2026-06-20}}
exceptions: [{rule: workload.deny-privileged, workload: shop/Deployment/web, reason: a, expires: 2026-07-01}]
`)
	r := &evidence.Release{SchemaVersion: 1, Workloads: []evidence.Workload{
		{Object: evidence.Object{Namespace: "shop", Kind: "Deployment", Name: "web"}, Containers: []evidence.Container{{Name: "app", Privileged: true}}},
		{Object: evidence.Object{Namespace: "shop", Kind: "Deployment", Name: "db"}, Containers: []evidence.Container{{Name: "db", Privileged: true}}},
	}}
	_, changes := forecast.OfRelease(p, r, nil, noon(), 30)
	days := map[string]string{}
	for _, c := range changes {
		for _, rule := range c.Rules {
			if rule.After.Rule == "workload.deny-privileged" && rule.After.Result == policy.ResultFail {
				days[rule.Workload] = c.At.Format(time.DateOnly)
			}
		}
	}
	if days["shop/Deployment/db"] != "2026-06-20" || days["shop/Deployment/web"] != "2026-07-02" {
		t.Errorf("fails on %v", days)
	}
}

func answer(v policy.Verdict) string {
	var b strings.Builder
	b.WriteString(v.Decision.String())
	for _, r := range v.Rules {
		fmt.Fprintf(&b, " %s=%s", r.Rule, r.Result)
	}
	for _, f := range v.Findings {
		if f.Class == policy.ClassBlocking {
			fmt.Fprintf(&b, " %p", f.Finding)
		}
	}
	return b.String()
}

// A change names the rule and the finding that cause it.
func TestForecastNamesTheCause(t *testing.T) {
	p := parse(t, `version: 1
extends: none
vulnerabilities: {max: {critical: 0, high: 0}, grace: {high: 7d}}
coverage: {database-max-age: 500d, end-of-life: warn}
exceptions: [{id: CVE-2026-0001, reason: a, expires: 2026-06-20}]
`)
	img := randomImage(rand.New(rand.NewPCG(1, 1)))
	published := noon().Add(-6*24*time.Hour + 90*time.Minute)
	pkg := img.Scan.Packages[0]
	img.Scan.OS.EndOfLife = nil
	img.Scan.Findings = []evidence.Finding{
		{Advisory: &evidence.Advisory{ID: "CVE-2026-0001", Severity: "critical"}, Package: &pkg, FixedVersion: "2"},
		{Advisory: &evidence.Advisory{ID: "CVE-2026-0009", Severity: "high", Published: &published}, Package: &pkg, FixedVersion: "2"},
	}
	first, changes := forecast.Of(p, img, noon(), 30)
	if first.Decision != policy.Passed || len(changes) != 2 {
		t.Fatalf("now %s, then %+v", first.Decision, changes)
	}
	grace := changes[0]
	if want := published.Add(7 * 24 * time.Hour); !grace.At.Equal(want) || grace.After != policy.Denied {
		t.Errorf("grace ends at %s: %s, want %s", grace.At, grace.After, want)
	}
	if len(grace.Findings) != 1 || grace.Findings[0].After.ID != "CVE-2026-0009" || grace.Findings[0].Before != policy.ClassGrace {
		t.Errorf("the cause is %+v", grace.Findings)
	}
	end := changes[1]
	ended := slices.ContainsFunc(end.Findings, func(c forecast.FindingChange) bool {
		return c.After.ID == "CVE-2026-0001" && c.Before == policy.ClassExcepted && c.After.Class == policy.ClassBlocking
	})
	if want := time.Date(2026, 6, 21, 0, 0, 0, 0, time.UTC); !end.At.Equal(want) || !ended {
		t.Errorf("the exception ends at %s: %+v", end.At, end.Findings)
	}
}

func TestForecastOfNothing(t *testing.T) {
	p := parse(t, source)
	if v, changes := forecast.Of(p, nil, noon(), 10); v.Decision != policy.Undecided || len(changes) != 0 {
		t.Errorf("no image: %s, %v", v.Decision, changes)
	}
	if _, changes := forecast.Of(p, randomImage(rand.New(rand.NewPCG(1, 1))), noon(), 0); len(changes) != 0 {
		t.Errorf("no days: %v", changes)
	}
}
