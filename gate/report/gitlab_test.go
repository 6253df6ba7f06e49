package report_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/policy/evidence"
)

type gitlabFile struct {
	Scan struct {
		Status   string
		Messages []struct{ Level, Value string }
	}
	Vulnerabilities []struct {
		ID          string
		Severity    string
		Identifiers []struct{ Type, Name, URL string }
		Vectors     []struct{ Vendor, Vector string } `json:"cvss_vectors"`
		Links       []struct{ URL string }
		Location    struct {
			OS           string `json:"operating_system"`
			Image        string
			DefaultImage string `json:"default_branch_image"`
		}
	}
}

func readGitLab(t *testing.T, run *gate.Run, o report.Options) gitlabFile {
	t.Helper()
	var f gitlabFile
	if err := json.Unmarshal(write(t, "gitlab", run, o), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGitLabReport(t *testing.T) {
	f := readGitLab(t, failRun(), report.Options{DefaultBranchImage: "registry.example.no/shop/main"})
	if len(f.Vulnerabilities) != 7 { // eight, less the one that is excepted
		t.Errorf("%d vulnerabilities, want 7", len(f.Vulnerabilities))
	}
	ids := map[string]bool{}
	for _, v := range f.Vulnerabilities {
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(v.ID) || ids[v.ID] {
			t.Errorf("id %q is no UUID version 5, or there twice", v.ID)
		}
		ids[v.ID] = true
		if v.Location.DefaultImage != "registry.example.no/shop/main" || v.Location.OS != "debian 12.5" {
			t.Errorf("location %+v", v.Location)
		}
		if len(v.Vectors) != 1 || !strings.HasPrefix(v.Vectors[0].Vector, "CVSS:3.1/") {
			t.Errorf("vectors %+v, want the one of CVSS 3", v.Vectors)
		}
		if len(v.Links) != 2 {
			t.Errorf("links %+v, want the two that are addresses", v.Links)
		}
	}
	last := f.Vulnerabilities[3] // GHSA with a CVE for an alias
	if last.Identifiers[0].Type != "cve" || last.Identifiers[0].Name != "CVE-2021-23337" || last.Identifiers[1].Type != "ghsa" {
		t.Errorf("identifiers %+v, want the CVE first", last.Identifiers)
	}
	if f.Scan.Status != "success" {
		t.Errorf("status %s of a run that was judged", f.Scan.Status)
	}
	messages := ""
	for _, m := range f.Scan.Messages {
		messages += m.Level + " " + m.Value + "\n"
	}
	for _, want := range []string{"info verdict: fail", "warn registry.example.no:5000/shop/app:latest (linux/amd64): reference.deny-tags fail", "1 finding left out because of exceptions"} {
		if !strings.Contains(messages, want) {
			t.Errorf("no message %q in\n%s", want, messages)
		}
	}
}

// TestGitLabVectors: a vector that the schema does not know would make GitLab
// refuse the whole report.
func TestGitLabVectors(t *testing.T) {
	good := "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
	run := failRun()
	scores := map[string]evidence.CVSS{"good": {V3Vector: good}}
	for i, bad := range []string{"", "CVSS:3.1/AV:N", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H", good + "/", good + "\n", "CVSS:3.2" + good[8:], good + strings.Repeat("/A:H", 30)} {
		scores["bad"+string(rune('a'+i))] = evidence.CVSS{V3Vector: bad, V40Vector: bad}
	}
	run.Results[0].Verdict.Findings[0].CVSS = scores
	got := readGitLab(t, run, report.Options{}).Vulnerabilities[0].Vectors
	if len(got) != 1 || got[0].Vendor != "good" {
		t.Errorf("vectors %+v, want the good one", got)
	}
}

func TestGitLabKnowsFailure(t *testing.T) {
	for name, run := range map[string]*gate.Run{"no verdict": noVerdictRun(), "undecided": undecidedRun(), "empty": newRun(), "one of many": platformsRun()} {
		f := readGitLab(t, run, report.Options{})
		fatal := false
		for _, m := range f.Scan.Messages {
			fatal = fatal || m.Level == "fatal"
		}
		if f.Scan.Status != "failure" || !fatal {
			t.Errorf("%s: status %s, a fatal message: %t", name, f.Scan.Status, fatal)
		}
	}
}

func TestGitLabOperatingSystemIsNeverEmpty(t *testing.T) {
	for _, os := range []*evidence.OS{nil, {}, {Family: " "}} {
		run := failRun()
		run.Results[0].Evidence.Scan.OS = os
		for _, v := range readGitLab(t, run, report.Options{}).Vulnerabilities {
			if v.Location.OS == "" {
				t.Errorf("operating system %+v is empty", os)
			}
		}
	}
}
