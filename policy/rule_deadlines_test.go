package policy

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// rows has deadlines of every kind.
const deadlineSource = "vulnerabilities: {max: {critical: 0, high: 0, medium: 0, low: 0}}\ncoverage: {database-max-age: 999d}\nexploited: {kev: warn, database-max-age: 999d}\n" +
	"deadlines:\n  ceiling: 100d\n  rows:\n" +
	"  - {kev: true, exposure: public, within: 3d}\n" +
	"  - {kev: true, within: due-date}\n" +
	"  - {epss: 0.5, within: 7d}\n" +
	"  - {severity: critical, within: 15d}\n" +
	"  - {severity: high, within: 400d}\n"

func TestDeadlineTable(t *testing.T) {
	midnight := noon().Truncate(24 * time.Hour)
	about := func(sev evidence.Severity, published int, known ...evidence.Exploitation) func(*evidence.Image) {
		return scan(func(s *evidence.Scan) {
			f := finding("CVE-2026-0001", sev)
			f.Published = ptr(noon().AddDate(0, 0, -published))
			s.Findings = []evidence.Finding{f}
			s.Exploited.Known = known
		})
	}
	kev := func(added, due int) evidence.Exploitation {
		return evidence.Exploitation{ID: "CVE-2026-0001", KEV: &evidence.KEVEntry{Added: midnight.AddDate(0, 0, added), Due: midnight.AddDate(0, 0, due)}}
	}
	internal := strings.Replace(deadlineSource, "coverage:", "exposure: internal\ncoverage:", 1)
	undated := func(i *evidence.Image) {
		about("critical", 1)(i)
		i.Scan.Findings[0].Published = nil
	}
	runRuleCases(t, map[string]ruleCase{
		"critical, in time":                 {deadlineSource, about("critical", 14), ruleMax, ResultPass, ""},
		"critical, too late":                {deadlineSource, about("critical", 15), ruleMax, ResultFail, ""},
		"high, up to the ceiling":           {deadlineSource, about("high", 99), ruleMax, ResultPass, ""},
		"high, beyond the ceiling":          {deadlineSource, about("high", 100), ruleMax, ResultFail, ""},
		"no row":                            {deadlineSource, about("medium", 0), ruleMax, ResultFail, ""},
		"unrated is no severity of a row":   {strings.Replace(deadlineSource, "low: 0", "unknown: 0", 1), about("unknown", 0), ruleMax, ResultFail, ""},
		"no date":                           {deadlineSource, undated, ruleMax, ResultFail, ""},
		"a date in the future":              {deadlineSource, about("critical", -2), ruleMax, ResultFail, ""},
		"public and exploited, in time":     {deadlineSource, about("high", 50, kev(-2, -1)), ruleMax, ResultPass, ""},
		"public and exploited, too late":    {deadlineSource, about("high", 1, kev(-3, 20)), ruleMax, ResultFail, ""},
		"internal and exploited, in time":   {internal, about("high", 50, kev(-30, 0)), ruleMax, ResultPass, ""},
		"internal and exploited, too late":  {internal, about("high", 1, kev(-30, -1)), ruleMax, ResultFail, ""},
		"exploited, older than the ceiling": {internal, about("high", 101, kev(-30, 9)), ruleMax, ResultFail, ""},
		"exploited gives no row":            {deadlineSource, about("low", 50, kev(-2, -1)), ruleMax, ResultFail, ""},
		"exploited gives no more time":      {deadlineSource, about("critical", 20, kev(-1, 20)), ruleMax, ResultFail, ""},
		"likely, in time":                   {deadlineSource, about("high", 6, evidence.Exploitation{ID: "CVE-2026-0001", EPSS: &evidence.EPSSScore{Probability: 0.5}}), ruleMax, ResultPass, ""},
		"likely, too late":                  {deadlineSource, about("high", 7, evidence.Exploitation{ID: "CVE-2026-0001", EPSS: &evidence.EPSSScore{Probability: 0.5}}), ruleMax, ResultFail, ""},
		"without the catalogue":             {deadlineSource, scan(func(s *evidence.Scan) { s.Exploited.KEV = nil }), ruleDeadlines, ResultUndecided, "was not read"},
		"without the scores":                {deadlineSource, scan(func(s *evidence.Scan) { s.Exploited.EPSS = nil }), ruleDeadlines, ResultUndecided, "was not read"},
		"with both":                         {deadlineSource, about("critical", 1), ruleDeadlines, ResultPass, "1 of 1 findings before their deadline"},
		"first seen ten days ago":           {firstSeenSource, seenBefore(10, "a"), ruleMax, ResultPass, ""},
		"first seen too long ago":           {firstSeenSource, seenBefore(15, "a"), ruleMax, ResultFail, ""},
		"first seen by another signer":      {firstSeenSource, seenBefore(10, "b"), ruleMax, ResultFail, ""},
		"rows that need no feed":            {"vulnerabilities: {max: {high: 0}}\ndeadlines: {rows: [{within: 9d}]}\n", scan(func(s *evidence.Scan) { s.Exploited = nil }), ruleDeadlines, ResultPass, ""},
	})
}

