package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Each test of this file kills a mutant that all other tests let pass
// (docs/testing.md), and says what would go wrong.

// judgeOf is one evaluation of an image that is good but for a change.
func judgeOf(t *testing.T, src string, change func(*evidence.Image)) *judge {
	t.Helper()
	img := goodImage()
	change(img)
	p := mustParse(t, "version: 1\n"+src+"\n")
	s := p.settingsFor(img.Reference.Name, noon()).settings
	return &judge{policy: p, s: s, img: img, now: noon(), need: p.needs(s)}
}

// What was not collected is marked as missing: no level may make a warning of
// it, also not one that a later policy language allows.
func TestWhatWasNotCollectedIsMissing(t *testing.T) {
	const vulns, user = "vulnerabilities: {max: {high: 0}}", "config: {user: non-root}"
	gaps := func(j *judge) answer { return checkGaps(j, evidence.GapUnknownOS) }
	noGaps := scan(func(s *evidence.Scan) { s.Coverage.Gaps = nil })
	noNeed := scan(func(s *evidence.Scan) { s.Need = evidence.NeedUser })
	for name, tt := range map[string]struct {
		policy string
		change func(*evidence.Image)
		check  func(*judge) answer
	}{
		"evidence":           {vulns, noConfigAt, checkEvidence},
		"layers":             {vulns, noScanAt, gaps},
		"packages":           {vulns, noNeed, gaps},
		"gaps":               {vulns, noGaps, gaps},
		"gaps, unattributed": {vulns + "\ncoverage: {unattributed: {max: 1}}", noGaps, ofPackages(ruleUnattributed, checkUnattributed)},
		"gaps, bills":        {vulns, noGaps, checkBundledSBOMs},
		"database":           {vulns, scan(func(s *evidence.Scan) { s.Database = nil }), ofPackages(ruleDatabaseAge, checkDatabaseAge)},
		"config":             {user, noConfigAt, checkUser},
		"other user":         {user, func(i *evidence.Image) { i.Config.User = "app" }, checkUser},
		"unresolved user":    {user, spec("app"), checkUser},
		"database, limits":   {vulns, scan(func(s *evidence.Scan) { s.Database = nil }), checkMax},
	} {
		if a := tt.check(judgeOf(t, tt.policy, tt.change)); !a.missing || a.result != ResultUndecided {
			t.Errorf("%s: result %s, missing %t", name, a.result, a.missing)
		}
	}
}

// The order of the rules says nothing about what was asked.
func TestDecideAsksInAnyOrder(t *testing.T) {
	asked, evident := RuleResult{Rule: rulePin, Result: ResultPass}, RuleResult{Rule: ruleEvidence, Result: ResultPass}
	for _, tt := range []struct {
		rules []RuleResult
		want  Decision
	}{
		{[]RuleResult{asked, evident}, Passed},
		{[]RuleResult{evident, asked}, Passed},
		{[]RuleResult{evident}, Undecided},
		{nil, Undecided},
	} {
		if got := decide(tt.rules); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.rules, got, tt.want)
		}
	}
}

// A level softens rules that are not met and changes no other answer.
func TestLevelsAndPasses(t *testing.T) {
	const p = "reference: {pin: digest}\nlevels: {reference.pin: warn}"
	v := mustParse(t, "version: 1\n"+p+"\n").Evaluate(goodImage(), noon())
	if r := result(t, v, rulePin); r.Result != ResultPass || r.Cure != "" {
		t.Errorf("a rule that is met and set to warn: %s, cure %q", r.Result, r.Cure)
	}
	v = mustParse(t, "version: 1\nreference: {pin: digest}\nplatforms: [linux/amd64]\nlevels: {reference.pin: off}\n").Evaluate(goodImage(), noon())
	if r := result(t, v, rulePin); r.Result != ResultOff || r.Position.Line != 4 {
		t.Errorf("a rule that is off: %s at %s, want the line of its level", r.Result, r.Position)
	}
}

func TestFewCountsTheFirstThatIsLeftOut(t *testing.T) {
	var many []string
	for range maxDetails + 1 {
		many = append(many, "x")
	}
	if got := few(many); len(got) != maxDetails+1 || got[maxDetails] != "... and 1 more" {
		t.Errorf("%d lines, the last is %q", len(got), got[len(got)-1])
	}
}

