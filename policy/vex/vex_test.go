package vex_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/vex"
)

const good = `{
  "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.no/vex/1", "author": "shop", "role": "x", "tooling": "t",
  "timestamp": "2026-06-01T00:00:00Z", "last_updated": "2026-06-02T00:00:00+02:00", "version": 1,
  "statements": [{
    "vulnerability": {"@id": "https://nvd.nist.gov/vuln/detail/CVE-2026-0001", "name": "CVE-2026-0001", "description": "d", "aliases": ["GHSA-aaaa-bbbb-cccc"]},
    "products": [{"@id": "pkg:oci/app?repository_url=registry.example.no/shop/app", "subcomponents": [{"@id": "pkg:npm/lodash@4.17.15", "identifiers": {"purl": "pkg:npm/lodash@4.17.15"}}]}],
    "status": "not_affected", "justification": "vulnerable_code_not_present", "impact_statement": "i", "status_notes": "n", "supplier": "s"
  }]
}`

func change(from, to string) string {
	if !strings.Contains(good, from) {
		panic(from)
	}
	return strings.Replace(good, from, to, 1)
}

func TestParse(t *testing.T) {
	d, err := vex.Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	st := d.Statements[0]
	if st.Status != vex.NotAffected || st.Why != "vulnerable_code_not_present" || strings.Join(st.IDs, " ") != "CVE-2026-0001 GHSA-AAAA-BBBB-CCCC" ||
		!st.At.Equal(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)) || d.NewestAt != "/last_updated" {
		t.Errorf("%+v of %+v", st, d)
	}
}

// refused has documents that other readers take, with the place that the message names.
func refused() map[string][2]string {
	return map[string][2]string{
		"unknown status":           {change(`"not_affected"`, `"not-affected"`), "/statements/0/status"},
		"status in another case":   {change(`"not_affected"`, `"NOT_AFFECTED"`), "/statements/0/status"},
		"no status":                {change(`"status": "not_affected",`, ``), "/statements/0/status is missing"},
		"null status":              {change(`"not_affected"`, `null`), "/statements/0/status is missing"},
		"no reason":                {change(`"justification": "vulnerable_code_not_present", "impact_statement": "i",`, ``), "/statements/0 is not_affected, and has neither"},
		"spaces for a reason":      {change(`"justification": "vulnerable_code_not_present", "impact_statement": "i",`, `"impact_statement": " ",`), "neither justification"},
		"unknown justification":    {change(`"vulnerable_code_not_present"`, `"trust_me"`), "/statements/0/justification"},
		"no vulnerability":         {change(`"name": "CVE-2026-0001", `, ``), "/statements/0/vulnerability/name is missing"},
		"empty alias":              {change(`"GHSA-aaaa-bbbb-cccc"`, `""`), "/statements/0/vulnerability"},
		"vulnerability as text":    {change(`{"@id": "https://nvd.nist.gov/vuln/detail/CVE-2026-0001", "name": "CVE-2026-0001", "description": "d", "aliases": ["GHSA-aaaa-bbbb-cccc"]}`, `"CVE-2026-0001"`), "/statements/0/vulnerability"},
		"no timestamp":             {change(`"timestamp": "2026-06-01T00:00:00Z", `, ``), "/timestamp is missing"},
		"null timestamp":           {change(`"timestamp": "2026-06-01T00:00:00Z"`, `"timestamp": null`), "/timestamp is missing"},
		"no time":                  {change(`2026-06-01T00:00:00Z`, `yesterday`), "/timestamp"},
		"no author":                {change(`"author": "shop"`, `"author": ""`), "/author"},
		"another format":           {change(`https://openvex.dev/ns/v0.2.0`, `https://openvex.dev/ns/v9`), "/@context"},
		"no products":              {change(`"products": [{"@id": "pkg:oci/app?repository_url=registry.example.no/shop/app", "subcomponents": [{"@id": "pkg:npm/lodash@4.17.15", "identifiers": {"purl": "pkg:npm/lodash@4.17.15"}}]}],`, ``), "/statements/0/products"},
		"a product without a name": {change(`"@id": "pkg:oci/app?repository_url=registry.example.no/shop/app", `, ``), "/statements/0/products/0 names no product"},
		"a purl that is none":      {change(`"@id": "pkg:npm/lodash@4.17.15"`, `"@id": "pkg:npm"`), "/statements/0/products/0/subcomponents/0/@id"},
		"two purls":                {change(`{"purl": "pkg:npm/lodash@4.17.15"}`, `{"purl": "pkg:npm/other@1"}`), "another purl"},
		"no statements":            {`{"@context": "https://openvex.dev/ns", "author": "a", "timestamp": "2026-06-01T00:00:00Z", "statements": []}`, "/statements"},
		"a key twice":              {change(`"status": `, `"status": "affected", "status": `), "status"},
		"a key in another case":    {change(`"status": `, `"Status": "affected", "status": `), "Status"},
		"a key with a Kelvin sign": {change(`"role": `, "\"to\u212Aling\": \"x\", \"role\": "), "line 2"},
		"an unknown key":           {change(`"status": `, `"expires": "2026-01-01", "status": `), "expires"},
		"text that is not UTF-8":   {change(`"shop"`, "\"\xff\""), "UTF-8"},
		"something after the end":  {good + "{}", "line"},
		"half a document":          {good[:200], "line"},
		"a list":                   {"[]", "line 1"},
		"nothing":                  {"", "line 1"},
		"100 MB":                   {good + strings.Repeat(" ", 100<<20), "more than"},
		"many statements":          {`{"@context": "https://openvex.dev/ns", "author": "a", "timestamp": "2026-06-01T00:00:00Z", "statements": [` + strings.Repeat("{}, ", vex.MaxStatements) + "{}]}", "more than"},
		"many products":            {change(`"products": [`, `"products": [`+strings.Repeat(`{"@id": "pkg:npm/a"}, `, 100_001)), "more than"},
		"many aliases":             {change(`"GHSA-aaaa-bbbb-cccc"`, strings.Repeat(`"X", `, 101)+`"Y"`), "more than"},
	}
}

