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

// A package that a rule denies or requires is looked for even where nothing else
// asks for packages.
func TestPackageRulesNeedPackages(t *testing.T) {
	for _, p := range []string{"packages: {deny: [a]}", "packages: {require: [a]}"} {
		if need := mustParse(t, "version: 1\n"+p+"\n").Needs(); !need.Has(evidence.NeedPackages) {
			t.Errorf("%s needs %b", p, need)
		}
	}
}