// overdueSource limits critical findings only, and has rows about exploited ones.
const overdueSource = "vulnerabilities: {max: {critical: 0}, unfixed: warn}\ncoverage: {database-max-age: 999d}\nexploited: {kev: warn, database-max-age: 999d}\n" +
	"deadlines:\n  rows:\n  - {kev: true, exposure: public, within: 3d}\n  - {epss: 0.5, within: 7d}\n"

// Whoever writes a row about exploited findings expects that one of them blocks when its
// time is over, whatever its severity.
func TestOverdueTable(t *testing.T) {
	const id = "CVE-2026-0001"
	about := func(sev evidence.Severity, change func(*evidence.Finding), known ...evidence.Exploitation) func(*evidence.Image) {
		return scan(func(s *evidence.Scan) {
			f := finding(id, sev)
			f.Published, f.FixedVersion = ptr(noon().AddDate(0, 0, -30)), "9"
			if change != nil {
				change(&f)
			}
			s.Findings = []evidence.Finding{f}
			s.Exploited.Known = known
		})
	}
	kev := func(added int) evidence.Exploitation {
		day := noon().Truncate(24*time.Hour).AddDate(0, 0, added)
		return evidence.Exploitation{ID: id, KEV: &evidence.KEVEntry{Added: day, Due: day.AddDate(0, 0, 21)}}
	}
	likely := func(p float64) evidence.Exploitation {
		return evidence.Exploitation{ID: id, EPSS: &evidence.EPSSScore{Probability: p}}
	}
	both := kev(-1)
	both.EPSS = likely(0.9).EPSS
	undated := func(f *evidence.Finding) { f.Published = nil }
	unfixed := func(f *evidence.Finding) { f.FixedVersion = "" }
	internal := strings.Replace(overdueSource, "coverage:", "exposure: internal\ncoverage:", 1)
	excepted := overdueSource + "exceptions: [{id: " + id + ", reason: r, expires: 2026-07-01}]\n"
	stale := strings.Replace(overdueSource, "kev: warn, database-max-age: 999d", "kev: warn, database-max-age: 1h", 1)
	noMax := strings.Replace(overdueSource, "{max: {critical: 0}, unfixed: warn}", "{deny: [CVE-2000-0001]}", 1)
	runRuleCases(t, map[string]ruleCase{
		"low, in time":                    {overdueSource, about("low", nil, kev(-2)), ruleDeadlines, ResultPass, "1 of 1"},
		"low, too late":                   {overdueSource, about("low", nil, kev(-4)), ruleDeadlines, ResultFail, "1 finding past the deadline"},
		"unknown, too late":               {overdueSource, about("unknown", nil, kev(-4)), ruleDeadlines, ResultFail, ""},
		"low, likely, too late":           {overdueSource, about("low", nil, likely(0.5)), ruleDeadlines, ResultFail, ""},
		"low, unlikely":                   {overdueSource, about("low", nil, likely(0.4)), ruleDeadlines, ResultPass, "0 of 1"},
		"likely and without a date":       {overdueSource, about("low", undated, likely(0.5)), ruleDeadlines, ResultFail, "1 finding"},
		"listed in time, likely too late": {overdueSource, about("low", nil, both), ruleDeadlines, ResultFail, ""},
		"the baseline has it": {overdueSource + "baseline: {ceiling: {low: 9}, until: 2026-07-31, files: [" + baselineHash + "]}\n", func(i *evidence.Image) {
			about("low", nil, likely(0.5))(i)
			based(i.Scan.Findings, i.Scan.Findings)(i)
			i.Scan.Exploited.Known = []evidence.Exploitation{likely(0.5)}
		}, ruleDeadlines, ResultFail, ""},
		"another exposure":              {internal, about("low", nil, kev(-4)), ruleDeadlines, ResultPass, ""},
		"not exploited":                 {overdueSource, about("low", nil), ruleDeadlines, ResultPass, ""},
		"without a fix":                 {overdueSource, about("low", unfixed, kev(-4)), ruleDeadlines, ResultPass, ""},
		"without a fix, max":            {overdueSource, about("critical", unfixed, kev(-4)), ruleMax, ResultPass, ""},
		"excepted":                      {excepted, about("low", nil, kev(-4)), ruleDeadlines, ResultPass, ""},
		"too late by an old catalogue":  {stale, about("low", nil, kev(-4)), ruleDeadlines, ResultFail, ""},
		"in time by an old catalogue":   {stale, about("low", nil, kev(-2)), ruleDeadlines, ResultUndecided, "allowed"},
		"no limit of severities at all": {noMax, about("low", nil, kev(-4)), ruleDeadlines, ResultFail, ""},
	})
	p := mustParse(t, "version: 1\n"+strings.Replace(overdueSource, ", unfixed: warn", "", 1))
	img := goodImage()
	about("low", nil, kev(-2))(img)
	if f := p.Evaluate(img, noon()).Findings[0]; f.Class != ClassGrace || f.Due.IsZero() || !strings.Contains(f.Mark, "deadline 2026-06-") {
		t.Errorf("%+v", f)
	}
}

