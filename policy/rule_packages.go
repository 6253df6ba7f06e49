package policy

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	rulePackagesDeny    = "packages.deny"
	rulePackagesRequire = "packages.require"
)

var (
	packagesDenyKey = &setting[[]*packageMatcher]{
		path: rulePackagesDeny, doc: "Packages that may not be in the image: names or purls, with globs and version ranges.",
		schema: listOf(textSchema()), read: packageMatchers, order: longer(samePackage),
	}
	packagesRequireKey = &setting[[]*packageMatcher]{
		path: rulePackagesRequire, doc: "Packages that must be in the image: names or purls, with globs and version ranges.",
		schema: listOf(textSchema()), read: packageMatchers, order: longer(samePackage),
	}
)

func needPackages(*settings) evidence.Need { return evidence.NeedPackages }

func packagesSection() section {
	const values = "a list of names (openssh-server, gcc-*) or purls (pkg:deb/debian/gcc-*, pkg:npm/lodash@<4.17.21). * and ? match within the name."
	return section{name: "packages", doc: "Packages that may not or must be in the image.", rules: []*Rule{
		{
			ID: rulePackagesDeny, Title: "None of these packages is in the image.",
			Why: "Shells for remote access, compilers and debuggers help attackers and no service.",
			How: "remove the package, or build in several stages and ship only the result", Default: "not asked", Levels: true,
			Settings: values + " A package whose version cannot be compared with the range, or that has no purl, is undecided.",
			Example:  "packages: {deny: [openssh-server, telnet, \"pkg:deb/debian/gcc-*\"]}\n",
			keys:     []key{packagesDenyKey}, needs: needPackages, check: checkPackagesDeny,
		},
		{
			ID: rulePackagesRequire, Title: "These packages are in the image.",
			Why: "Without root certificates a program trusts no server, and with old ones it trusts too many.",
			How: "install the package", Default: "not asked", Levels: true,
			Settings: values,
			Example:  "packages: {require: [ca-certificates]}\n",
			keys:     []key{packagesRequireKey}, needs: needPackages, check: checkPackagesRequire,
		},
	}}
}

// packageMatchers reads a list of packages.
func packageMatchers(d *decoder, n *yaml.Node, name string) ([]*packageMatcher, bool) {
	var out []*packageMatcher
	_, ok := list(d, n, name, false, func(c *yaml.Node, item string) (string, bool) {
		s, ok := d.text(c, item)
		if !ok {
			return "", false
		}
		m, err := parsePackageGlob(s)
		if err != nil {
			d.fail(c, "write a package name, or a purl such as pkg:npm/lodash@<4.17.21", "%s is %q: %v", item, clip(s), err)
			return "", false
		}
		out = append(out, m)
		return s, true
	})
	return out, ok
}

func samePackage(a, b *packageMatcher) bool { return a.text == b.text }

func checkPackagesDeny(j *judge) answer {
	sc, lack := j.scanned(evidence.NeedPackages)
	if lack != nil {
		return *lack
	}
	denied := packagesDenyKey.value(j.s)
	var bad, unclear []string
	for i := range sc.Packages {
		p := &sc.Packages[i]
		for _, m := range denied {
			switch is, known := m.judges(p); {
			case is:
				bad = append(bad, packageLine(p)+", denied by "+m.text)
			case !known:
				unclear = append(unclear, packageLine(p)+", which cannot be compared with "+m.text)
			default:
				continue
			}
			break
		}
	}
	a := passing("%s, none of them denied", words.Plural(len(sc.Packages), "package"))
	switch {
	case len(bad) > 0:
		a = failing("%s may not ship", words.Plural(len(bad), "package")+" that")
		a.details = slices.Compact(few(bad))
	case len(unclear) > 0:
		a = undecided("%s that cannot be compared", words.Plural(len(unclear), "package"))
		a.details, a.cure = unclear, "name the package without a version range"
	}
	a.allowed = "no " + words.Or(packageTexts(denied))
	return a
}

func checkPackagesRequire(j *judge) answer {
	sc, lack := j.scanned(evidence.NeedPackages)
	if lack != nil {
		return *lack
	}
	required := packagesRequireKey.value(j.s)
	var lacking []string
	for _, m := range required {
		if !slices.ContainsFunc(sc.Packages, func(p evidence.Package) bool { is, _ := m.judges(&p); return is }) {
			lacking = append(lacking, m.text)
		}
	}
	a := passing("%s there", words.Plural(len(required), "required package")+" "+words.Choose(len(required), "is", "are"))
	if len(lacking) > 0 {
		a = failing("%s missing: %s", words.Plural(len(lacking), "package")+" "+words.Choose(len(lacking), "is", "are"), words.And(few(lacking)))
	}
	a.allowed = "an image with " + words.And(packageTexts(required))
	return a
}

func packageLine(p *evidence.Package) string {
	line := strings.TrimSpace(p.Name + " " + p.Version)
	if p.Path != "" {
		line += fmt.Sprintf(" (%s)", p.Path)
	}
	return line
}

func packageTexts(all []*packageMatcher) []string {
	var out []string
	for _, m := range all {
		out = append(out, m.text)
	}
	return out
}
