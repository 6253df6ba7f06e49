package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/policy/evidence"
)

// excepting returns a policy with one exception for CVE-2026-0001.
func excepting(t testing.TB, keys string) *Policy {
	t.Helper()
	return mustParse(t, "version: 1\nvulnerabilities: {max: {high: 0}}\nexceptions:\n- {id: CVE-2026-0001, reason: because, expires: 2026-07-31"+keys+"}\n")
}

func TestExceptionMatches(t *testing.T) {
	plain := finding("CVE-2026-0001", "high")
	alias := edit(finding("GHSA-aaaa-bbbb-cccc", "high"), func(f *evidence.Finding) { f.Aliases = []string{"cve-2026-0001"} })
	deb := edit(plain, func(f *evidence.Finding) {
		f.Package = &evidence.Package{Name: "zlib1g", Version: "1:1.2.13.dfsg-1", Type: "debian", Class: evidence.ClassOS,
			PURL: "pkg:deb/debian/zlib1g@1.2.13.dfsg-1?arch=amd64&distro=debian-12.5&epoch=1"}
	})
	noPURL := edit(plain, func(f *evidence.Finding) { f.Package.PURL = "" })
	scoped := edit(plain, func(f *evidence.Finding) {
		f.Package.Name, f.Package.PURL, f.Package.Version = "@angular/core", "pkg:npm/%40angular/core@15.0.0", "15.0.0"
	})
	weird := edit(plain, func(f *evidence.Finding) { f.Package.Version = "four" })
	for _, c := range []struct {
		keys    string
		finding evidence.Finding
		want    ExceptionStatus
	}{
		{"", plain, ExceptionUsed},
		{"", alias, ExceptionUsed},
		{"", finding("CVE-2026-0011", "high"), ExceptionUnused},
		{", package: lodash", plain, ExceptionUsed},
		{", package: lodas", plain, ExceptionOutOfScope},
		{", package: Lodash", plain, ExceptionOutOfScope},
		{", package: \"pkg:npm/lodash\"", plain, ExceptionUsed},
		{", package: \"pkg:npm/lodash\"", noPURL, ExceptionOutOfScope},
		{", package: \"pkg:pypi/lodash\"", plain, ExceptionOutOfScope},
		{", package: \"pkg:npm/x/lodash\"", plain, ExceptionOutOfScope},
		{", package: \"pkg:npm/lodash@4.17.15\"", plain, ExceptionUsed},
		{", package: \"pkg:npm/lodash@4.17.16\"", plain, ExceptionOutOfScope},
		{", package: \"pkg:npm/lodash@>=4.17.0 <4.17.21\"", plain, ExceptionUsed},
		{", package: \"pkg:npm/lodash@>=4.17.0,<4.17.15\"", plain, ExceptionOutOfScope},
		{", package: \"pkg:npm/lodash@>= 4.18.0 || <4.17.16\"", plain, ExceptionUsed},
		{", package: \"pkg:npm/lodash@!=4.17.15\"", plain, ExceptionOutOfScope},
		{", package: \"pkg:npm/lodash@<5.0.0\"", weird, ExceptionOutOfScope},
		{", package: \"pkg:npm/lodash@four\"", weird, ExceptionUsed},
		{", package: \"pkg:npm/%40angular/core\"", scoped, ExceptionUsed},
		{", package: \"pkg:npm/@angular/core@<16.0.0\"", scoped, ExceptionUsed},
		{", package: \"@angular/core\"", scoped, ExceptionUsed},
		{", package: \"pkg:deb/debian/zlib1g\"", deb, ExceptionUsed},
		{", package: \"pkg:deb/debian/zlib1g?arch=amd64\"", deb, ExceptionUsed},
		{", package: \"pkg:deb/debian/zlib1g?arch=arm64\"", deb, ExceptionOutOfScope},
		{", package: \"pkg:deb/debian/zlib1g@<1:1.2.14\"", deb, ExceptionUsed},
		{", package: \"pkg:deb/debian/zlib1g@<1.2.14\"", deb, ExceptionOutOfScope}, // the epoch counts
		{", package: \"pkg:deb/ubuntu/zlib1g\"", deb, ExceptionOutOfScope},
		{", images: [\"registry.example.no/shop/*\"]", plain, ExceptionUsed},
		{", images: [\"registry.example.no/*\"]", plain, ExceptionOutOfScope},
		{", images: [\"other.no/**\", \"registry.example.no/**\"]", plain, ExceptionUsed},
		{", paths: [\"app/**/lodash/*\"]", plain, ExceptionUsed},
		{", paths: [\"/app/**\"]", plain, ExceptionUsed},
		{", paths: [\"opt/**\"]", plain, ExceptionOutOfScope},
		{", paths: [\"**\"]", deb, ExceptionOutOfScope}, // it has no path
	} {
		img := goodImage()
		with(c.finding)(img)
		v := excepting(t, c.keys).Evaluate(img, noon())
		if got := v.Exceptions[0].Status; got != c.want {
			t.Errorf("%s: %s, want %s", c.keys, got, c.want)
		}
		if got := v.Findings[0].Class == ClassExcepted; got != (c.want == ExceptionUsed) {
			t.Errorf("%s: class %s", c.keys, v.Findings[0].Class)
		}
	}
}

