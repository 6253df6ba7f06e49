package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// firstSeenSource gives 15 days from when a finding was first seen, and 60 from its
// publication.
const firstSeenSource = trusting + "vulnerabilities: {max: {critical: 0, high: 0, medium: 0, low: 0}}\ncoverage: {database-max-age: 999d}\nexploited: {kev: warn, database-max-age: 999d}\n" +
	"deadlines: {clock: first-seen, signed-by: [a], ceiling: 60d, rows: [{kev: true, within: 3d}, {within: 15d}]}\n"

// run is the evidence of an earlier run, some days ago.
func earlierRun(days int, findings ...evidence.Finding) evidence.Earlier {
	img := goodImage()
	img.Scan.Findings = findings
	return evidence.Earlier{Source: "earlier.json", Time: noon().AddDate(0, 0, -days), SignedBy: []string{"a"}, Image: img}
}

// seenBefore gives the image one finding, published 40 days ago, and an earlier run
// that has it too, sealed by a signer.
func seenBefore(days int, signer string) func(*evidence.Image) {
	f := high("CVE-2026-0001", "a", "1")
	f.Published = ptr(noon().AddDate(0, 0, -40))
	run := earlierRun(days, f)
	run.SignedBy = []string{signer}
	return func(img *evidence.Image) {
		img.Scan.Findings, img.Earlier = these(f), []evidence.Earlier{run}
	}
}

func TestFirstSeen(t *testing.T) {
	published := func(days int) evidence.Finding {
		f := high("CVE-2026-0001", "a", "1", "GHSA-aaaa-bbbb-cccc")
		f.Published = ptr(noon().AddDate(0, 0, -days))
		return f
	}
	one := published(40)
	other := high("CVE-2026-0002", "a", "1")
	undated := clone(one)
	undated.Published = nil
	newer := clone(one)
	newer.Package.Version, newer.Package.PURL = "2", "pkg:npm/a@2"
	alias := clone(one)
	alias.ID, alias.Aliases = "GHSA-aaaa-bbbb-cccc", nil
	change := func(e evidence.Earlier, do func(*evidence.Earlier)) evidence.Earlier {
		do(&e)
		return e
	}
	type earlier = []evidence.Earlier
	for name, tt := range map[string]struct {
		now  evidence.Finding
		runs earlier
		want int // days from now until it blocks; 0 when it blocks
	}{
		"no earlier evidence":          {one, nil, 0},
		"seen ten days ago":            {one, earlier{earlierRun(10, one)}, 5},
		"seen long ago":                {one, earlier{earlierRun(15, one)}, 0},
		"in another version":           {newer, earlier{earlierRun(10, one)}, 5},
		"under an alias":               {alias, earlier{earlierRun(10, one)}, 5},
		"not seen until yesterday":     {one, earlier{earlierRun(1, other)}, 14},
		"not seen until long ago":      {one, earlier{earlierRun(20, other)}, 0},
		"the oldest counts":            {one, earlier{earlierRun(1, one), earlierRun(12, one), earlierRun(5, one)}, 3},
		"gone in between":              {one, earlier{earlierRun(12, one), earlierRun(5, other)}, 3},
		"gone in between, long ago":    {one, earlier{earlierRun(1), earlierRun(30, one)}, 0},
		"before it was published":      {published(2), earlier{earlierRun(10, one)}, 13},
		"the ceiling is near":          {published(57), earlier{earlierRun(1, one)}, 3},
		"older than the ceiling":       {published(60), earlier{earlierRun(1, one)}, 0},
		"no date of publication":       {undated, earlier{earlierRun(1, one)}, 0},
		"published in the future":      {published(-9), earlier{earlierRun(1, one)}, 0},
		"another repository":           {one, earlier{change(earlierRun(1, one), func(e *evidence.Earlier) { e.Image.Reference.Name += "x" })}, 0},
		"another repository, without":  {one, earlier{change(earlierRun(1), func(e *evidence.Earlier) { e.Image.Reference.Name += "x" })}, 0},
		"no name":                      {one, earlier{change(earlierRun(1, one), func(e *evidence.Earlier) { e.Image.Reference.Name = "" })}, 0},
		"another image by that name":   {one, earlier{change(earlierRun(1), func(e *evidence.Earlier) { e.Image.Reference.JudgedFrom = "oci:build" })}, 0},
		"another platform":             {one, earlier{change(earlierRun(1), func(e *evidence.Earlier) { e.Image.Platform = "linux/arm64" })}, 0},
		"another signer":               {one, earlier{change(earlierRun(1, one), func(e *evidence.Earlier) { e.SignedBy = []string{"b"} })}, 0},
		"no signer":                    {one, earlier{change(earlierRun(1, one), func(e *evidence.Earlier) { e.SignedBy = nil })}, 0},
		"no time":                      {one, earlier{change(earlierRun(1, one), func(e *evidence.Earlier) { e.Time = time.Time{} })}, 0},
		"of tomorrow":                  {one, earlier{earlierRun(-1, one)}, 0},
		"packages were not looked at":  {one, earlier{change(earlierRun(1), func(e *evidence.Earlier) { e.Image.Scan.Need = 0 })}, 0},
		"not scanned":                  {one, earlier{change(earlierRun(1), func(e *evidence.Earlier) { e.Image.Scan = nil })}, 0},
		"nothing":                      {one, earlier{{}}, 0},
		"a useless one beside another": {one, earlier{earlierRun(-1, one), earlierRun(10, one)}, 5},
	} {
		p := mustParse(t, "version: 1\n"+firstSeenSource)
		img := goodImage()
		img.Scan.Findings, img.Earlier = these(tt.now), tt.runs
		f := p.Evaluate(img, noon()).Findings[0]
		got := 0
		if f.Class == ClassGrace {
			got = int(f.GraceUntil.Sub(noon()) / (24 * time.Hour))
		}
		if got != tt.want || (got > 0) != (f.Class == ClassGrace) {
			t.Errorf("%s: blocks in %d days (%s: %s), want %d", name, got, f.Class, f.Reason, tt.want)
		}
	}
}

