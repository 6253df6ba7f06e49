package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// own is a policy with one rule of its own, with the id x.
func own(deny, more string) string {
	return fmt.Sprintf("rules: [{id: x, message: bad luck, deny: %q%s}]", deny, more)
}

func TestCustomRules(t *testing.T) {
	const x = customPrefix + "x"
	const zlib, bash = `packages.exists(p, p.name == "zlib1g")`, `packages.exists(p, p.name == "bash")`
	runRuleCases(t, map[string]ruleCase{
		"denied":             {own(zlib, ""), nil, x, ResultFail, "bad luck"},
		"not denied":         {own(bash, ""), nil, x, ResultPass, "does not deny"},
		"a list":             {own(`packages.map(p, p.name + " " + p.version)`, ""), nil, x, ResultFail, "zlib1g 1:1.2.13.dfsg-1"},
		"an empty list":      {own(`packages.filter(p, p.name == "bash").map(p, p.name)`, ""), nil, x, ResultPass, ""},
		"warns":              {own(zlib, ", level: warn"), nil, x, ResultWarn, "bad luck"},
		"off":                {own(zlib, ", level: \"off\"") + "\nplatforms: [linux/amd64]", nil, x, ResultOff, ""},
		"control":            {own(zlib, ", control: \"CIS 4.3\""), nil, x, ResultFail, "[CIS 4.3]"},
		"an error":           {own(`config.labels["owner"] == "x"`, ""), nil, x, ResultUndecided, "no such key: owner"},
		"an unknown field":   {own(`config.created < now`, ""), func(i *evidence.Image) { i.Config.Created = nil }, x, ResultUndecided, "Config.created is not known"},
		"an error warns":     {own(`config.labels["owner"] == "x"`, ", level: warn"), nil, x, ResultWarn, "no such key"},
		"too many steps":     {own(`packages.all(a, packages.all(b, packages.all(c, a.name + b.name != c.name)))`, ""), crowd(500), x, ResultUndecided, "10,000,000 steps"},
		"not scanned":        {own(bash, ""), noScanAt, x, ResultUndecided, "no evidence for packages"},
		"not looked for":     {own(bash, ", level: warn"), scan(func(s *evidence.Scan) { s.Need &^= evidence.NeedPackages }), x, ResultUndecided, "no evidence for packages"},
		"no config":          {own(`config.user == "0"`, ""), noConfigAt, x, ResultUndecided, "no evidence for config"},
		"excepted":           {own(zlib, "") + "\nexceptions: [{rule: rules.x, images: [\"registry.example.no/shop/*\"], reason: x, expires: 2026-07-01}]", nil, x, ResultWarn, "excepted until 2026-07-01"},
		"an error, excepted": {own("config.labels[\"none\"] == \"\"", "") + "\nexceptions: [{rule: rules.x, images: [\"registry.example.no/shop/*\"], reason: x, expires: 2026-07-01}]", nil, x, ResultUndecided, "has no value"},
		"excepted elsewhere": {own(zlib, "") + "\nexceptions: [{rule: rules.x, images: [\"registry.example.no/other/*\"], reason: x, expires: 2026-07-01}]", nil, x, ResultFail, ""},
		"off by an override": {own(zlib, "") + "\nplatforms: [linux/amd64]\noverrides: [{images: [\"registry.example.no/shop/*\"], rules: [{id: x, deny: \"false\", message: m, level: \"off\"}]}]", nil, x, ResultOff, ""},
		"on by an override":  {"platforms: [linux/amd64]\noverrides: [{images: [\"registry.example.no/shop/*\"], " + own(zlib, "") + "}]", nil, x, ResultFail, ""},
		"another image":      {"platforms: [linux/amd64]\noverrides: [{images: [\"registry.example.no/other/*\"], " + own(zlib, "") + "}]", nil, x, ResultOff, ""},
	})
}

// crowd gives the image more packages.
func crowd(n int) func(*evidence.Image) {
	return scan(func(s *evidence.Scan) {
		for i := range n {
			s.Packages = append(s.Packages, evidence.Package{Name: fmt.Sprint("package", i), Type: "debian", Class: evidence.ClassOS})
		}
	})
}