// An exception applies through the end of its last day in UTC, in every time
// zone of the clock.
func TestExceptionEnds(t *testing.T) {
	oslo := time.FixedZone("+2", 2*3600)
	for _, c := range []struct {
		now    time.Time
		status ExceptionStatus
		left   int
		soon   bool
	}{
		{time.Date(2026, 7, 16, 23, 59, 59, 0, time.UTC), ExceptionUsed, 15, false},
		{time.Date(2026, 7, 17, 0, 0, 0, 0, time.UTC), ExceptionUsed, 14, true},
		{time.Date(2026, 7, 30, 12, 0, 0, 0, time.UTC), ExceptionUsed, 1, true},
		{time.Date(2026, 7, 31, 0, 0, 0, 0, time.UTC), ExceptionUsed, 0, true},
		{time.Date(2026, 7, 31, 23, 59, 59, 999, time.UTC), ExceptionUsed, 0, true},
		{time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC), ExceptionExpired, -1, false},
		{time.Date(2026, 8, 1, 1, 59, 59, 0, oslo), ExceptionUsed, 0, true},
		{time.Date(2026, 8, 1, 2, 0, 0, 0, oslo), ExceptionExpired, -1, false},
		{time.Date(2036, 8, 1, 0, 0, 0, 0, time.UTC), ExceptionExpired, -3654, false},
	} {
		img := goodImage()
		with(finding("CVE-2026-0001", "high"))(img)
		img.Scan.Database.UpdatedAt = c.now
		img.Scan.OS.EndOfLife = nil
		v := excepting(t, "").Evaluate(img, c.now)
		u := v.Exceptions[0]
		if u.Status != c.status || u.DaysLeft != c.left || u.EndsSoon != c.soon || u.Matches != 1 {
			t.Errorf("%v: %+v, want %s, %d days, soon %v", c.now, u, c.status, c.left, c.soon)
		}
		if want := map[ExceptionStatus]Decision{ExceptionUsed: Passed, ExceptionExpired: Denied}[c.status]; v.Decision != want {
			t.Errorf("%v: %s, want %s", c.now, v.Decision, want)
		}
		if r := result(t, v, ruleExceptions); (r.Result == ResultWarn) != (c.soon || c.status == ExceptionExpired) {
			t.Errorf("%v: exceptions is %s: %v", c.now, r.Result, r.Details)
		}
	}
}

func TestExceptionLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limits   string
		severity evidence.Severity
		days     int
		status   ExceptionStatus
		rule     Result
	}{
		"within":          {"max-days: 46", "high", 46, ExceptionUsed, ResultPass},
		"too far":         {"max-days: 45", "high", 46, ExceptionRefused, ResultFail},
		"too far, unused": {"max-days: 45", "none", 46, ExceptionUnused, ResultWarn},
		"never critical":  {"never: {severity: critical}", "critical", 46, ExceptionRefused, ResultPass},
		"high is fine":    {"never: {severity: critical}", "high", 46, ExceptionUsed, ResultPass},
		"unknown is fine": {"never: {severity: critical}", "", 46, ExceptionUsed, ResultPass},
		"never high":      {"never: {severity: high}", "high", 46, ExceptionRefused, ResultPass},
		"high and worse":  {"never: {severity: high}", "CRITICAL", 46, ExceptionRefused, ResultPass},
		"unknown is high": {"never: {severity: high}", "", 46, ExceptionRefused, ResultPass},
		"medium below":    {"never: {severity: high}", "medium", 46, ExceptionUsed, ResultPass},
	} {
		p := mustParse(t, "version: 1\nvulnerabilities: {max: {critical: 0, high: 0, medium: 0}}\nexceptions:\n- {id: CVE-2026-0001, reason: because, expires: 2026-07-31}\nexception-limits: {"+c.limits+"}\n")
		img := goodImage()
		if c.severity != "none" {
			with(finding("CVE-2026-0001", c.severity))(img)
		}
		v := p.Evaluate(img, noon())
		u := v.Exceptions[0]
		if u.Status != c.status || u.DaysLeft != c.days {
			t.Errorf("%s: %+v, want %s", name, u, c.status)
		}
		if (u.Why != "") != (c.status == ExceptionRefused) {
			t.Errorf("%s: why = %q", name, u.Why)
		}
		if r := result(t, v, ruleExceptionLimits); r.Result != c.rule {
			t.Errorf("%s: exception-limits is %s (%s)", name, r.Result, r.Message)
		}
		if want := map[bool]Decision{true: Denied, false: Passed}[c.status == ExceptionRefused]; v.Decision != want {
			t.Errorf("%s: %s, want %s", name, v.Decision, want)
		}
	}
}