// What is learnt of exploitation never improves a verdict.
func TestExploitationNeverGivesTime(t *testing.T) {
	better := map[Decision]int{Denied: 0, Undecided: 1, Passed: 2}
	for _, src := range []string{deadlineSource, overdueSource, "vulnerabilities: {max: {critical: 0}}\nexploited: {kev: warn}\ndeadlines: {rows: [{kev: true, within: due-date}, {epss: 0.2, severity: low, within: 1d}, {within: 30d}]}\n"} {
		p := mustParse(t, "version: 1\n"+src)
		for seed := range uint64(400) {
			r := rand.New(rand.NewPCG(seed, 9))
			img := randomImage(r)
			if img.Scan == nil || len(img.Scan.Findings) == 0 {
				continue
			}
			all := img.Scan.Exploited
			if all == nil {
				continue
			}
			before := p.Evaluate(img, noon()).Decision
			more := *all
			f := img.Scan.Findings[r.IntN(len(img.Scan.Findings))]
			day := noon().Truncate(24*time.Hour).AddDate(0, 0, -r.IntN(60))
			x := evidence.Exploitation{ID: strings.ToUpper(f.ID), KEV: &evidence.KEVEntry{Added: day, Due: day.AddDate(0, 0, r.IntN(40))}}
			if r.IntN(2) == 0 {
				x.EPSS = &evidence.EPSSScore{Probability: r.Float64()}
			}
			if slices.ContainsFunc(all.Known, func(k evidence.Exploitation) bool { return k.ID == x.ID }) {
				continue
			}
			more.Known = append(slices.Clone(all.Known), x)
			slices.SortFunc(more.Known, func(a, b evidence.Exploitation) int { return strings.Compare(a.ID, b.ID) })
			img.Scan.Exploited = &more
			if after := p.Evaluate(img, noon()).Decision; better[after] > better[before] {
				t.Fatalf("seed %d: %s, and %s after %s became known to be exploited", seed, before, after, f.ID)
			}
		}
	}
}

