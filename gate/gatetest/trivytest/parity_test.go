package trivytest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTrivyFindings(t *testing.T) {
	const report = `{"Results":[
		{"Target":"app (alpine 3.10)","Class":"os-pkgs","Type":"alpine","Vulnerabilities":[
			{"VulnerabilityID":"CVE-2","PkgName":"zlib","InstalledVersion":"1"},
			{"VulnerabilityID":"CVE-1","PkgName":"zlib","InstalledVersion":"1"},
			{"VulnerabilityID":"CVE-1","PkgName":"zlib","InstalledVersion":"1"}]},
		{"Target":"Node.js","Class":"lang-pkgs","Type":"node-pkg","Vulnerabilities":[
			{"VulnerabilityID":"CVE-3","PkgName":"lodash","PkgPath":"app/package.json","InstalledVersion":"4"}]},
		{"Target":"shop","Class":"lang-pkgs","Type":"gobinary","Vulnerabilities":[
			{"VulnerabilityID":"CVE-4","PkgName":"stdlib","InstalledVersion":"v1"}]}]}`
	got, err := TrivyFindings([]byte(report))
	if err != nil {
		t.Fatal(err)
	}
	want := []Found{
		{"CVE-1", "zlib", "1", ""}, {"CVE-2", "zlib", "1", ""},
		{"CVE-3", "lodash", "4", "app/package.json"}, {"CVE-4", "stdlib", "v1", "shop"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOurFindingsAndDifferences(t *testing.T) {
	const report = `{"schemaVersion":1,"results":[{"reference":"app:1","digest":"sha256:aa","platform":"linux/amd64","verdict":"fail",
		"findings":[{"id":"CVE-1","severity":"high","package":{"name":"zlib","version":"1","type":"alpine"}},
		{"id":"CVE-4","package":{"name":"stdlib","version":"v1","path":"shop"}}]}]}`
	got, err := OurFindings([]byte(report))
	if err != nil {
		t.Fatal(err)
	}
	want := []Judged{{"app:1", "sha256:aa", "linux/amd64", "fail", []Found{{"CVE-1", "zlib", "1", ""}, {"CVE-4", "stdlib", "v1", "shop"}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	theirs := []Found{{"CVE-1", "zlib", "1", ""}, {"CVE-2", "zlib", "1", ""}}
	if diff := cmp.Diff([]string{"missing CVE-2 zlib 1", "extra CVE-4 stdlib v1 shop"}, Differences(theirs, got[0].Findings)); diff != "" {
		t.Error(diff)
	}
	if d := Differences(theirs, theirs); len(d) != 0 {
		t.Errorf("differences with itself: %v", d)
	}
}

func TestReportsThatCannotBeRead(t *testing.T) {
	if _, err := TrivyFindings([]byte("{")); err == nil {
		t.Error("no error for half a Trivy report")
	}
	if _, err := OurFindings([]byte("[]")); err == nil {
		t.Error("no error for a report that is a list")
	}
}