func TestDocumentsThatAreRefused(t *testing.T) {
	for name, c := range refused() {
		d, err := vex.Parse([]byte(c[0]))
		if err == nil || d != nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v, want %q", name, err, c[1])
		}
	}
}

// The parts of a purl that decide are compared decoded.
func TestMatchPackage(t *testing.T) {
	deb := "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12.5"
	rpm := "pkg:rpm/redhat/openssl@3.0.7-1?arch=x86_64&distro=redhat-9.2&epoch=1"
	for _, c := range []struct {
		product, pkg string
		want         vex.Match
	}{
		{"pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1", deb, vex.Matches},
		{"pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?os_name=debian", deb, vex.Matches},
		{"pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?distro=bookworm", deb, vex.Matches},
		{"pkg:deb/debian/zlib1g?distro=debian-12.5", deb, vex.Matches},
		{"pkg:deb/debian/zlib1g?distro=debian-11", deb, vex.OtherProduct},
		{"pkg:deb/debian/zlib1g@1.2.13.dfsg-1", deb, vex.OtherVersion},
		{"pkg:deb/ubuntu/zlib1g@1:1.2.13.dfsg-1", deb, vex.OtherProduct},
		{"pkg:rpm/redhat/openssl@3.0.7-1?epoch=1", rpm, vex.Matches},
		{"pkg:rpm/redhat/openssl@3.0.7-1?epoch=2", rpm, vex.OtherProduct},
		{"pkg:rpm/redhat/openssl@3.0.7-1", rpm, vex.OtherVersion},
		{"pkg:rpm/redhat/openssl", rpm, vex.Matches},
		{"pkg:rpm/redhat/openssl", "", vex.OtherProduct},
		{"pkg:rpm/redhat/openssl", "openssl", vex.OtherProduct},
	} {
		doc := change(`"@id": "pkg:oci/app?repository_url=registry.example.no/shop/app", "subcomponents": [{"@id": "pkg:npm/lodash@4.17.15", "identifiers": {"purl": "pkg:npm/lodash@4.17.15"}}]`, fmt.Sprintf(`"@id": %q`, c.product))
		d, err := vex.Parse([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Statements[0].Match(&evidence.Image{}, vex.PackageOf(&evidence.Package{PURL: c.pkg})); got != c.want {
			t.Errorf("%s and %s: %d, want %d", c.product, c.pkg, got, c.want)
		}
	}
}

// What is read has a date, an author's reason and something that it is about; and it
// covers nothing in an image without a name.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	for _, c := range refused() {
		if len(c[0]) < 1<<13 {
			f.Add([]byte(c[0]))
		}
	}
	f.Fuzz(checkParsed)
}

// checkParsed parses what a fuzzer made.
func checkParsed(t *testing.T, src []byte) {
	d, err := vex.Parse(src)
	if err != nil {
		return
	}
	if d.Newest.IsZero() && d.NewestAt != "" || len(d.Statements) == 0 {
		t.Errorf("%+v", d)
	}
	for i := range d.Statements {
		st := &d.Statements[i]
		if len(st.IDs) == 0 || st.Status == vex.NotAffected && st.Why == "" {
			t.Errorf("%+v", st)
		}
		if st.Match(&evidence.Image{}, vex.PackageOf(&evidence.Package{})) == vex.Matches && st.Status == vex.NotAffected {
			t.Errorf("it covers a package without a purl: %+v", st)
		}
		if at := d.About(&evidence.Finding{Advisory: &evidence.Advisory{ID: strings.ToLower(st.IDs[0])}}); len(at) == 0 && strings.ToUpper(strings.ToLower(st.IDs[0])) == st.IDs[0] {
			t.Errorf("%q is not found", st.IDs[0])
		}
	}
}