// A rule that looks at packages asks that all packages were seen.
func TestCustomRulesNeedCoverage(t *testing.T) {
	p := mustParse(t, "version: 1\n"+own(`packages.exists(p, p.name == "bash")`, "")+"\n")
	img := goodImage()
	img.Scan.Coverage.Gaps = []evidence.Gap{{Kind: evidence.GapPackageDatabase, Subject: "x", Detail: "x"}}
	if v := p.Evaluate(img, noon()); v.Decision != Undecided {
		t.Errorf("an image whose packages were not seen: %s", v.Decision)
	}
	if p.Needs()&evidence.NeedPackages == 0 {
		t.Error("packages are not asked for")
	}
	if p := mustParse(t, "version: 1\n"+own(`image.tag == ""`, "")+"\n"); p.Needs() != 0 {
		t.Errorf("needs %b", p.Needs())
	}
}

func TestCustomRuleMistakes(t *testing.T) {
	for name, c := range map[string]struct{ src, want string }{
		"plain":            {"rules:\n- id: x\n  message: m\n  deny: config.siz > 3\n", "p:5:15: rule 1.deny: undefined field 'siz'"},
		"double quotes":    {"rules:\n- {id: x, message: m, deny: \"config.siz > 3\"}\n", "p:3:36: rule 1.deny: undefined field 'siz'"},
		"single quotes":    {"rules:\n- {id: x, message: m, deny: 'config.siz > 3'}\n", "p:3:36: rule 1.deny: undefined field 'siz'"},
		"block":            {"rules:\n- id: x\n  message: m\n  deny: |\n    config.healthcheck &&\n      config.siz > 3\n", "p:7:13: rule 1.deny: undefined field 'siz'"},
		"folded":           {"rules:\n- id: x\n  message: m\n  deny: >\n    config.healthcheck &&\n    config.siz > 3\n", "p:5:9: rule 1.deny: undefined field 'siz'"},
		"escaped":          {"rules:\n- {id: x, message: m, deny: \"image.tag == \\\"x\\\" && config.siz > 3\"}\n", "p:3:29: rule 1.deny: undefined field 'siz' (line 1, column 27 of the expression)"},
		"no truth":         {"rules:\n- {id: x, message: m, deny: config.size}\n", "p:3:29: rule 1.deny: its value is a int"},
		"not a text":       {"rules:\n- {id: x, message: m, deny: true}\n", "p:3:29: rule 1.deny is the switch true"},
		"no list":          {"rules: {id: x}\n", "p:2:8: rules is a mapping"},
		"empty":            {"rules: []\n", "p:2:8: rules is "},
		"no deny":          {"rules:\n- {id: x, message: m}\n", "rule 1 has no \"deny\""},
		"no message":       {"rules:\n- {id: x, deny: image.tag == \"\"}\n", "rule 1 has no \"message\""},
		"no id":            {"rules:\n- {message: m, deny: image.tag == \"\"}\n", "rule 1 has no \"id\""},
		"bad id":           {"rules:\n- {id: No_Shell, message: m, deny: image.tag == \"\"}\n", "rule 1.id is \"No_Shell\""},
		"id of a rule":     {"rules:\n- {id: secrets, message: m, deny: image.tag == \"\"}\n", "imagegate has a rule or section of this name"},
		"id of a section":  {"rules:\n- {id: config, message: m, deny: image.tag == \"\"}\n", "imagegate has a rule or section of this name"},
		"twice":            {"rules:\n- {id: x, message: m, deny: image.tag == \"\"}\n- {id: x, message: m, deny: image.tag == \"\"}\n", "p:4:4: two rules have the id \"x\""},
		"level":            {"rules:\n- {id: x, message: m, deny: image.tag == \"\"}\nlevels: {rules.x: warn}\n", "levels cannot set \"rules.x\""},
		"excepted nothing": {"rules:\n- {id: x, message: m, deny: image.tag == \"\"}\nexceptions: [{rule: rules.y, images: [r.no/a], reason: x, owner: x, expires: 2027-01-01}]\n", "the policy has no such rule"},
		"many":             {"rules:\n" + strings.Repeat("- {id: x, message: m, deny: image.tag == \"\"}\n", maxCustomRules+1), "rules has more than 100 entries"},
	} {
		_, err := Parse("p", []byte("version: 1\n"+c.src))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// Rules add up by id: those of a base stay, and one of the same id replaces that
// of a base that is not pinned.
func TestCustomRulesAddUp(t *testing.T) {
	const base = "rules:\n- {id: a, message: m, deny: image.tag == \"a\"}\n- {id: b, message: m, deny: image.tag == \"b\"}\n"
	p := mustParseOn(t, base, "rules:\n- {id: c, message: m, deny: image.tag == \"c\"}\n")
	if got := customKey.value(&p.base).String(); got != "[a (fail), b (fail), c (fail)]" {
		t.Error(got)
	}
	for _, tag := range []string{"a", "b", "c"} {
		img := goodImage()
		img.Reference.Tag, img.Config.User = tag, "10001"
		if r := result(t, p.Evaluate(img, noon()), customPrefix+tag); r.Result != ResultFail || r.Position.File == "" {
			t.Errorf("%s: %+v", tag, r)
		}
	}
	if _, err := parseOn(base, "overrides:\n- {images: [r.no/a], rules: [{id: a, message: m, deny: image.tag == \"z\"}]}\n"); len(looser(err)) != 1 {
		t.Errorf("an override that changes a rule of the base: %v", err)
	}
	if _, err := parseOn(base, "overrides:\n- {images: [r.no/a], rules: [{id: z, message: m, deny: image.tag == \"z\"}]}\n"); err != nil {
		t.Errorf("an override that adds a rule: %v", err)
	}
}

// What the policy has is described, and has a digest of its own.
func TestCustomRulesAreDescribed(t *testing.T) {
	p := mustParse(t, "version: 1\nrules:\n- {id: x, message: m, deny: image.tag == \"a\", control: C 1}\n")
	all := p.Settings()
	at := slices.IndexFunc(all, func(s Setting) bool { return IsCustom(s.Key) })
	if at < 0 {
		t.Fatalf("%+v", all)
	}
	s := all[at]
	if s.Key != "rules.x" || s.Value != `fail, where image.tag == "a"` || s.Position.Line != 3 || s.Control != "C 1" {
		t.Errorf("%+v", all)
	}
	other := mustParse(t, "version: 1\nrules:\n- {id: x, message: m, deny: image.tag == \"b\", control: C 1}\n")
	if p.Digest() == other.Digest() || p.CustomRule("rules.x") == nil || p.CustomRule("rules.y") != nil || Lookup("rules.x") != nil {
		t.Error("two rules are the same")
	}
}

// A rule that comes into force later warns until then.
func TestCustomRulesFrom(t *testing.T) {
	p := mustParse(t, "version: 1\nplatforms: [linux/amd64]\nrules:\n  value: [{id: x, message: m, deny: image.tag != \"\"}]\n  from: 2026-09-01\n")
	r := result(t, p.Evaluate(goodImage(), noon()), "rules.x")
	if r.Result != ResultWarn || !strings.Contains(r.Message, "2026-09-01") {
		t.Errorf("%+v", r)
	}
	if r := result(t, p.Evaluate(goodImage(), noon().AddDate(0, 4, 0)), "rules.x"); r.Result != ResultFail {
		t.Errorf("%+v", r)
	}
}

// Every kind of gap that a rule judges can be named in an expression.
func TestGapKindsAreComplete(t *testing.T) {
	for _, c := range gapTexts() {
		if !slices.Contains(evidence.GapKinds(), c.kind) {
			t.Errorf("evidence.GapKinds lacks %s", c.kind)
		}
	}
}

// A rule that asks what the feeds say needs them, also where no finding makes it ask.
func TestCustomRulesNeedFeeds(t *testing.T) {
	const deny = "findings.exists(f, f.in_kev)"
	asks := func(deny string) string { return "rules: [{id: own, deny: '" + deny + "', message: m}]\n" }
	feeds := func(change func(*evidence.Exploited)) func(*evidence.Image) {
		return scan(func(s *evidence.Scan) {
			s.Findings, s.Exploited.Known = these(high(listedID.ID, "a", "1")), nil
			change(s.Exploited)
		})
	}
	noKEV := feeds(func(e *evidence.Exploited) { e.KEV = nil })
	none := scan(func(s *evidence.Scan) { s.Findings, s.Exploited = nil, nil })
	runRuleCases(t, map[string]ruleCase{
		"not listed":               {asks(deny), feeds(func(*evidence.Exploited) {}), "rules.own", ResultPass, ""},
		"listed":                   {asks(deny), feeds(func(e *evidence.Exploited) { e.Known = []evidence.Exploitation{listedID} }), "rules.own", ResultFail, ""},
		"no catalogue":             {asks(deny), noKEV, "rules.own", ResultUndecided, "was not read"},
		"no catalogue, no finding": {asks(deny), none, "rules.own", ResultUndecided, "was not read"},
		"no catalogue, has":        {asks("findings.exists(f, has(f.in_kev) && f.in_kev)"), noKEV, "rules.own", ResultUndecided, "was not read"},
		"no catalogue, a map":      {asks("findings.map(f, f.kev_due < now, f.id)"), noKEV, "rules.own", ResultUndecided, "was not read"},
		"denied by something else": {asks("findings.exists(f, f.severity == \"high\" || f.in_kev)"), noKEV, "rules.own", ResultFail, ""},
		"an old catalogue":         {asks(deny), feeds(func(e *evidence.Exploited) { e.KEV.Date = noon().AddDate(0, 0, -9) }), "rules.own", ResultUndecided, "at most 3 days"},
		"an old one is allowed":    {asks(deny) + "exploited: {database-max-age: 9d}\n", feeds(func(e *evidence.Exploited) { e.KEV.Date = noon().AddDate(0, 0, -9) }), "rules.own", ResultPass, ""},
		"no scores":                {asks("findings.exists(f, has(f.epss) && f.epss > 0.1)"), feeds(func(e *evidence.Exploited) { e.EPSS = nil }), "rules.own", ResultUndecided, "was not read"},
		"scores, no catalogue":     {asks("findings.exists(f, has(f.epss) && f.epss > 0.1)"), noKEV, "rules.own", ResultPass, ""},
		"asks no feed":             {asks("findings.exists(f, f.severity == \"low\")"), noKEV, "rules.own", ResultPass, ""},
	})
	for src, want := range map[string][2]bool{
		asks(deny): {true, false}, asks("findings.exists(f, has(f.epss))"): {false, true}, asks("image.tag == \"x\""): {false, false},
		"vulnerabilities: {max: {high: 0}}\noverrides: [{images: [\"registry.example.no/**\"], " + "rules: [{id: own, deny: 'findings.exists(f, f.in_kev)', message: m}]}]\n": {true, false},
	} {
		if kev, epss := mustParse(t, "version: 1\n"+src).AsksExploited(); kev != want[0] || epss != want[1] {
			t.Errorf("%s asks for %v, %v", src, kev, epss)
		}
	}
}

// An exception covers what a rule denies. It says why it does not cover that the
// expression has no value: nobody knows then what would be let through.
func TestExceptionsCoverNoErrorOfARule(t *testing.T) {
	const src = "version: 1\nrules:\n- {id: x, message: m, deny: 'config.labels[\"team\"] == \"a\"'}\n" +
		"exceptions: [{rule: rules.x, images: [registry.example.no/shop/*], reason: x, expires: 2026-07-31}]\n"
	p := mustParse(t, src)
	img := goodImage()
	img.Config.Labels = map[string]string{"team": "a"}
	if v := p.Evaluate(img, noon()); v.Decision != Passed || v.Exceptions[0].Status != ExceptionUsed {
		t.Errorf("denied: %s, %+v", v.Decision, v.Exceptions)
	}
	img.Config.Labels = map[string]string{}
	v := p.Evaluate(img, noon())
	if v.Decision != Undecided || v.Exceptions[0].Status != ExceptionRefused || v.Exceptions[0].Why == "" {
		t.Errorf("no value: %s, %+v", v.Decision, v.Exceptions)
	}
}