func TestEvidenceMutants(t *testing.T) {
	const p = "vulnerabilities: {max: {high: 0}}"
	runRuleCases(t, map[string]ruleCase{
		"digest of the manifest": {p, func(i *evidence.Image) { i.Reference.Digest = digestA }, ruleEvidence, ResultPass, ""},
		"before the digest":      {p, func(i *evidence.Image) { i.Digest = "x" + digestA }, ruleEvidence, ResultUndecided, "no digest"},
		"behind the digest":      {p, func(i *evidence.Image) { i.Digest = digestA + "a" }, ruleEvidence, ResultUndecided, "no digest"},
		"gaps of no interest":    {"reference: {pin: digest}", scan(func(s *evidence.Scan) { s.Coverage.Gaps = nil }), ruleEvidence, ResultPass, ""},
	})
	r := result(t, mustParse(t, "version: 1\n"+p+"\n").Evaluate(goodImage(), time.Time{}), ruleEvidence)
	if r.Result != ResultUndecided || !strings.Contains(r.Message, "time is not known") || r.Allowed == "" {
		t.Errorf("without a time: %+v", r)
	}
}

func TestUserMutants(t *testing.T) {
	const p, num = "config: {user: non-root}", "config: {user: numeric}"
	runRuleCases(t, map[string]ruleCase{
		"no uid, no reason":   {p, scan(func(s *evidence.Scan) { s.User = &evidence.User{Spec: "10001"} }), ruleUser, ResultUndecided, "no reason is given"},
		"resolved as a name":  {num, user("1000", 1000, false), ruleUser, ResultFail, "Kubernetes cannot verify"},
		"begins with a digit": {num, user("1000abc", 1000, true), ruleUser, ResultFail, "Kubernetes cannot verify"},
		"signed group":        {p, spec("1000:+5"), ruleUser, ResultUndecided, "was not resolved"},
		"group too large":     {p, spec("1000:99999999999999999999"), ruleUser, ResultUndecided, "was not resolved"},
	})
	for problem, want := range map[string]string{
		"USER app is nobody": "USER app is nobody", "no passwd": `USER "app" cannot be resolved: no passwd`,
		"": `USER "app" cannot be resolved: no reason is given`,
	} {
		if got := unresolvable("app", problem); got != want {
			t.Errorf("%q becomes %q, want %q", problem, got, want)
		}
	}
	for src, want := range map[string]string{p: "any user but root", num: "a user that is not root, written as a number"} {
		if a := checkUser(judgeOf(t, src, func(*evidence.Image) {})); a.allowed != want {
			t.Errorf("%s allows %q, want %q", src, a.allowed, want)
		}
	}
}

func TestGapMutants(t *testing.T) {
	const vulns, secrets = "vulnerabilities: {max: {high: 0}}", "secrets: {max: 0}"
	unknown, scanner := ruleCoverage+string(evidence.GapUnknownOS), ruleCoverage+string(evidence.GapScannerErrors)
	other := evidence.Gap{Kind: evidence.GapScannerErrors, Detail: "cut off"}
	onlySecrets := scan(func(s *evidence.Scan) { s.Need = evidence.NeedSecrets })
	runRuleCases(t, map[string]ruleCase{
		// A gap of one kind does not hide a gap of another kind.
		"implied beside another": {vulns, scan(func(s *evidence.Scan) { s.OS, s.Coverage.Gaps = nil, []evidence.Gap{other} }), unknown, ResultUndecided, "no operating system"},
		"gap without words":      {vulns, scan(func(s *evidence.Scan) { s.Coverage.Gaps = []evidence.Gap{{Kind: evidence.GapScannerErrors}} }), scanner, ResultUndecided, "something could not be seen"},
		"secrets alone":          {secrets, onlySecrets, scanner, ResultPass, ""},
		"two gaps":               {vulns, scan(func(s *evidence.Scan) { s.Coverage.Gaps = []evidence.Gap{other, other} }), scanner, ResultUndecided, "2 gaps"},
		"no rule asks":           {secrets, onlySecrets, ruleUnattributed, ResultOff, "no rule"},
		"no rule asks of SBOMs":  {secrets, onlySecrets, ruleBundledSBOMs, ResultOff, ""},
	})
	two := []evidence.Gap{{Kind: other.Kind, Detail: "first"}, {Kind: other.Kind, Detail: "second"}}
	a := checkGaps(judgeOf(t, vulns, scan(func(s *evidence.Scan) { s.Coverage.Gaps = two })), other.Kind)
	if !slices.Equal(a.details, []string{"first", "second"}) {
		t.Errorf("details %q, want both gaps", a.details)
	}
	a = checkGaps(judgeOf(t, vulns, scan(func(s *evidence.Scan) {
		s.Coverage.Gaps = []evidence.Gap{{Kind: evidence.GapPackageDatabase, Detail: "cut off"}}
		s.Coverage.Counts = []evidence.Count{{Path: "lib/apk/db/installed", Type: "apk", Expected: 9, Got: 3}}
	})), evidence.GapPackageDatabase)
	if a.message != "cut off" {
		t.Errorf("%q: what is named is told once", a.message)
	}
	if a := ofPackages(ruleUnattributed, checkUnattributed)(judgeOf(t, vulns+"\ncoverage: {unattributed: {max: 7}}", func(*evidence.Image) {})); a.allowed != "at most 7" {
		t.Errorf("allowed %q", a.allowed)
	}
}

