package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// All overrides that match apply in order, up to one that is final.
func TestOverridesApplyInOrder(t *testing.T) {
	const src = `version: 1
vulnerabilities: {max: {critical: 0, high: 0, medium: 0}}
overrides:
- {images: ["registry.example.no/**"], vulnerabilities: {max: {high: 3, medium: 3}}}
- {images: ["registry.example.no/shop/*"], vulnerabilities: {max: {high: 5}}FINAL}
- {images: ["registry.example.no/*/app"], vulnerabilities: {max: {high: 7}}, config: {user: numeric}}
- {images: [registry.example.no/other], vulnerabilities: {max: {high: 9}}}
`
	for final, want := range map[string]int{"": 7, ", final: true": 5, ", final: false": 7} {
		p := mustParse(t, strings.Replace(src, "FINAL", final, 1))
		a := p.settingsFor("registry.example.no/shop/app", noon())
		if got := maxKey.at(a.settings, evidence.SeverityHigh).value; got != want {
			t.Errorf("high is %d with%q, want %d", got, final, want)
		}
		if got := maxKey.at(a.settings, evidence.SeverityMedium).value; got != 3 {
			t.Errorf("medium is %d, want that of the first override", got)
		}
		if got := userKey.of(a.settings).set; got != (want == 7) {
			t.Errorf("the user is asked for: %v", got)
		}
		if got := maxKey.at(&p.base, evidence.SeverityHigh).value; got != 0 {
			t.Errorf("the policy itself changed to %d", got)
		}
	}
}

// What an override turns on for the same image as another is collected.
func TestNeedsOfOverridesTogether(t *testing.T) {
	p := mustParse(t, `version: 1
config: {user: non-root}
levels: {config.user: warn}
overrides:
- {images: ["registry.example.no/**"], secrets: {max: 0}, levels: {secrets: off}}
- {images: ["registry.example.no/shop/*"], levels: {secrets: fail}}
`)
	want := p.NeedsFor(goodImage().Reference)
	if !want.Has(evidence.NeedSecrets) || !p.Needs().Has(want) {
		t.Errorf("needs %b for the image and %b for all, want secrets", want, p.Needs())
	}
}

// What an override loosens ends on its last day; what it tightens stays. What it
// loosens is collected and told all the same.
func TestOverridesEnd(t *testing.T) {
	p := mustParse(t, `version: 1
vulnerabilities: {max: {critical: 0, high: 0}}
overrides:
- images: ["registry.example.no/shop/*"]
  vulnerabilities: {max: {high: 3}, unfixed: warn}
  config: {user: numeric}
  reason: until the rebuild
  owner: team-shop
  expires: 2026-07-31
`)
	img := goodImage()
	with(finding("CVE-2026-0001", "high"))(img)
	img.Scan.OS.EndOfLife = nil
	for _, tt := range []struct {
		now  time.Time
		want Decision
		high int
	}{
		{time.Date(2026, 7, 31, 23, 59, 59, 0, time.UTC), Passed, 3},
		{time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC), Denied, 0},
	} {
		img.Scan.Database.UpdatedAt = tt.now
		v := p.Evaluate(img, tt.now)
		if v.Decision != tt.want {
			t.Errorf("%s: %s, want %s", tt.now, v.Decision, tt.want)
		}
		s := p.settingsFor(img.Reference.Name, tt.now).settings
		if got := maxKey.at(s, evidence.SeverityHigh).value; got != tt.high {
			t.Errorf("%s: high is %d, want %d", tt.now, got, tt.high)
		}
		if !userKey.of(s).set {
			t.Errorf("%s: the user is not asked for", tt.now)
		}
		r := result(t, v, ruleOverrides)
		text := r.Message + strings.Join(r.Details, "\n")
		if r.Result != ResultWarn || !strings.Contains(text, "vulnerabilities.max.high is 3 instead of 0") ||
			!strings.Contains(text, "team-shop") || strings.Contains(text, "config.user") {
			t.Errorf("%s: overrides is %s: %s", tt.now, r.Result, text)
		}
		if len(v.Overrides) != 1 || len(v.Overrides[0].Loosens) != 2 || (v.Overrides[0].Ended != "") != (tt.want == Denied) {
			t.Errorf("%s: %+v", tt.now, v.Overrides)
		}
	}
}

