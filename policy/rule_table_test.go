package policy

import (
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// A scheme that matches every tag is none, and adding one loosens the policy.
func TestReleaseTagSchemes(t *testing.T) {
	for glob, ok := range map[string]bool{
		"*": false, "**": false, "?*": false, "????": false, "*-*": true, "[a-z0-9]*": false, "build-*": true, "[0-9][0-9][0-9]": true, "r*": true,
	} {
		_, err := Parse("p", []byte("version: 1\nreference: {pin: version, release-tags: [\""+glob+"\"]}\n"))
		if (err == nil) != ok {
			t.Errorf("%s: %v", glob, err)
		}
	}
	p := mustParse(t, "version: 1\nreference: {pin: version}\noverrides: [{images: [r.no/a], reference: {release-tags: [\"build-*\"]}}]\n")
	if len(p.overrides[0].loosens) != 1 {
		t.Errorf("release-tags loosens %v", p.overrides[0].loosens)
	}
}

func TestReleaseTagTable(t *testing.T) {
	const p = `reference: {pin: version, release-tags: ["build-*"]}`
	runRuleCases(t, map[string]ruleCase{
		"of the scheme":               {p, tagged("build-main"), rulePin, ResultFail, "main"},
		"a number of the scheme":      {p, tagged("build-4711"), rulePin, ResultPass, ""},
		"a moving word in the scheme": {p, tagged("build-4711-latest"), rulePin, ResultFail, "latest"},
		"of no scheme":                {p, tagged("job-4711"), rulePin, ResultFail, ""},
		"without a scheme":            {"reference: {pin: version}", tagged("build-4711"), rulePin, ResultFail, ""},
	})
}

// ownedAt gives the image a critical finding that the distribution owns.
func ownedAt(img *evidence.Image) {
	f := owned()
	f.Severity = evidence.SeverityCritical
	img.Scan.Findings = []evidence.Finding{f}
}

func TestDistroOwnedLevels(t *testing.T) {
	const limit = "vulnerabilities: {max: {critical: 0}"
	runRuleCases(t, map[string]ruleCase{
		"unset": {limit + "}", ownedAt, ruleMax, ResultPass, ""},
		"warn":  {limit + ", distro-owned: warn}", ownedAt, ruleMax, ResultPass, ""},
		"fail":  {limit + ", distro-owned: fail}", ownedAt, ruleMax, ResultFail, "1 critical"},
	})
}

func TestGraceTable(t *testing.T) {
	const p = "vulnerabilities: {max: {high: 0}, grace: {high: 7d}}"
	published := func(days int) func(*evidence.Image) {
		return scan(func(s *evidence.Scan) {
			f := finding("CVE-2026-0001", evidence.SeverityHigh)
			f.Published = ptr(noon().Add(-time.Duration(days) * 24 * time.Hour))
			s.Findings = []evidence.Finding{f}
		})
	}
	runRuleCases(t, map[string]ruleCase{
		"within": {p, published(6), ruleMax, ResultPass, ""},
		"over":   {p, published(7), ruleMax, ResultFail, "1 high"},
		"no grace for what is published in an hour": {"vulnerabilities: {max: {high: 0}}", scan(func(s *evidence.Scan) {
			f := finding("CVE-2026-0001", evidence.SeverityHigh)
			f.Published = ptr(noon().Add(time.Hour))
			s.Findings = []evidence.Finding{f}
		}), ruleMax, ResultFail, ""},
		"no grace": {"vulnerabilities: {max: {high: 0}}", published(1), ruleMax, ResultFail, ""},
	})
}

// Every kind of gap is judged by its own rule, at its own level.
func TestGapLevels(t *testing.T) {
	const asked = "vulnerabilities: {max: {high: 0}}\n"
	cases := map[string]ruleCase{}
	for _, g := range gapTexts() {
		id, kind := ruleCoverage+string(g.kind), string(g.kind)
		at := func(level string) string {
			if blinding(id) {
				return asked + "overrides: [{images: [\"registry.example.no/shop/*\"], coverage: {" + kind + ": " + level + "}}]"
			}
			return asked + "coverage: {" + kind + ": " + level + "}"
		}
		cases[kind+" fail"] = ruleCase{at(levelFail), gap(g.kind), id, ResultUndecided, ""}
		cases[kind+" warn"] = ruleCase{at(levelWarn), gap(g.kind), id, ResultWarn, ""}
		cases[kind+" none"] = ruleCase{at(levelFail), nil, id, ResultPass, ""}
	}
	runRuleCases(t, cases)
}

func TestExceptionRules(t *testing.T) {
	found := scan(func(s *evidence.Scan) {
		s.Findings = []evidence.Finding{finding("CVE-2026-0001", evidence.SeverityHigh)}
	})
	policy := func(expires, limits string) string {
		return "vulnerabilities: {max: {high: 0}}\nexceptions: [{id: CVE-2026-0001, reason: not reachable, expires: " + expires + "}]\n" + limits
	}
	runRuleCases(t, map[string]ruleCase{
		"used":                 {policy("2027-01-31", ""), found, ruleExceptions, ResultPass, ""},
		"unused":               {policy("2027-01-31", ""), nil, ruleExceptions, ResultPass, "0 of 1"},
		"expired":              {policy("2026-01-31", ""), found, ruleExceptions, ResultWarn, ""},
		"no limits":            {policy("2027-01-31", ""), found, ruleExceptionLimits, ResultOff, ""},
		"within limits":        {policy("2026-06-30", "exception-limits: {max-days: 90}"), found, ruleExceptionLimits, ResultPass, ""},
		"too far, and relied":  {policy("2027-01-31", "exception-limits: {max-days: 30}"), found, ruleExceptionLimits, ResultFail, ""},
		"never for a severity": {policy("2026-06-30", "exception-limits: {never: {severity: high}}"), found, ruleMax, ResultFail, ""},
	})
}

// Findings that no source rated count as high, and the answer says how many they
// are.
func TestUnratedFindingsAreNamed(t *testing.T) {
	change := scan(func(s *evidence.Scan) {
		for i, sev := range []evidence.Severity{evidence.SeverityHigh, evidence.SeverityUnknown, evidence.SeverityUnknown} {
			s.Findings = append(s.Findings, finding("CVE-2026-000"+itoa(i), sev))
		}
	})
	runRuleCases(t, map[string]ruleCase{
		"not listed": {"vulnerabilities: {max: {critical: 0, high: 0}}", change, ruleMax, ResultFail, "3 high (2 of them of unknown severity)"},
		"over":       {"vulnerabilities: {max: {critical: 0, high: 2}}", change, ruleMax, ResultFail, "3 high (2 of them of unknown severity), at most 2 allowed"},
		"listed":     {"vulnerabilities: {max: {high: 1, unknown: 1}}", change, ruleMax, ResultFail, "1 high, 2 unknown"},
	})
}
