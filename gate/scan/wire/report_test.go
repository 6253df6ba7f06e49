package wire_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/gate/findings"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

func reportOf(list ...evidence.Finding) *wire.Report {
	return &wire.Report{Packages: []evidence.Package{{Name: "openssl", Version: "3.0"}, {Name: "libssl3", Version: "3.0"}}, Findings: list}
}

// Findings of one advisory share it, within a report and between reports. Two advisories
// that differ in anything stay two.
func TestReportsShareAdvisories(t *testing.T) {
	advisory := func(s evidence.Severity) *evidence.Advisory {
		return &evidence.Advisory{ID: "CVE-2026-1", Severity: s, Description: strings.Repeat("text ", 100)}
	}
	r := reportOf()
	r.Findings = []evidence.Finding{
		{Advisory: advisory(evidence.SeverityHigh), Package: &r.Packages[0]},
		{Advisory: advisory(evidence.SeverityHigh), Package: &r.Packages[1]},
		{Advisory: advisory(evidence.SeverityLow), Package: &evidence.Package{Name: "openssl", Version: "3.0-as-matched"}},
	}
	sent, err := wire.EncodeReport(r)
	if err != nil {
		t.Fatal(err)
	}
	known := new(findings.Known)
	var reports [2]*wire.Report
	for i := range reports {
		if reports[i], err = wire.DecodeReport(sent, known); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, reports[i]); diff != "" {
			t.Errorf("report (-sent +arrived):\n%s", diff)
		}
	}
	first, second := reports[0].Findings, reports[1].Findings
	if first[0].Advisory != first[1].Advisory || first[0].Advisory != second[0].Advisory {
		t.Error("equal advisories do not share memory")
	}
	if first[0].Advisory == first[2].Advisory {
		t.Error("advisories of two severities became one")
	}
}

// A finding without its advisory or its package is no finding of no severity: the report is
// refused.
func TestDecodeReportRefuses(t *testing.T) {
	decode := func(report string) (*wire.Report, error) {
		return wire.DecodeReport([]byte(strings.Replace(report, "{", `{"streamKnown":true,"jars":0,`, 1)), new(findings.Known))
	}
	const good = `{"advisories":[{"id":"CVE-1","severity":"low"}],"findings":[{"advisory":0,"package":{"name":"a","version":"1","type":"t","class":"os-pkgs"}}]}`
	if r, err := decode(good); err != nil || len(r.Findings) != 1 {
		t.Fatalf("a good report: %+v, %v", r, err)
	}
	for name, report := range map[string]string{
		"no advisory":          `{"packages":[{"name":"a","version":"1","type":"t","class":"os-pkgs"}],"findings":[{"packageAt":0}]}`,
		"advisory null":        `{"advisories":[null],"findings":[{"advisory":0,"package":{"name":"a","version":"1","type":"t","class":"os-pkgs"}}]}`,
		"advisory is a list":   `{"advisories":[[]]}`,
		"advisory behind":      `{"advisories":[{"id":"CVE-1","severity":"low"}],"findings":[{"advisory":1,"package":{"name":"a","version":"1","type":"t","class":"os-pkgs"}}]}`,
		"advisory before":      `{"advisories":[{"id":"CVE-1","severity":"low"}],"findings":[{"advisory":-1,"package":{"name":"a","version":"1","type":"t","class":"os-pkgs"}}]}`,
		"unknown key":          `{"advisories":[{"id":"CVE-1","severity":"low","Severity":"low"}]}`,
		"key twice":            `{"advisories":[{"id":"CVE-1","severity":"high","severity":"low"}]}`,
		"no package":           `{"advisories":[{"id":"CVE-1","severity":"low"}],"findings":[{"advisory":0}]}`,
		"package behind":       `{"advisories":[{"id":"CVE-1","severity":"low"}],"findings":[{"advisory":0,"packageAt":0}]}`,
		"the form of evidence": `{"findings":[{"id":"CVE-1","severity":"low","package":{"name":"a","version":"1","type":"t","class":"os-pkgs"}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := decode(report); err == nil {
				t.Errorf("read as %+v", r)
			}
		})
	}
}

// What was read is written and read again as the same.
func FuzzDecodeReport(f *testing.F) {
	r := reportOf()
	r.Findings = []evidence.Finding{{Advisory: &evidence.Advisory{ID: "CVE-2026-1", Severity: evidence.SeverityHigh}, Package: &r.Packages[0]}}
	sent, err := wire.EncodeReport(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sent)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := wire.DecodeReport(data, new(findings.Known))
		if err != nil {
			return
		}
		again, err := wire.EncodeReport(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.DecodeReport(again, new(findings.Known))
		if err != nil {
			t.Fatal(err)
		}
		third, err := wire.EncodeReport(got)
		if err != nil {
			t.Fatal(err)
		}
		if string(third) != string(again) {
			t.Errorf("written as\n%s\nthen as\n%s", again, third)
		}
	})
}