func TestEndOfLifeMutants(t *testing.T) {
	const warn = "vulnerabilities: {max: {high: 0}}\ncoverage: {end-of-life: warn}"
	runRuleCases(t, map[string]ruleCase{
		"warn of what is supported": {warn, nil, ruleEndOfLife, ResultPass, ""},
		"warn of what is unknown":   {warn, scan(func(s *evidence.Scan) { s.OS = nil }), ruleEndOfLife, ResultOff, "not known"},
		"no family":                 {warn, scan(func(s *evidence.Scan) { s.OS.Family = "" }), ruleEndOfLife, ResultOff, "not known"},
	})
	j := judgeOf(t, warn, func(*evidence.Image) {})
	day := time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]Result{
		day.Add(24*time.Hour - time.Nanosecond): ResultPass, // the last day is supported to its end
		day.Add(24 * time.Hour):                 ResultFail,
	} {
		j.now = at
		if a := endOfLife(j, &evidence.Scan{OS: &evidence.OS{Family: "debian", Release: "12", EndOfLife: &day}}); a.result != want {
			t.Errorf("at %s: %s, want %s", at, a.result, want)
		}
	}
}

func TestDatabaseAgeMutants(t *testing.T) {
	for early, want := range map[time.Duration]Result{clockSkew: ResultPass, clockSkew + time.Nanosecond: ResultUndecided} {
		a := ofPackages(ruleDatabaseAge, checkDatabaseAge)(judgeOf(t, "vulnerabilities: {max: {high: 0}}", scan(func(s *evidence.Scan) { s.Database.UpdatedAt = noon().Add(early) })))
		if a.result != want || (a.cure == "") != (want == ResultPass) {
			t.Errorf("built %s in the future: %s, cure %q", early, a.result, a.cure)
		}
	}
	// As a number: the cases above move with the constant.
	if clockSkew != 10*time.Minute {
		t.Errorf("clocks may differ by %s, want 10m", clockSkew)
	}
}

// Every rule that a level can soften says that evidence is missing as such.
func TestNoLevelSoftensWhatIsMissing(t *testing.T) {
	const p = `reference: {pin: version, deny-tags: [latest], allow: ["r.example.no/**"]}
config: {user: non-root, deny-ports: [22], require-labels: [a], max-age: 30d, max-size: 1GB, require-healthcheck: true, deny-env: [X]}
platforms: [linux/amd64]
`
	empty := func(i *evidence.Image) {
		i.Reference.Name, i.Config, i.Platforms, i.Scan = "", nil, nil, nil
	}
	for _, id := range []string{
		rulePin, ruleDenyTags, ruleAllow, rulePlatforms,
		ruleUser, ruleDenyPorts, ruleLabels, ruleMaxAge, ruleMaxSize, ruleHealthcheck, ruleDenyEnv,
	} {
		j := judgeOf(t, p, func(*evidence.Image) {})
		empty(j.img)
		if a := Lookup(id).check(j); !a.missing || a.result != ResultUndecided {
			t.Errorf("%s: result %s, missing %t", id, a.result, a.missing)
		}
	}
}

func TestReferenceMutants(t *testing.T) {
	const deny = "reference: {deny-tags: [latest]}"
	runRuleCases(t, map[string]ruleCase{
		"no tag in a layout": {deny, from(evidence.SourceOCI, "oci:build"), ruleDenyTags, ResultPass, "no registry tag"},
		"no such source":     {deny, from("daemon", "x"), ruleDenyTags, ResultUndecided, "not known"},
		"no name":            {deny, from(evidence.SourceRegistry, ""), ruleDenyTags, ResultUndecided, "not known"},
	})
}

// The tolerance for dates in the future is part of what is tolerated.
func TestAgeMutants(t *testing.T) {
	const p, tolerance = "config: {max-age: 30d}", futureToleranceHours * time.Hour
	runRuleCases(t, map[string]ruleCase{
		"at the tolerance":   {p, created(noon().Add(tolerance)), ruleMaxAge, ResultPass, ""},
		"over the tolerance": {p, created(noon().Add(tolerance + time.Second)), ruleMaxAge, ResultUndecided, "in the future"},
	})
}

// A source that did not rate a finding takes nothing from its severity.
func TestSeverityWithoutARatingOfTheSource(t *testing.T) {
	const p = "vulnerabilities: {max: {critical: 0}, severity-source: [nvd]}"
	runRuleCases(t, map[string]ruleCase{
		"no rating": {p, scan(func(s *evidence.Scan) {
			s.Findings = []evidence.Finding{finding("CVE-2026-0001", evidence.SeverityCritical)}
		}), ruleMax, ResultFail, ""},
	})
}
