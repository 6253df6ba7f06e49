package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/vex"
)

// What VEX cannot say is left out and named, and a document of the rest covers nothing
// that the exception does not cover.
func TestClaims(t *testing.T) {
	const because = "justification: vulnerable_code_not_present, "
	for name, c := range map[string]struct {
		keys string
		left string // part of why it is left out, "" for a claim
	}{
		"a package":                    {"id: CVE-2026-0001, " + because + "package: pkg:npm/lodash", ""},
		"a version":                    {"id: CVE-2026-0001, " + because + `package: "pkg:npm/lodash@4.17.15"`, ""},
		"a version with its operator":  {"id: CVE-2026-0001, " + because + `package: "pkg:npm/lodash@=4.17.15"`, ""},
		"another version":              {"id: CVE-2026-0001, " + because + `package: "pkg:npm/lodash@4.17.16"`, ""},
		"an image":                     {"id: CVE-2026-0001, " + because + `package: "pkg:npm/lodash@4.17.15", images: [registry.example.no/shop/app]`, ""},
		"another image":                {"id: CVE-2026-0001, " + because + `package: "pkg:npm/lodash@4.17.15", images: [registry.example.no/shop/web]`, ""},
		"an alias":                     {"id: GHSA-aaaa-bbbb-cccc, " + because + `package: "pkg:npm/lodash@4.17.15"`, ""},
		"another vulnerability":        {"id: CVE-2026-0009, " + because + `package: "pkg:npm/lodash@4.17.15"`, ""},
		"a scope":                      {"id: CVE-2026-0001, " + because + `package: "pkg:npm/@x/lodash@4.17.15"`, ""},
		"a qualifier":                  {"id: CVE-2026-0001, " + because + `package: "pkg:npm/lodash?arch=arm64"`, "qualifiers"},
		"an epoch":                     {"id: CVE-2026-0001, " + because + `package: "pkg:rpm/redhat/openssl@1:3.0.7-1"`, ""},
		"a version and a qualifier":    {"id: CVE-2026-0001, " + because + `package: "pkg:npm/lodash@4.17.15?arch=arm64"`, "qualifiers"},
		"a range":                      {"id: CVE-2026-0001, " + because + `package: "pkg:npm/lodash@<4.17.21"`, "range of versions"},
		"a name":                       {"id: CVE-2026-0001, " + because + "package: lodash", "no purl"},
		"no package":                   {"id: CVE-2026-0001, " + because + "images: [registry.example.no/shop/app]", "no package"},
		"a pattern of images":          {"id: CVE-2026-0001, " + because + `package: pkg:npm/lodash, images: ["registry.example.no/**"]`, "one by one"},
		"a local image":                {"id: CVE-2026-0001, " + because + `package: pkg:npm/lodash, images: ["oci:build"]`, "one by one"},
		"paths":                        {"id: CVE-2026-0001, " + because + "package: pkg:npm/lodash, paths: [app/x]", "paths"},
		"no justification":             {"id: CVE-2026-0001, package: pkg:npm/lodash", "accepts a risk"},
		"a licence":                    {"license: GPL-3.0, package: pkg:npm/lodash", "no vulnerability"},
		"one that is over, with a day": {"id: CVE-2026-0001, " + because + "package: pkg:npm/lodash, added: 2026-01-01", "ended on 2026-02-01"},
	} {
		expires := "2026-07-01"
		if strings.Contains(name, "over") {
			expires = "2026-02-01"
		}
		p := mustParse(t, "version: 1\nextends: none\nvulnerabilities: {max: {high: 0}}\nexceptions:\n- {"+c.keys+", reason: r, owner: o, expires: "+expires+"}\n")
		claims, left := p.Claims(noon())
		if c.left != "" {
			if len(claims) != 0 || len(left) != 1 || !strings.Contains(left[0].Reason, c.left) {
				t.Errorf("%s: %+v, %+v, want %q", name, claims, left, c.left)
			}
			continue
		}
		if len(claims) != 1 || len(left) != 0 {
			t.Errorf("%s: %+v, %+v", name, claims, left)
			continue
		}
		raw, err := vex.Write(&vex.Draft{Author: "o", Time: noon(), Claims: claims})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		said := mustParseVEX(t, "}", string(raw))
		for _, f := range claimed() {
			img := goodImage()
			with(f)(img)
			excepted := p.Evaluate(img, noon()).Findings[0].Class == ClassExcepted
			covered := said.Evaluate(img, noon()).Findings[0].Class == ClassNotAffected
			if covered != excepted {
				t.Errorf("%s, %s in %s: excepted %t, not affected %t of\n%s", name, f.ID, f.Package.PURL, excepted, covered, raw)
			}
		}
	}
}

// claimed are findings that are near to each other.
func claimed() []evidence.Finding {
	var out []evidence.Finding
	for _, id := range []string{"CVE-2026-0001", "CVE-2026-0002"} {
		for _, purl := range []string{
			"pkg:npm/lodash@4.17.15", "pkg:npm/lodash@4.17.16", "pkg:npm/%40x/lodash@4.17.15", "pkg:pypi/lodash@4.17.15",
			"pkg:npm/lodash@4.17.15?arch=arm64", "pkg:rpm/redhat/openssl@3.0.7-1?epoch=1", "pkg:rpm/redhat/openssl@3.0.7-1", "",
		} {
			f := finding(id, evidence.SeverityHigh)
			if id == "CVE-2026-0001" {
				f.Aliases = []string{"GHSA-aaaa-bbbb-cccc"}
			}
			f.Package.PURL = purl
			_, version, _ := strings.Cut(strings.TrimPrefix(purl, "pkg:npm/%40x"), "@")
			f.Package.Version, _, _ = strings.Cut(version, "?")
			if strings.Contains(purl, "epoch=1") {
				f.Package.Version = fmt.Sprintf("1:%s", f.Package.Version)
			}
			out = append(out, f)
		}
	}
	return out
}