// Every finding with a deadline says it, also when it has passed.
func TestDeadlineIsSaid(t *testing.T) {
	p := mustParse(t, "version: 1\n"+deadlineSource)
	for published, want := range map[int]string{10: "deadline 2026-06-20", 20: "deadline 2026-06-10, which has passed"} {
		img := goodImage()
		f := finding("CVE-2026-0001", evidence.SeverityCritical)
		f.Published = ptr(noon().AddDate(0, 0, -published))
		with(f)(img)
		got := p.Evaluate(img, noon()).Findings[0]
		if got.Mark != want || !got.Due.Equal(f.Published.AddDate(0, 0, 15)) {
			t.Errorf("%q, %s, want %q", got.Mark, got.Due, want)
		}
		if got.Class == ClassGrace && !got.GraceUntil.Equal(got.Due) {
			t.Errorf("grace until %s, due %s", got.GraceUntil, got.Due)
		}
	}
}

// Time only takes deadlines away, and being exploited never gives more time than the
// same rows give without it, where the rows for exploited findings are the shortest.
func TestDeadlinesOnlyRunOut(t *testing.T) {
	p := mustParse(t, "version: 1\n"+deadlineSource)
	for seed := range uint64(60) {
		img := randomImage(rand.New(rand.NewPCG(seed, 5)))
		before := map[*evidence.Finding]Class{}
		for day := range 40 {
			v := p.Evaluate(img, noon().AddDate(0, 0, day))
			for _, f := range v.Findings {
				if was := before[f.Finding]; day > 0 && was == ClassBlocking && f.Class == ClassGrace {
					t.Fatalf("seed %d: %s has grace again on day %d", seed, f.ID, day)
				}
				before[f.Finding] = f.Class
			}
		}
	}
}

func TestDeadlinesThatMakeNoSense(t *testing.T) {
	for src, want := range map[string]string{
		"deadlines: {ceiling: 9d}":                                                                "without deadlines.rows",
		"deadlines: {rows: []}":                                                                   "empty list",
		"deadlines: {rows: [{severity: high}]}":                                                   "within",
		"deadlines: {rows: [{within: due-date}]}":                                                 "kev: true",
		"deadlines: {rows: [{kev: false, within: 3d}]}":                                           "is false",
		"deadlines: {rows: [{within: 3d}, {severity: high, within: 1d}]}":                         "never reached",
		"deadlines: {rows: [{within: soon}]}":                                                     "36h, 7d or 2w",
		"deadlines: {rows: [{sevirity: high, within: 1d}]}":                                       "severity",
		"deadlines: {rows: [{kev: true, within: 3d}]}\nexploited: {kev: fail}":                    "blocks at once",
		"deadlines: {rows: [{within: 3d}]}\nvulnerabilities: {max: {high: 0}, grace: {high: 1d}}": "takes its place",
		"exposure: secret":               "public",
		"deadlines: {clock: first-seen}": "without deadlines.rows",
		"deadlines: {rows: [{within: 3d}], clock: first-seen, signed-by: [a]}":                         "there is no ceiling",
		"deadlines: {rows: [{within: 3d}], clock: first-seen, ceiling: 9d}":                            "whose seals",
		"deadlines: {rows: [{within: 3d}], clock: first-seen, ceiling: 9d, signed-by: [a]}":            "trusts no signer",
		"deadlines: {rows: [{within: 3d}], signed-by: [a]}":                                            "deadlines.signed-by has no effect",
		"deadlines: {rows: [{kev: true, within: 3d}], clock: first-seen, ceiling: 9d, signed-by: [a]}": "every row has kev",
		"deadlines: {rows: [{epss: 0.5, within: 3d}]}\nexploited: {epss: {probability: 0.5}}":          "block at once",
		"deadlines: {rows: [{kev: true, within: 3d}]}\nexploited: {kev: warn, exceptions: true}":       "exploited only warns",
		"exposure: internal": "no row of deadlines asks",
		"deadlines: {rows: [{within: 3d}]}\nexposure: internal": "no row of deadlines asks",
		"deadlines: {rows: [{within: 3d}], clock: first-sen}":   "first-seen",
	} {
		src += "\n"
		if !strings.Contains(src, "vulnerabilities:") {
			src += "vulnerabilities: {max: {critical: 0}}\n"
		}
		_, err := Parse("p", []byte("version: 1\n"+src))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", src, err, want)
		}
	}
}