// What vulnerabilities.deny names under another id beats an exception too.
func TestDenyBeatsExceptions(t *testing.T) {
	p := mustParse(t, "version: 1\nvulnerabilities: {deny: [GHSA-aaaa-bbbb-cccc]}\nexceptions:\n- {id: CVE-2026-0001, reason: because, expires: 2026-07-31}\n")
	img := goodImage()
	with(edit(finding("CVE-2026-0001", "low"), func(f *evidence.Finding) { f.Aliases = []string{"GHSA-aaaa-bbbb-cccc"} }))(img)
	v := p.Evaluate(img, noon())
	if v.Decision != Denied || v.Exceptions[0].Status != ExceptionRefused || !strings.Contains(v.Exceptions[0].Why, "denied") {
		t.Errorf("%s, %+v", v.Decision, v.Exceptions[0])
	}
}

// An exception is about one finding and covers no other finding.
func TestExceptionSilencesNothingElse(t *testing.T) {
	for name, change := range map[string]func(*evidence.Image){
		"gap": gap(evidence.GapPackageDatabase), "secret": secret("low"), "user": user("root", 0, false),
	} {
		img := goodImage()
		with(finding("CVE-2026-0001", "high"))(img)
		change(img)
		p := mustParse(t, "version: 1\nconfig: {user: non-root}\nsecrets: {max: 0}\nvulnerabilities: {max: {high: 0}}\nexceptions:\n- {id: CVE-2026-0001, reason: because, expires: 2026-07-31}\n")
		if v := p.Evaluate(img, noon()); v.Decision == Passed {
			t.Errorf("%s passes", name)
		}
	}
}

// When the packages were not collected, it is not known which exceptions are
// unused.
func TestUsesOfUnscannedImages(t *testing.T) {
	img := goodImage()
	img.Scan = nil
	if v := excepting(t, "").Evaluate(img, noon()); len(v.Exceptions) != 0 {
		t.Errorf("got %+v", v.Exceptions)
	}
	if v := excepting(t, "").Evaluate(img, noon().AddDate(1, 0, 0)); len(v.Exceptions) != 1 || v.Exceptions[0].Status != ExceptionExpired {
		t.Errorf("got %+v, want the expired one", v.Exceptions)
	}
}

func TestMergeUses(t *testing.T) {
	a := &Exception{ID: "CVE-2026-0001", Position: Position{"p", 9, 1}}
	b := &Exception{ID: "CVE-2026-0002", Position: Position{"p", 3, 1}}
	use := func(e *Exception, s ExceptionStatus, n int) ExceptionUse {
		return ExceptionUse{Exception: e, Status: s, Matches: n}
	}
	order := []ExceptionStatus{ExceptionUnused, ExceptionOutOfScope, ExceptionRefused, ExceptionUsed, ExceptionExpired}
	for i, low := range order {
		for _, high := range order[i:] {
			for _, all := range [][][]ExceptionUse{{{use(a, low, 1)}, {use(a, high, 1)}}, {{use(a, high, 1)}, {use(a, low, 1)}}} {
				got := MergeUses(all...)
				want := 1
				if low == high {
					want = 2
				}
				if len(got) != 1 || got[0].Status != high || got[0].Matches != want {
					t.Errorf("%s with %s = %+v", low, high, got)
				}
			}
		}
	}
	got := MergeUses([]ExceptionUse{use(a, ExceptionUsed, 1), use(b, ExceptionUnused, 0)}, nil, []ExceptionUse{{}})
	if diff := cmp.Diff([]ExceptionUse{use(b, ExceptionUnused, 0), use(a, ExceptionUsed, 1)}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	// The same exception read from a saved report is still the same.
	copied := *a
	if got := MergeUses([]ExceptionUse{use(a, ExceptionUsed, 1)}, []ExceptionUse{use(&copied, ExceptionUsed, 2)}); len(got) != 1 || got[0].Matches != 3 {
		t.Errorf("got %+v", got)
	}
	if got := MergeUses(); got != nil {
		t.Errorf("MergeUses() = %v", got)
	}
}

func TestDaysLeft(t *testing.T) {
	e := Exception{Expires: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	for day, want := range map[string]int{"2026-02-28T23:59:59Z": 1, "2026-03-01T00:00:00Z": 0, "2026-03-01T23:59:59+02:00": 0, "2026-03-02T00:30:00+02:00": 0, "2026-03-02T00:00:00Z": -1} {
		now, err := time.Parse(time.RFC3339, day)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.daysLeft(now); got != want {
			t.Errorf("%s: %d days left, want %d", day, got, want)
		}
		if got := e.expired(now); got != (want < 0) {
			t.Errorf("%s: expired = %v", day, got)
		}
	}
}
