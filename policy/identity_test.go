package policy

import (
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

func TestPackageIdentity(t *testing.T) {
	deb := evidence.Package{Name: "openssl", Version: "1", Type: "debian", Class: evidence.ClassOS, PURL: "pkg:deb/debian/openssl@1?arch=amd64&epoch=1"}
	npm := evidence.Package{Name: "@a/b", Version: "1", Type: "npm", Class: evidence.ClassLanguage, PURL: "pkg:npm/%40a/b@1"}
	bare := evidence.Package{Name: "x", Version: "1", Type: "npm", Class: evidence.ClassLanguage}
	for _, p := range []evidence.Package{deb, npm, bare} {
		q := p
		q.Version, q.Path, q.Layer = "2", "elsewhere", "sha256:1"
		if p.PURL != "" {
			q.PURL = p.PURL[:len(p.PURL)-1] + "2"
		}
		if PackageIdentity(&p) != PackageIdentity(&q) {
			t.Errorf("%s and another version of it: %q, %q", p.Name, PackageIdentity(&p), PackageIdentity(&q))
		}
	}
	for _, other := range []evidence.Package{
		{Name: "openssl", Type: "ubuntu", Class: evidence.ClassOS, PURL: "pkg:deb/ubuntu/openssl@1"},
		{Name: "openssl", Type: "debian", Class: evidence.ClassOS, PURL: "pkg:rpm/debian/openssl@1"},
		{Name: "openssl", Type: "debian", Class: evidence.ClassOS, PURL: "no purl"},
		{Name: "openssl", Type: "debian", Class: evidence.ClassLanguage},
	} {
		if PackageIdentity(&other) == PackageIdentity(&deb) {
			t.Errorf("%+v is taken for %s", other, deb.PURL)
		}
	}
}

func TestGroupFindings(t *testing.T) {
	f := func(pkg, id string, aliases ...string) evidence.Finding {
		return evidence.Finding{Advisory: &evidence.Advisory{ID: id, Aliases: aliases}, Package: &evidence.Package{Name: pkg, Type: "npm", Class: evidence.ClassLanguage}}
	}
	old := []evidence.Finding{f("a", "CVE-1", "GHSA-x"), f("b", "CVE-1"), f("a", "CVE-3")}
	now := []evidence.Finding{f("a", "ghsa-x"), f("a", "CVE-2"), f("a", "DSA-1", "CVE-3", "CVE-2"), f("b", "GHSA-x")}
	got := GroupFindings(old, now)
	same := func(a, b int) bool { return a == b }
	for name, ok := range map[string]bool{
		"an alias":                           same(got[0][0], got[1][0]),
		"by a third finding":                 same(got[0][2], got[1][1]),
		"another package":                    !same(got[0][0], got[0][1]),
		"another vulnerability":              !same(got[0][0], got[0][2]),
		"another package by another's alias": !same(got[0][1], got[1][3]),
	} {
		if !ok {
			t.Errorf("%s: %v", name, got)
		}
	}
}
