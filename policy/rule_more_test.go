package policy

import (
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

func layersBy(steps ...string) func(*evidence.Image) {
	return config(func(c *evidence.Config) {
		c.Layers = []evidence.Layer{}
		for _, s := range steps {
			c.Layers = append(c.Layers, evidence.Layer{CreatedBy: s})
		}
	})
}

func TestMaxLayers(t *testing.T) {
	const p = "config: {max-layers: 2}"
	runRuleCases(t, map[string]ruleCase{
		"at the limit": {p, layersBy("a", "b"), ruleMaxLayers, ResultPass, "2 layers"},
		"over it":      {p, layersBy("a", "b", "c"), ruleMaxLayers, ResultFail, "3 layers"},
		"none":         {p, layersBy(), ruleMaxLayers, ResultPass, ""},
		"not known":    {p, config(func(c *evidence.Config) { c.Layers = nil }), ruleMaxLayers, ResultUndecided, ""},
		"no config":    {p, noConfigAt, ruleMaxLayers, ResultUndecided, ""},
	})
}

func TestDenyHistory(t *testing.T) {
	const p = "config: {deny-history: [remote-add]}"
	sum := "--checksum=sha256:" + strings.Repeat("a", 64)
	cases := map[string]ruleCase{
		"no history":         {p, layersBy("RUN a", ""), ruleDenyHistory, ResultUndecided, "how 1 of 2 layers"},
		"forbidden and none": {p, layersBy("", "ADD https://e.example/a /a # buildkit"), ruleDenyHistory, ResultFail, "layer 2"},
		"no layers":          {p, layersBy(), ruleDenyHistory, ResultPass, ""},
		"not known":          {p, config(func(c *evidence.Config) { c.Layers = nil }), ruleDenyHistory, ResultUndecided, ""},
	}
	for step, want := range map[string]Result{
		"ADD https://e.example/a /a # buildkit":                   ResultFail,
		"add http://e.example/a /a":                               ResultFail,
		"/bin/sh -c #(nop) ADD https://e.example/a in /a":         ResultFail,
		"ADD --chown=1000:1000 https://e.example/a /a":            ResultFail,
		"ADD --checksum=sha256:abc https://e.example/a /a":        ResultFail,
		`ADD ["https://e.example/a", "/a"]`:                       ResultFail,
		"ADD git@github.com:a/b.git /b":                           ResultFail,
		"ADD git://e.example/b.git /b":                            ResultFail,
		"ADD " + sum + " https://e.example/a /a":                  ResultPass,
		"ADD --link " + sum + " https://e.example/a /a":           ResultPass,
		"ADD rootfs.tar.xz / # buildkit":                          ResultPass,
		"/bin/sh -c #(nop) ADD file:0123 in /":                    ResultPass,
		"COPY https.conf /etc/ # buildkit":                        ResultPass,
		"RUN /bin/sh -c curl https://e.example/a # buildkit":      ResultPass,
		"RUN /bin/sh -c echo ADDhttps://e.example/a":              ResultPass,
		"LABEL note=see https://e.example/a how to ADD something": ResultPass,
	} {
		cases[step] = ruleCase{p, layersBy(step), ruleDenyHistory, want, ""}
	}
	runRuleCases(t, cases)
}

func packagesAre(all ...evidence.Package) func(*evidence.Image) {
	return scan(func(s *evidence.Scan) { s.Packages = all })
}

func TestPackageRules(t *testing.T) {
	deb := func(name, version string) evidence.Package {
		return evidence.Package{Name: name, Version: version, Type: "debian", Class: evidence.ClassOS, PURL: "pkg:deb/debian/" + name + "@" + version}
	}
	npm := func(version string) evidence.Package {
		return evidence.Package{Name: "lodash", Version: version, Type: "node-pkg", Class: evidence.ClassLanguage, PURL: "pkg:npm/lodash@" + version, Path: "app/lodash"}
	}
	unnamed := npm("1.0.0")
	unnamed.PURL = ""
	const ssh = "packages: {deny: [openssh-server]}"
	const gcc = "packages: {deny: [\"pkg:deb/debian/gcc-*\"]}"
	const old = "packages: {deny: [\"pkg:npm/lodash@<4.17.21\"]}"
	const certs = "packages: {require: [ca-certificates, \"pkg:npm/lodash@>=4.0.0\"]}"
	runRuleCases(t, map[string]ruleCase{
		"not there":            {ssh, packagesAre(deb("openssh-client", "1")), rulePackagesDeny, ResultPass, "1 package"},
		"there":                {ssh, packagesAre(deb("openssh-server", "1")), rulePackagesDeny, ResultFail, "openssh-server 1"},
		"glob":                 {gcc, packagesAre(deb("gcc-12", "1")), rulePackagesDeny, ResultFail, "gcc-12"},
		"glob elsewhere":       {gcc, packagesAre(deb("libgcc-s1", "1")), rulePackagesDeny, ResultPass, ""},
		"in the range":         {old, packagesAre(npm("4.17.20")), rulePackagesDeny, ResultFail, "app/lodash"},
		"out of the range":     {old, packagesAre(npm("4.17.21")), rulePackagesDeny, ResultPass, ""},
		"cannot be compared":   {old, packagesAre(npm("latest")), rulePackagesDeny, ResultUndecided, "latest"},
		"no purl":              {old, packagesAre(unnamed), rulePackagesDeny, ResultUndecided, ""},
		"no purl, other name":  {gcc, packagesAre(unnamed), rulePackagesDeny, ResultPass, ""},
		"denied and unclear":   {old, packagesAre(npm("latest"), npm("1.0.0")), rulePackagesDeny, ResultFail, "1.0.0"},
		"not scanned":          {ssh, noScanAt, rulePackagesDeny, ResultUndecided, ""},
		"not looked for":       {ssh, scan(func(s *evidence.Scan) { s.Need = evidence.NeedUser }), rulePackagesDeny, ResultUndecided, ""},
		"required and there":   {certs, packagesAre(deb("ca-certificates", "1"), npm("4.17.21")), rulePackagesRequire, ResultPass, "2 required"},
		"required and lacking": {certs, packagesAre(npm("4.17.21")), rulePackagesRequire, ResultFail, "ca-certificates"},
		"required and too old": {certs, packagesAre(deb("ca-certificates", "1"), npm("3.0.0")), rulePackagesRequire, ResultFail, "lodash"},
		"required and unclear": {certs, packagesAre(deb("ca-certificates", "1"), npm("x")), rulePackagesRequire, ResultFail, "lodash"},
		"required, no scan":    {certs, noScanAt, rulePackagesRequire, ResultUndecided, ""},
	})
	for item, want := range map[string]string{
		"\"*\"": "every package", "\"**\"": "every package", "\"pkg:npm/*\"": "every package", "\"lodash@1\"": "needs a purl", "\"pkg:deb/gcc\"": "no distribution",
		"\"pkg:npm/lodash@<x\"": "ordered", "\"a b\"": "no spaces", "\"a[\"": "no valid glob",
	} {
		_, err := Parse("p", []byte("version: 1\npackages: {deny: ["+item+"]}\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", item, err, want)
		}
	}
}

// A package that a rule denies or requires is looked for even when no other
// rule asks for packages.
func TestPackageRulesNeedPackages(t *testing.T) {
	for _, p := range []string{"packages: {deny: [a]}", "packages: {require: [a]}"} {
		if need := mustParse(t, "version: 1\n"+p+"\n").Needs(); !need.Has(evidence.NeedPackages) {
			t.Errorf("%s needs %b", p, need)
		}
	}
}

func TestLabelForms(t *testing.T) {
	label := func(v string) func(*evidence.Image) {
		return config(func(c *evidence.Config) { c.Labels = map[string]string{"org.opencontainers.image.revision": v} })
	}
	const p = `config: {require-labels: {org.opencontainers.image.revision: "[0-9a-f]{40}|v[0-9]+"}}`
	commit := strings.Repeat("a", 40)
	runRuleCases(t, map[string]ruleCase{
		"whole":            {p, label(commit), ruleLabels, ResultPass, ""},
		"alternative":      {p, label("v12"), ruleLabels, ResultPass, ""},
		"behind it":        {p, label(commit + "x"), ruleLabels, ResultFail, "not like"},
		"before it":        {p, label("x" + commit), ruleLabels, ResultFail, ""},
		"behind the other": {p, label("v12x"), ruleLabels, ResultFail, ""},
		"second line":      {p, label(commit + "\nx"), ruleLabels, ResultFail, ""},
		"newline":          {p, label("v12\n"), ruleLabels, ResultFail, ""},
		"empty":            {p, label(""), ruleLabels, ResultFail, "empty"},
		"not there":        {p, config(func(c *evidence.Config) { c.Labels = nil }), ruleLabels, ResultFail, "revision"},
	})
	for src, want := range map[string]string{
		`["x=*"]`: "no name of a label", `["org.*"]`: "no name of a label", `["[a-z]+"]`: "no name of a label", `{"a b": "x"}`: "no name of a label",
		`{a: "["}`: "no regular expression", `{a: "x)|(y"}`: "no regular expression", `{a: ""}`: "a", `{}`: "empty", `{a: 1}`: "a",
		`{a: "` + strings.Repeat("x", 300) + `"}`: "no regular expression",
	} {
		if _, err := Parse("p", []byte("version: 1\nconfig: {require-labels: "+src+"}\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", src, err, want)
		}
	}
}

func TestUnfixedBySeverityAndStatus(t *testing.T) {
	const bySeverity, byStatus = "{critical: fail, high: warn, low: ignore}", "{status: {will_not_fix: fail, affected: warn}}"
	const both = "{critical: warn, high: warn, status: {will_not_fix: fail, fix_deferred: ignore}}"
	for _, tt := range []struct {
		src    string
		sev    evidence.Severity
		status string
		want   string
	}{
		{"warn", "critical", "affected", levelWarn},
		{bySeverity, "critical", "affected", levelFail}, {bySeverity, "high", "will_not_fix", levelWarn}, {bySeverity, "low", "", levelIgnore},
		{bySeverity, "medium", "affected", levelFail}, {bySeverity, "unknown", "affected", levelWarn}, // unknown counts as high
		{byStatus, "critical", "will_not_fix", levelFail}, {byStatus, "critical", "affected", levelWarn},
		{byStatus, "low", "fix_deferred", levelFail}, {byStatus, "low", "", levelFail}, {byStatus, "low", "brand_new", levelFail},
		{both, "critical", "will_not_fix", levelFail}, {both, "high", "affected", levelWarn}, {both, "high", "fix_deferred", levelWarn},
		{both, "medium", "fix_deferred", levelFail}, // a severity that is left out beside others
	} {
		p := mustParse(t, "version: 1\nvulnerabilities: {max: {low: 0}, unfixed: "+tt.src+"}\n")
		if got := unfixedKey.value(&p.base).level(tt.sev, tt.status); got != tt.want {
			t.Errorf("unfixed: %s: a %s finding that is %q does %s, want %s", tt.src, tt.sev, tt.status, got, tt.want)
		}
	}
	unfixed := func(sev evidence.Severity) func(*evidence.Image) {
		return func(i *evidence.Image) {
			f := finding("CVE-2026-0001", sev)
			f.FixedVersion, f.Status = "", "affected"
			with(f)(i)
		}
	}
	const p = "vulnerabilities: {max: {critical: 0, high: 0, low: 0}, unfixed: " + bySeverity + "}"
	runRuleCases(t, map[string]ruleCase{
		"fails":        {p, unfixed("critical"), ruleMax, ResultFail, ""},
		"warns":        {p, unfixed("high"), ruleUnfixed, ResultWarn, "1 finding"},
		"is ignored":   {p, unfixed("low"), ruleUnfixed, ResultPass, ""},
		"ignored only": {"vulnerabilities: {max: {low: 0}, unfixed: ignore}", unfixed("low"), ruleUnfixed, ResultOff, "1 finding"},
		"fails always": {"vulnerabilities: {max: {low: 0}, unfixed: fail}", unfixed("low"), ruleUnfixed, ResultPass, "like any other"},
	})
	for src, want := range map[string]string{
		"{hihg: warn}": "high", "{status: {wont_fix: warn}}": "will_not_fix", "{status: {}}": "empty", "{}": "empty", "{high: off}": "unfixed.high", "of": "unfixed",
	} {
		if _, err := Parse("p", []byte("version: 1\nvulnerabilities: {max: {low: 0}, unfixed: "+src+"}\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("unfixed: %s: %v, want %q", src, err, want)
		}
	}
}

func TestEndOfLifeWarnsBefore(t *testing.T) {
	const p = "vulnerabilities: {max: {high: 0}}\n"
	ends := func(days int) func(*evidence.Image) {
		return scan(func(s *evidence.Scan) { s.OS.EndOfLife = ptr(dayOf(noon()).AddDate(0, 0, days)) })
	}
	runRuleCases(t, map[string]ruleCase{
		"long before":      {p + "coverage: {end-of-life: {warn-before: 90d}}", ends(91), ruleEndOfLife, ResultPass, ""},
		"soon":             {p + "coverage: {end-of-life: {warn-before: 90d}}", ends(90), ruleEndOfLife, ResultWarn, "supported until"},
		"over":             {p + "coverage: {end-of-life: {warn-before: 90d}}", ends(-1), ruleEndOfLife, ResultFail, "out of support"},
		"over, with level": {p + "coverage: {end-of-life: {level: warn, warn-before: 90d}}", ends(-1), ruleEndOfLife, ResultWarn, "out of support"},
		"no time":          {p + "coverage: {end-of-life: {level: fail}}", ends(1), ruleEndOfLife, ResultPass, ""},
	})
	for src, want := range map[string]string{"{warn-before: 0d}": "warn-before", "{before: 9d}": "warn-before", "{level: off}": "level", "{}": "empty"} {
		if _, err := Parse("p", []byte("version: 1\n"+p+"coverage: {end-of-life: "+src+"}\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("end-of-life: %s: %v, want %q", src, err, want)
		}
	}
}

func TestLicenseTypes(t *testing.T) {
	const lib, os, deny = "licenses: {types: [library], ", "licenses: {types: [debian], ", `deny: ["GPL-*"]}`
	bash := scan(func(s *evidence.Scan) {
		s.Licenses = []evidence.License{{Name: "GPL-3.0", Package: "bash", Type: "debian"}}
	})
	of := func(typ string) func(*evidence.Image) {
		return scan(func(s *evidence.Scan) {
			s.Licenses = []evidence.License{{Name: "GPL-3.0", Package: "x", Type: typ}}
		})
	}
	const allow = "licenses: {types: [library], allow: [MIT]}"
	runRuleCases(t, map[string]ruleCase{
		"of the distribution":         {lib + deny, bash, ruleLicenses, ResultPass, ""},
		"of a library":                {lib + deny, of("node-pkg"), ruleLicenses, ResultFail, "GPL-3.0 in x"},
		"of a distribution, asked":    {os + deny, bash, ruleLicenses, ResultFail, ""},
		"of another distribution":     {os + deny, of("alpine"), ruleLicenses, ResultPass, ""},
		"of no type":                  {lib + deny, of(""), ruleLicenses, ResultFail, ""},
		"of a type that is not known": {lib + deny, of("brand-new"), ruleLicenses, ResultFail, ""},
		"without types":               {"licenses: {" + deny, bash, ruleLicenses, ResultFail, ""},
		"no licence, not judged":      {allow, scan(func(s *evidence.Scan) { s.Licenses = nil }), ruleLicenses, ResultPass, ""},
		"no licence of a library": {allow, scan(func(s *evidence.Scan) {
			s.Licenses, s.Packages = nil, []evidence.Package{{Name: "lodash", Type: "node-pkg", Class: evidence.ClassLanguage}}
		}), ruleLicenses, ResultFail, "unknown in lodash"},
	})
}

// A date that a reproducible build writes is no date.
func TestAgeWithoutADate(t *testing.T) {
	const p = "config: {max-age: 30d}"
	cases := map[string]ruleCase{}
	for day, want := range map[string]Result{
		"1970-01-01": ResultUndecided, "1970-06-01": ResultUndecided, "1980-01-01": ResultUndecided, "1979-12-31": ResultUndecided,
		"1981-01-01": ResultFail, "2000-01-01": ResultFail, "2026-06-01": ResultPass,
	} {
		cases[day] = ruleCase{p, created(dayAt(t, day)), ruleMaxAge, want, ""}
	}
	runRuleCases(t, cases)
}
