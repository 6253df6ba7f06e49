package report_test

import (
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/policy"
)

// junitFile reads JUnit as its consumers do, without the writer's types.
type junitFile struct {
	XMLName xml.Name `xml:"testsuites"`
	Suites  []struct {
		Attrs []xml.Attr `xml:",any,attr"`
		Cases []struct {
			Attrs   []xml.Attr  `xml:",any,attr"`
			Failure *junitState `xml:"failure"`
			Error   *junitState `xml:"error"`
			Skipped *junitState `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

type junitState struct {
	Attrs []xml.Attr `xml:",any,attr"`
	Text  string     `xml:",chardata"`
}

func attr(attrs []xml.Attr, name string) string {
	for _, a := range attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func readJUnit(t *testing.T, run *gate.Run) junitFile {
	t.Helper()
	var f junitFile
	if err := xml.Unmarshal(write(t, "junit", run, report.Options{}), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestJUnitAddsUp: the counts are those of the cases, no suite is empty, and no
// two cases of a suite have one name (GitLab keeps only the first).
func TestJUnitAddsUp(t *testing.T) {
	for name, run := range samples() {
		f := readJUnit(t, run)
		want := max(len(run.Results), 1)
		if run.Release != nil {
			want = len(run.Results) + 1 // of the documents
		}
		if len(f.Suites) != want {
			t.Errorf("%s: %d suites, want %d", name, len(f.Suites), want)
		}
		for i, s := range f.Suites {
			counts := map[string]int{"tests": len(s.Cases)}
			seen := map[string]bool{}
			for _, c := range s.Cases {
				key := attr(c.Attrs, "classname") + "|" + attr(c.Attrs, "name")
				if seen[key] || strings.HasPrefix(key, "|") || strings.HasSuffix(key, "|") {
					t.Errorf("%s: case %q is nameless, or there twice", name, key)
				}
				seen[key] = true
				for state, has := range map[string]bool{"failures": c.Failure != nil, "errors": c.Error != nil, "skipped": c.Skipped != nil} {
					if has {
						counts[state]++
					}
				}
			}
			for _, count := range []string{"tests", "failures", "errors", "skipped"} {
				if got := attr(s.Attrs, count); got != fmt.Sprint(counts[count]) {
					t.Errorf("%s suite %d: %s is %s, want %d", name, i, count, got, counts[count])
				}
			}
			if len(s.Cases) == 0 || attr(s.Attrs, "id") != fmt.Sprint(i) {
				t.Errorf("%s: suite %d has %d cases and id %s", name, i, len(s.Cases), attr(s.Attrs, "id"))
			}
		}
	}
}

func TestJUnitStates(t *testing.T) {
	states := map[string]string{}
	for _, c := range readJUnit(t, failRun()).Suites[0].Cases {
		state := "passed"
		switch {
		case c.Failure != nil:
			state = "failure " + attr(c.Failure.Attrs, "type")
		case c.Skipped != nil:
			state = "skipped " + attr(c.Skipped.Attrs, "message")
		}
		states[attr(c.Attrs, "name")] = state
	}
	for name, want := range map[string]string{
		"config.user":                           "passed",
		"vulnerabilities.max":                   "failure fail",
		"CVE-2024-0001 openssl@3.0.11-1":        "failure critical",
		"CVE-2023-45853 zlib1g@1:1.2.13.dfsg-1": "skipped excepted until 2027-01-31: not reachable (ci/imagegate.yaml:40)",
	} {
		if states[name] != want {
			t.Errorf("case %s is %q, want %q", name, states[name], want)
		}
	}
	c := readJUnit(t, noVerdictRun()).Suites[0].Cases[0]
	if c.Error == nil || attr(c.Error.Attrs, "type") != "resolve" || !strings.Contains(c.Error.Text, "docker login") {
		t.Errorf("a run without a verdict has %+v", c.Error)
	}
}

func TestJUnitTellsSameNamesApart(t *testing.T) {
	run := failRun()
	twice := finding("CVE-2024-0001", "high", "a", "1", "2", policy.ClassBlocking)
	run.Results[0].Verdict.Findings = []policy.Judged{twice, twice, twice}
	names := map[string]bool{}
	for _, c := range readJUnit(t, run).Suites[0].Cases {
		names[attr(c.Attrs, "name")] = true
	}
	for _, want := range []string{"CVE-2024-0001 a@1", "CVE-2024-0001 a@1 (2)", "CVE-2024-0001 a@1 (3)"} {
		if !names[want] {
			t.Errorf("no case %q in %v", want, names)
		}
	}
}

// TestJUnitMatchesBothSchemas asks xmllint, which is not everywhere; what it
// checks of our own making is also in the tests above.
func TestJUnitMatchesBothSchemas(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed (package libxml2-utils)")
	}
	dir := t.TempDir()
	check := func(schema string, doc []byte) error {
		path := filepath.Join(dir, "junit.xml")
		if err := os.WriteFile(path, doc, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(xmllint, "--noout", "--schema", filepath.Join("testdata", "schemas", schema), path).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %.2000s", err, out)
		}
		return nil
	}
	for _, schema := range []string{"junit-10.xsd", "junit-windyroad.xsd"} {
		for name, run := range samples() {
			if err := check(schema, write(t, "junit", run, report.Options{})); err != nil {
				t.Errorf("%s, %s: %v", name, schema, err)
			}
		}
		bad := strings.Replace(string(write(t, "junit", failRun(), report.Options{})), "<failure", "<failed", 1)
		if check(schema, []byte(strings.Replace(bad, "</failure>", "</failed>", 1))) == nil {
			t.Errorf("%s lets an unknown element through", schema)
		}
	}
}
