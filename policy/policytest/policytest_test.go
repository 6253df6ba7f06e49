package policytest

import (
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

func today() time.Time { return time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC) }

func reference(tag string) evidence.Reference {
	return evidence.Reference{
		Asked: "registry.example.no/shop/app:" + tag, Source: evidence.SourceRegistry, Name: "registry.example.no/shop/app",
		Registry: "registry.example.no", Repository: "shop/app", Tag: tag,
	}
}

const strict = `version: 1
extends: none
reference: {pin: version}
config: {user: non-root}
vulnerabilities: {max: {critical: 0, high: 0}, unfixed: warn}
secrets: {max: 0}
exceptions:
- {id: CVE-2026-0002, package: "pkg:npm/lodash", reason: not reachable, expires: 2026-07-31}
`

// A test passes exactly when the policy says what the test says.
func TestRun(t *testing.T) {
	p, err := policy.Parse("imagegate.yaml", []byte(strict))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ src, tag, want string }{
		"good":               {"verdict: pass", "1.2.3", ""},
		"wrong verdict":      {"verdict: fail", "1.2.3", "the verdict is pass, want fail"},
		"reason is told":     {"verdict: pass", "latest", "reference.pin"},
		"rule":               {"verdict: fail\n  rules: {reference.pin: fail, config.user: pass}", "latest", ""},
		"wrong rule":         {"verdict: pass\n  rules: {config.user: fail}", "1.2.3", "config.user is pass, want fail"},
		"facts":              {"verdict: fail\n  facts: {config: {user: root}, scan: {user: {spec: root, uid: 0, gid: 0}}}", "1.2.3", ""},
		"gap":                {"verdict: no-verdict\n  facts: {scan: {coverage: {gaps: [{kind: package-database, detail: gone}]}}}", "1.2.3", ""},
		"finding":            {"verdict: fail\n  findings: [{id: CVE-2026-0001, severity: high, package: \"pkg:npm/lodash@4.17.15\", fixed: 4.17.21}]\n  classes: {blocking: 1}", "1.2.3", ""},
		"unfixed":            {"verdict: pass\n  findings: [{id: CVE-2026-0001, severity: high, package: \"pkg:npm/lodash@4.17.15\"}]\n  classes: {blocking: 0, unfixed: 1}", "1.2.3", ""},
		"wrong class":        {"verdict: pass\n  classes: {unfixed: 1}", "1.2.3", "0 unfixed, want 1"},
		"excepted":           {"verdict: pass\n  findings: [{id: CVE-2026-0002, severity: high, package: \"pkg:npm/lodash@4.17.15\", fixed: 4.17.21}]\n  classes: {excepted: 1}", "1.2.3", ""},
		"after the end":      {"verdict: fail\n  date: 2026-08-01\n  findings: [{id: CVE-2026-0002, severity: high, package: \"pkg:npm/lodash@4.17.15\", fixed: 4.17.21}]", "1.2.3", ""},
		"on the last day":    {"verdict: pass\n  date: 2026-07-31\n  findings: [{id: CVE-2026-0002, severity: high, package: \"pkg:npm/lodash@4.17.15\", fixed: 4.17.21}]", "1.2.3", ""},
		"fact that is wrong": {"verdict: pass\n  facts: {confg: {user: root}}", "1.2.3", "error: facts"},
		"no purl":            {"verdict: pass\n  findings: [{id: CVE-2026-0001, severity: high, package: lodash}]", "1.2.3", "error: finding 1: package"},
	} {
		f, err := Parse("t.yaml", []byte("tests:\n- name: x\n  image: registry.example.no/shop/app\n  "+tt.src+"\n"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		differences, err := f.Tests[0].Run(p, reference(tt.tag), nil, today())
		got := strings.Join(differences, "; ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// Saved evidence is judged under the name of the test, and is left as it was.
func TestRunSavedEvidence(t *testing.T) {
	p, err := policy.Parse("imagegate.yaml", []byte(strict))
	if err != nil {
		t.Fatal(err)
	}
	saved := Good(reference("1.2.3"), today())
	for _, tt := range []struct {
		image, tag string
		want       int
	}{{"", "latest", 0}, {"registry.example.no/shop/app:latest", "latest", 1}} {
		test := Test{Image: tt.image, Verdict: "pass", Findings: []Finding{{ID: "CVE-2026-0001", Severity: "low", Package: "pkg:deb/debian/zlib1g@1.0"}}}
		differences, err := test.Run(p, reference(tt.tag), saved, today())
		if err != nil || len(differences) != tt.want {
			t.Errorf("image %q: %v, %v", tt.image, differences, err)
		}
	}
	if len(saved.Scan.Findings) != 0 || saved.Reference.Tag != "1.2.3" {
		t.Error("a test changed the evidence")
	}
}

// A file that would check less than its author thinks is refused.
func TestParseRefuses(t *testing.T) {
	const ok = "name: x, image: r.example.no/a, verdict: pass"
	for src, want := range map[string]string{
		"":                                                     "empty",
		"tests: []":                                            "no test",
		"policy: a.yaml":                                       "no test",
		"tests: [{" + ok + "}]\nextra: 1":                      "extra",
		"tests: [{" + ok + ", verdikt: fail}]":                 "verdikt",
		"tests: [{" + ok + "}]\n---\ntests: []":                "second document",
		"tests: [{image: a, verdict: pass}]":                   "t.yaml:1: the test has no name",
		"tests: [{name: x, verdict: pass}]":                    "neither image nor evidence",
		"tests: [{name: x, image: a}]":                         "no verdict",
		"tests:\n- {" + ok + "}\n- {" + ok + "}":               "t.yaml:3: the test on line 2 has the same name",
		"tests: [{name: x, image: a, verdict: ok}]":            "pass, fail or no-verdict",
		"tests: [{" + ok + ", classes: {bloking: 1}}]":         "no class",
		"tests: [{" + ok + ", classes: {blocking: -1}}]":       "less than 0",
		"tests: [{" + ok + ", rules: {config.usr: fail}}]":     "did you mean config.user?",
		"tests: [{" + ok + ", rules: {config.user: red}}]":     "config.user",
		"tests: [{" + ok + ", rules: {levels: fail}}]":         "no answer",
		"tests: [{" + ok + ", date: tomorrow}]":                "2027-01-31",
		"tests: [{" + ok + ", evidence: a.json}]":              "no date",
		"tests: [{" + ok + ", findings: [{cve: CVE-2026-1}]}]": "cve",
	} {
		if _, err := Parse("t.yaml", []byte(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", src, err, want)
		}
	}
}

// FuzzParse asks that every file that Parse accepts can be run.
func FuzzParse(f *testing.F) {
	f.Add("tests:\n- {name: x, image: a, verdict: pass}\n")
	f.Add("tests:\n- {name: x, image: a, verdict: fail, facts: {config: {user: root}}, findings: [{id: CVE-2026-0001, severity: high, package: \"pkg:npm/a@1\"}]}\n")
	p, err := policy.Parse("imagegate.yaml", []byte(strict))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src string) {
		file, err := Parse("t.yaml", []byte(src))
		if err != nil {
			return
		}
		for i := range file.Tests {
			if file.Tests[i].Line == 0 {
				t.Errorf("test %d has no line", i)
			}
			_, _ = file.Tests[i].Run(p, reference("1.2.3"), nil, today())
		}
	})
}