// An override that only tightens is told and is no warning.
func TestOverridesThatTighten(t *testing.T) {
	p := mustParse(t, "version: 1\nvulnerabilities: {max: {high: 3}}\nexception-limits: {max-days: 30, require: [owner]}\noverrides:\n"+
		"- {images: [\"registry.example.no/**\"], vulnerabilities: {max: {high: 0, critical: 0}}, config: {user: non-root}}\n")
	v := p.Evaluate(goodImage(), noon())
	if r := result(t, v, ruleOverrides); r.Result != ResultPass || v.Decision != Passed {
		t.Errorf("overrides is %s (%s), the verdict %s", r.Result, r.Message, v.Decision)
	}
}

// An override that loosens is bound by what binds exceptions. It was the way
// around exception-limits.
func TestLimitsBindOverrides(t *testing.T) {
	const account = ", owner: team, reason: x, expires: 2026-07-31"
	for _, tt := range []struct {
		limits, override, want string
	}{
		{"require: [owner]", `images: ["**"], vulnerabilities: {max: {high: unlimited}}`, `no "owner"`},
		{"require: [reason]", `images: ["**"], vulnerabilities: {max: {high: unlimited}}, owner: team`, `no "reason"`},
		{"require: [ticket, package]", `images: ["**"], secrets: {max: 3}` + account, `no "ticket"`},
		{"max-days: 90", `images: ["**"], vulnerabilities: {max: {high: unlimited}}, owner: team`, "no end"},
		{"max-days: 90, require: [owner, reason, package, images]", `images: ["**"], vulnerabilities: {max: {high: unlimited}}` + account, ""},
		{"max-days: 90", `images: ["**"], vulnerabilities: {max: {high: 0}}`, ""},
		{"never: {severity: critical}", `images: ["**"], vulnerabilities: {max: {critical: unlimited}}` + account, "vulnerabilities.max.critical"},
		{"never: {severity: critical}", `images: ["**"], vulnerabilities: {max: {high: unlimited}}` + account, ""},
		{"never: {severity: high}", `images: ["**"], vulnerabilities: {max: {unknown: 9}}` + account, "vulnerabilities.max.unknown"},
		{"never: {severity: high}", `images: ["**"], vulnerabilities: {max: {medium: unlimited}}` + account, ""},
		{"never: {severity: critical}", `images: ["**"], vulnerabilities: {grace: {critical: 9d}}` + account, "vulnerabilities.grace.critical"},
		{"never: {severity: critical}", `images: ["**"], vulnerabilities: {unfixed: ignore}` + account, "vulnerabilities.unfixed"},
		{"never: {severity: critical}", `images: ["**"], vulnerabilities: {types: [os]}` + account, "vulnerabilities.types"},
		{"never: {severity: critical}", `images: ["**"], levels: {vulnerabilities.max: off}` + account, "levels.vulnerabilities.max"},
		{"never: {severity: critical}", `images: ["**"], levels: {secrets: warn}` + account, "levels.secrets"},
		{"never: {severity: critical}", `images: ["**"], levels: {config.user: warn}` + account, ""},
	} {
		_, err := Parse("p", alone("version: 1\nconfig: {user: non-root}\nsecrets: {max: 0}\nvulnerabilities: {max: {critical: 0, high: 0, medium: 0}}\n"+
			"exception-limits: {"+tt.limits+"}\noverrides:\n- {"+tt.override+"}\n"))
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %s: %v", tt.limits, tt.override, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %s: %v, want %q", tt.limits, tt.override, err, tt.want)
		}
	}
}

// An override that ends too far ahead loosens nothing, and says so.
func TestOverridesThatEndTooLate(t *testing.T) {
	img := goodImage()
	with(finding("CVE-2026-0001", "high"))(img)
	for days, want := range map[string]Decision{
		"45": Denied, "46": Passed, "{critical: 10, high: 46}": Passed, "{critical: 90, high: 45}": Denied, "{critical: 90, other: 45}": Denied,
		"{critical: 90, medium: 46}": Passed, // the severities that are not listed have the largest limit
	} {
		p := mustParse(t, "version: 1\nvulnerabilities: {max: {high: 0}}\nexception-limits: {max-days: "+days+"}\noverrides:\n"+
			"- {images: [\"registry.example.no/**\"], vulnerabilities: {max: {high: 3}}, expires: 2026-07-31}\n")
		v := p.Evaluate(img, noon())
		if v.Decision != want {
			t.Errorf("max-days %s: %s, want %s", days, v.Decision, want)
		}
		if r := result(t, v, ruleExceptionLimits); (r.Result == ResultWarn) != (want == Denied) {
			t.Errorf("max-days %s: exception-limits is %s: %q", days, r.Result, r.Details)
		}
	}
}