// What has an effect for some images, or above a base, is no mistake.
func TestDeadlinesThatMakeSense(t *testing.T) {
	const rows = "deadlines: {rows: [{kev: true, exposure: internal, within: 30d}, {epss: 0.5, within: 3d}, {within: 9d}]}\n"
	override := func(keys string) string {
		return "overrides: [{images: ['r.example.no/**'], reason: r, owner: o, expires: 2027-01-01, " + keys + "}]\n"
	}
	for _, src := range []string{
		rows + "exploited: {kev: warn}\n" + override("exploited: {kev: fail}"),
		rows + "exploited: {epss: {probability: 0.9}}\n" + override("exploited: {epss: {probability: 0.1}}"),
		rows + override("exposure: internal"),
		trusting + "deadlines: {rows: [{within: 9d}], clock: first-seen, ceiling: 99d, signed-by: [a]}\n" + override("deadlines: {clock: published}"),
	} {
		if _, err := Parse("p", []byte("version: 1\nvulnerabilities: {max: {critical: 0}}\n"+src)); err != nil {
			t.Errorf("%v\nof\n%s", err, src)
		}
	}
	base := "version: 1\nvulnerabilities: {max: {critical: 0}}\n" + trusting + "exploited: {kev: warn}\n" +
		"deadlines: {rows: [{kev: true, within: 3d}, {within: 9d}], clock: first-seen, ceiling: 99d, signed-by: [a]}\n"
	load := func(string, Base) (string, []byte, error) { return "base.yaml", []byte(base), nil }
	for _, child := range []string{"exploited: {kev: fail}\n", "deadlines: {clock: published}\n"} {
		if _, err := ParseOn("p", []byte("version: 1\nextends: {file: base.yaml, sha256: "+fmt.Sprintf("%x", sha256.Sum256([]byte(base)))+"}\n"+child), load); err != nil {
			t.Errorf("%v\nof\n%s", err, child)
		}
	}
}

var _ = addValues(deadlineValues())

// deadlineValues are the rows of keyValues for deadlines.
func deadlineValues() map[string]values {
	row := func(days int) string { return fmt.Sprintf("[{severity: high, within: %dd}]", days) }
	return map[string]values{
		ruleDeadlines:        {base: row(5), loose: []string{row(6), row(4), "[{within: 5d}]"}, strict: []string{row(5)}},
		ruleDeadlinesCeiling: {with: "deadlines: {rows: " + row(5) + "}\n", base: "30d", loose: []string{"31d"}, strict: []string{"30d", "29d"}},
		ruleDeadlinesClock:   {with: trusting + "deadlines: {rows: " + row(5) + ", ceiling: 99d, signed-by: [a]}\n", base: clockPublished, loose: []string{clockFirstSeen}, strict: []string{clockPublished}},
		ruleHistoryBy:        {with: trusting + "deadlines: {rows: " + row(5) + ", ceiling: 99d, clock: first-seen}\n", base: "[a, b]", loose: []string{"[c]", "[a, c]"}, strict: []string{"[a]"}},
		ruleExposure:         {with: "deadlines: {rows: [{exposure: public, within: 5d}]}\n", base: exposurePublic, loose: []string{exposureInternal}, strict: []string{exposurePublic}},
	}
}
