package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

func dayAt(t *testing.T, day string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// rootAt runs as root, in an image that is otherwise fine on any day.
func rootAt(i *evidence.Image) {
	i.Config.User, i.Scan.User = "", &evidence.User{UID: ptr(int64(0)), GID: ptr(int64(0)), Via: "no USER"}
	i.Scan.OS.EndOfLife = nil
}

// What comes into force later warns until then, names the day, and fails from
// then on.
func TestFrom(t *testing.T) {
	high := func(i *evidence.Image) { with(finding("CVE-2026-0001", "high"))(i); i.Scan.OS.EndOfLife = nil }
	for name, tt := range map[string]struct {
		policy string
		change func(*evidence.Image)
		rule   string
		before Result
		after  Result
	}{
		"a rule":                    {"config: {user: {value: non-root, from: 2026-09-01}}", rootAt, ruleUser, ResultWarn, ResultFail},
		"a rule beside others":      {"config: {user: {value: non-root, from: 2026-09-01}}\nvulnerabilities: {max: {critical: 0}}", rootAt, ruleUser, ResultWarn, ResultFail},
		"a severity":                {"vulnerabilities: {max: {critical: 0, high: {value: 0, from: 2026-09-01}}}", high, ruleMax, ResultWarn, ResultFail},
		"a mapping of severities":   {"config: {user: non-root}\nvulnerabilities: {max: {value: {critical: 0, high: 0}, from: 2026-09-01}}", high, ruleMax, ResultWarn, ResultFail},
		"a level":                   {"config: {user: non-root}\nlevels: {config.user: warn}\noverrides: [{images: [\"registry.example.no/**\"], levels: {config.user: {value: fail, from: 2026-09-01}}}]", rootAt, ruleUser, ResultWarn, ResultFail},
		"a list":                    {"config: {require-labels: {value: [x], from: 2026-09-01}}", rootAt, ruleLabels, ResultWarn, ResultFail},
		"a gap":                     {"vulnerabilities: {max: {critical: 0}}\ncoverage: {no-advisories: {value: fail, from: 2026-09-01}}", func(i *evidence.Image) { rootAt(i); gap(evidence.GapNoAdvisories)(i) }, ruleCoverage + "no-advisories", ResultWarn, ResultUndecided},
		"paths of secrets":          {"config: {user: non-root}\nsecrets: {max: 0, paths: {value: all, from: 2026-09-01}}", secretBelow("app/node_modules/a/.env"), ruleSecrets, ResultWarn, ResultFail},
		"an override that tightens": {"secrets: {max: 0}\noverrides: [{images: [\"registry.example.no/**\"], config: {user: {value: non-root, from: 2026-09-01}}}]", rootAt, ruleUser, ResultWarn, ResultFail},
		"an override over a base":   {"vulnerabilities: {max: {high: 3}}\noverrides: [{images: [\"registry.example.no/**\"], vulnerabilities: {max: {high: {value: 0, from: 2026-09-01}}}}]", high, ruleMax, ResultWarn, ResultFail},
	} {
		p := mustParse(t, "version: 1\n"+tt.policy+"\n")
		for day, want := range map[string]Result{"2026-08-31": tt.before, "2026-09-01": tt.after, "2027-09-01": tt.after} {
			img := goodImage()
			tt.change(img)
			now := dayAt(t, day)
			img.Scan.Database.UpdatedAt = now
			v := p.Evaluate(img, now)
			r := result(t, v, tt.rule)
			if r.Result != want {
				t.Errorf("%s: %s is %s on %s, want %s: %s", name, tt.rule, r.Result, day, want, r.Message)
			}
			if told := strings.Contains(r.Message, "2026-09-01"); told != (day == "2026-08-31") {
				t.Errorf("%s: on %s it says %q", name, day, r.Message)
			}
			if passed := v.Decision == Passed; passed != (want == ResultWarn) {
				t.Errorf("%s: on %s the verdict is %s", name, day, v.Decision)
			}
		}
	}
}

// The day is named also where the image meets what comes.
func TestFromIsAnnounced(t *testing.T) {
	p := mustParse(t, "version: 1\nsecrets: {max: 0}\nconfig: {user: {value: numeric, from: 2026-09-01}}\nvulnerabilities: {max: {high: 0, low: {value: 0, from: 2026-10-01}}}\n")
	v := p.Evaluate(goodImage(), noon())
	for rule, day := range map[string]string{ruleUser: "2026-09-01", ruleMax: "2026-10-01"} {
		if r := result(t, v, rule); r.Result != ResultPass || !strings.Contains(r.Message, day) {
			t.Errorf("%s is %s: %s", rule, r.Result, r.Message)
		}
	}
}

// A value that is in force today applies today. A value that comes later does
// not weaken it, whether it is stricter or not.
func TestFromSoftensNothingToday(t *testing.T) {
	for name, src := range map[string]string{
		"a looser value later": "vulnerabilities: {max: {high: 0}}\noverrides: [{images: [\"registry.example.no/**\"], vulnerabilities: {max: {high: {value: 9, from: 2026-09-01}}}}]",
		"an earlier limit":     "vulnerabilities: {max: {high: 0, critical: {value: 0, from: 2099-01-01}}}",
		"unfixed later":        "vulnerabilities: {max: {high: 0}, unfixed: {value: warn, from: 2026-09-01}}",
		"a level later":        "vulnerabilities: {max: {high: 0}}\nlevels: {vulnerabilities.max: {value: warn, from: 2026-09-01}}",
	} {
		img := goodImage()
		f := finding("CVE-2026-0001", "high")
		f.FixedVersion = ""
		with(f)(img)
		if v := mustParse(t, "version: 1\n"+src+"\n").Evaluate(img, noon()); v.Decision != Denied {
			t.Errorf("%s: %s today", name, v.Decision)
		}
	}
}

// What comes into force is collected beforehand, or it could not warn.
func TestFromIsCollected(t *testing.T) {
	p := mustParse(t, "version: 1\nreference: {pin: version}\nsecrets: {max: {value: 0, from: 2026-09-01}}\n")
	if need := p.NeedsFor(goodImage().Reference); !need.Has(evidence.NeedSecrets) {
		t.Errorf("needs %b, want secrets", need)
	}
	img := goodImage()
	img.Scan.Need = evidence.NeedUser
	if v := p.Evaluate(img, noon()); v.Decision != Passed || result(t, v, ruleSecrets).Result != ResultWarn {
		t.Errorf("%s, secrets %s", v.Decision, result(t, v, ruleSecrets).Result)
	}
}

// A control is told with every answer of the rule.
func TestControls(t *testing.T) {
	p := mustParse(t, "version: 1\nconfig: {user: {value: non-root, control: CIS 4.1}}\nvulnerabilities: {max: {critical: {value: 0, control: PCI 6.3.3}, high: {value: 0, control: SLA 2}}}\n")
	v := p.Evaluate(goodImage(), noon())
	for rule, want := range map[string]string{ruleUser: "CIS 4.1", ruleMax: "PCI 6.3.3, SLA 2", ruleSecrets: ""} {
		r := result(t, v, rule)
		if r.Control != want || want != "" && !strings.Contains(r.Message, "["+want+"]") {
			t.Errorf("%s: control %q, %q", rule, r.Control, r.Message)
		}
	}
}

func TestMarksThatAreNone(t *testing.T) {
	for src, want := range map[string]string{
		"config: {user: {value: non-root}}":                             "nothing beside it",
		"config: {user: {value: non-root, form: 2026-01-01}}":           "from",
		"config: {user: {value: non-root, from: soon}}":                 "from",
		"config: {user: {from: 2026-01-01}}":                            "config.user",
		"config: {user: {value: nonroot, from: 2026-01-01}}":            "non-root",
		"config: {user: {value: , from: 2026-01-01}}":                   "no value",
		"config: {user: {value: non-root, control: }}":                  "control",
		"vulnerabilities: {max: {value: {hihg: 0}, from: 2026-01-01}}":  "high",
		"vulnerabilities: {max: {high: {value: -1, from: 2026-01-01}}}": "high",
		"levels: {config.user: {value: of, from: 2026-01-01}}":          "off",
		"config: {user: {value: {value: root}, from: 2026-01-01}}":      "config.user",
		"secrets: {max: {high: {value: 0, from: 2026-01-01}}}":          "secrets.max",
	} {
		if _, err := Parse("p", []byte("version: 1\n"+src+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", src, err, want)
		}
	}
}

// Until the day of a value, what it replaces is in force: also for images of an
// override of another key, and in a policy above.
func TestValueBeforeItsDayBelowOthers(t *testing.T) {
	const later = "config: {user: {value: numeric, from: 2099-01-01}}\n"
	for name, p := range map[string]*Policy{
		"override": mustParseOn(t, "", later+"overrides: [{images: ['registry.example.no/**'], config: {max-layers: 9}}]\n"),
		"policy":   mustParseOn(t, later, "config: {max-layers: 9}\n"),
		"both":     mustParseOn(t, later, "overrides: [{images: ['registry.example.no/**'], config: {max-layers: 9}}]\n"),
	} {
		img := goodImage()
		img.Config.User, img.Scan.User = "", nil
		if r := result(t, p.Evaluate(img, noon()), ruleUser); r.Result != ResultFail {
			t.Errorf("%s: an image of root: %s, %s", name, r.Result, r.Message)
		}
	}
}

// A policy above a pinned base does not take away the requirement that the base names
// beside a value, nor put another one in its place.
func TestControlsOfABaseStay(t *testing.T) {
	const base = "config: {user: {value: non-root, control: CIS 4.1}}\nlevels: {config.user: {value: warn, control: L 1}}\n"
	img := goodImage()
	img.Config.User, img.Scan.User = "", nil
	for child, want := range map[string]string{
		"config: {user: non-root}\n":                                                                          "[CIS 4.1, L 1]",
		"config: {user: numeric}\nlevels: {config.user: fail}\n":                                              "[CIS 4.1, L 1]",
		"config: {user: {value: numeric, control: X}}\n":                                                      "[CIS 4.1, X, L 1]",
		"config: {user: {value: numeric, control: CIS 4.1}}\n":                                                "[CIS 4.1, L 1]",
		"config: {user: {value: numeric, from: 2020-01-01}}\n":                                                "[CIS 4.1, L 1]",
		"config: {user: {value: numeric, from: 2099-01-01}}\n":                                                "[CIS 4.1, L 1]",
		"overrides: [{images: [registry.example.no/shop/*], config: {user: numeric}}]\n":                      "[CIS 4.1, L 1]",
		"overrides: [{images: [registry.example.no/shop/*], config: {user: {value: numeric, control: X}}}]\n": "[CIS 4.1, X, L 1]",
	} {
		r := result(t, mustParseOn(t, base, child).Evaluate(img, noon()), ruleUser)
		if !strings.Contains(r.Message, want) {
			t.Errorf("%s: %s", child, r.Message)
		}
	}
	loose := mustParseOn(t, base+"open: [overrides]\n", "overrides: [{images: [registry.example.no/shop/*], config: {user: any}, owner: x, reason: x, expires: 2026-07-01}]\n")
	if r := result(t, loose.Evaluate(img, noon()), ruleUser); strings.Contains(r.Message, "CIS") {
		t.Errorf("a value that is less strict claims to meet the requirement: %s", r.Message)
	}
}