// max-days can differ by severity: unknown counts as high, and what has no
// severity has the limit of other.
func TestMaxDaysBySeverity(t *testing.T) {
	for limits, want := range map[string]map[evidence.Severity]int{
		"30":                                {"critical": 30, "unknown": 30, "": 30},
		"{critical: 14, high: 30}":          {"critical": 14, "high": 30, "medium": 30, "unknown": 30, "": 30},
		"{critical: 14, other: 90}":         {"critical": 14, "high": 90, "unknown": 90, "": 90},
		"{high: 7, unknown: 3, other: 90}":  {"critical": 90, "high": 7, "unknown": 3, "": 90},
		"{critical: 90, high: 7, other: 5}": {"critical": 90, "high": 7, "unknown": 7, "low": 5, "": 5},
	} {
		p := mustParse(t, "version: 1\nconfig: {user: non-root}\nexception-limits: {max-days: "+limits+"}\n")
		for sev, days := range want {
			var of []evidence.Severity
			if sev != "" {
				of = append(of, sev)
			}
			if got, ok := p.limits.days(of...); !ok || got != days {
				t.Errorf("max-days %s: %d for %q, want %d", limits, got, sev, days)
			}
		}
	}
}

// A pass of rules that accompany the others is no pass: nothing was asked of the
// image.
func TestAccompanyingRulesAskNothing(t *testing.T) {
	p := mustParse(t, "version: 1\nsecrets: {max: 0}\nexceptions:\n- {id: CVE-2026-0001, reason: x, expires: 2026-07-31}\nexception-limits: {max-days: 90}\n"+
		"overrides: [{images: [\"registry.example.no/**\"], levels: {secrets: off}, expires: 2026-07-31}]\n")
	if v := p.Evaluate(goodImage(), noon()); v.Decision != Undecided {
		t.Errorf("an image of which nothing is asked: %s", v.Decision)
	}
}

func TestOverrideRule(t *testing.T) {
	const p = "vulnerabilities: {max: {high: 0}}\n"
	runRuleCases(t, map[string]ruleCase{
		"none":             {p, nil, ruleOverrides, ResultOff, ""},
		"for another":      {p + "overrides: [{images: [registry.example.no/other], vulnerabilities: {max: {high: 3}}}]", nil, ruleOverrides, ResultOff, ""},
		"that tightens":    {p + "overrides: [{images: [\"registry.example.no/**\"], config: {user: non-root}}]", nil, ruleOverrides, ResultPass, "1 override"},
		"that loosens":     {p + "overrides: [{images: [\"registry.example.no/**\"], vulnerabilities: {max: {high: 3}}}]", nil, ruleOverrides, ResultWarn, "3 instead of 0"},
		"that lifts a gap": {p + "overrides: [{images: [\"registry.example.no/**\"], coverage: {unknown-os: warn}}]", nil, ruleOverrides, ResultWarn, "warn instead of fail"},
	})
}

// A list of overrides that is none is a mistake, and so is a list that is too long
// to be read.
func TestListsOfOverrides(t *testing.T) {
	entries := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "- {images: [r.no/x%d], secrets: {max: 1}}\n", i)
		}
		return "overrides:\n" + b.String()
	}
	for src, want := range map[string]string{
		"overrides: {images: [r.no/a], secrets: {max: 1}}": "overrides is",
		"overrides: []":                   "empty list",
		"overrides: [{images: [r.no/a]}]": "changes nothing",
		"overrides: [{images: [r.no/a], owner: team, final: true}]": "changes nothing",
		"overrides: [{images: [r.no/a], justification: x}]":         "justification",
		entries(maxOverrides + 1):                                   "more than",
		entries(maxOverrides):                                       "",
	} {
		_, err := Parse("p", alone("version: 1\nsecrets: {max: 0}\n"+src+"\n"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", src, err, want)
		}
	}
}