// The clock counts for the policy that asks for it alone, and never for what is
// exploited.
func TestFirstSeenOnlyWhereItIsAsked(t *testing.T) {
	f := high("CVE-2026-0001", "a", "1")
	f.Published = ptr(noon().AddDate(0, 0, -40))
	for name, tt := range map[string]struct {
		src  string
		kev  bool
		want Class
	}{
		"first-seen":             {firstSeenSource, false, ClassGrace},
		"published":              {strings.Replace(firstSeenSource, "first-seen", "published", 1), false, ClassBlocking},
		"listed long ago":        {firstSeenSource, true, ClassBlocking},
		"a signer of tomorrow":   {strings.Replace(firstSeenSource, "signed-by: [a]", "signed-by: {value: [a], from: 2026-06-20}", 1), false, ClassBlocking},
		"a ceiling of tomorrow":  {strings.Replace(firstSeenSource, "ceiling: 60d", "ceiling: {value: 60d, from: 2026-06-20}", 1), false, ClassBlocking},
		"a clock that has begun": {strings.Replace(firstSeenSource, "clock: first-seen", "clock: {value: first-seen, from: 2026-06-10}", 1), false, ClassGrace},
	} {
		img := goodImage()
		img.Scan.Findings, img.Earlier = these(f), []evidence.Earlier{earlierRun(10, f)}
		if tt.kev {
			img.Scan.Exploited.Known = []evidence.Exploitation{{ID: f.ID, KEV: &evidence.KEVEntry{Added: noon().AddDate(0, 0, -5), Due: noon()}}}
		}
		if got := mustParse(t, "version: 1\n"+tt.src).Evaluate(img, noon()).Findings[0]; got.Class != tt.want {
			t.Errorf("%s: %s (%s), want %s", name, got.Class, got.Reason, tt.want)
		}
	}
}

// To leave out earlier evidence never gives more time than the ceiling, and leaving out
// all but the runs that did not see a finding never gives more time than the newest of
// them: the more recent, the later.
func TestEarlierEvidenceCannotBeGamed(t *testing.T) {
	p := mustParse(t, "version: 1\n"+firstSeenSource)
	due := func(img *evidence.Image) map[string]time.Time {
		out := map[string]time.Time{}
		for _, f := range p.Evaluate(img, noon()).Findings {
			out[f.ID] = f.Due
		}
		return out
	}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 4))
		var all []evidence.Finding
		for i := range 4 {
			f := high(fmt.Sprintf("CVE-2026-%04d", i), "a", "1")
			f.Published = ptr(noon().AddDate(0, 0, -r.IntN(80)))
			all = append(all, f)
		}
		img := goodImage()
		img.Scan.Findings = all
		published := due(img)
		for range 1 + r.IntN(5) {
			var some []evidence.Finding
			for _, f := range all {
				if r.IntN(2) == 0 {
					some = append(some, f)
				}
			}
			img.Earlier = append(img.Earlier, earlierRun(r.IntN(90), some...))
		}
		full := due(img)
		for _, f := range all {
			if last := f.Published.AddDate(0, 0, 60); full[f.ID].After(last) {
				t.Fatalf("seed %d: %s is due %s, after the ceiling %s", seed, f.ID, full[f.ID], last)
			}
			if full[f.ID].Before(published[f.ID]) {
				t.Fatalf("seed %d: %s has less time than from its publication", seed, f.ID)
			}
			// The runs before the one that saw it first, alone.
			cut := *img
			cut.Earlier = nil
			first := time.Time{}
			for _, e := range img.Earlier {
				for _, had := range e.Image.Scan.Findings {
					if had.ID == f.ID && (first.IsZero() || e.Time.Before(first)) {
						first = e.Time
					}
				}
			}
			for _, e := range img.Earlier {
				if e.Time.Before(first) {
					cut.Earlier = append(cut.Earlier, e)
				}
			}
			if got := due(&cut)[f.ID]; !first.IsZero() && got.After(full[f.ID]) {
				t.Fatalf("seed %d: %s is due %s with the runs that did not see it, %s with all", seed, f.ID, got, full[f.ID])
			}
		}
	}
}
