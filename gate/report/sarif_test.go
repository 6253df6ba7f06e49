package report_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// sarifLog is the part of SARIF that GitHub reads, written without the
// library that the writer uses.
type sarifLog struct {
	Runs []struct {
		Tool struct {
			Driver struct {
				Rules []struct {
					ID         string
					HelpURI    string                `json:"helpUri"`
					Short      struct{ Text string } `json:"shortDescription"`
					Full       struct{ Text string } `json:"fullDescription"`
					Help       struct{ Text string }
					Properties map[string]any
				}
			}
		}
		AutomationDetails struct{ ID string }
		Invocations       []struct {
			ExecutionSuccessful        bool
			ToolExecutionNotifications []struct{ Message struct{ Text string } }
		}
		Results []struct {
			RuleID    string `json:"ruleId"`
			RuleIndex int
			Level     string
			Message   struct{ Text string }
			Locations []struct {
				PhysicalLocation struct {
					ArtifactLocation struct{ URI string }
					Region           struct{ StartLine int }
				}
			}
			PartialFingerprints map[string]string
			Suppressions        []struct{ Kind, Justification string }
		}
	}
}

func readSARIF(t *testing.T, run *gate.Run) sarifLog {
	t.Helper()
	var log sarifLog
	if err := json.Unmarshal(write(t, "sarif", run, report.Options{}), &log); err != nil {
		t.Fatal(err)
	}
	return log
}

// TestSARIFIsWhatGitHubTakes holds every sample to the rules of code scanning
// that no schema knows.
func TestSARIFIsWhatGitHubTakes(t *testing.T) {
	for name, run := range samples() {
		log := readSARIF(t, run)
		categories := map[string]bool{}
		if len(log.Runs) == 0 || len(log.Runs) > 20 {
			t.Errorf("%s: %d runs", name, len(log.Runs))
		}
		for _, r := range log.Runs {
			if categories[r.AutomationDetails.ID] || !strings.HasSuffix(r.AutomationDetails.ID, "/") {
				t.Errorf("%s: category %q is not one, or there twice", name, r.AutomationDetails.ID)
			}
			categories[r.AutomationDetails.ID] = true
			ids, prints := map[string]bool{}, map[string]bool{}
			for _, rule := range r.Tool.Driver.Rules {
				checkSARIFRule(t, name, rule.Short.Text, rule.Full.Text, rule.Help.Text, rule.HelpURI, rule.Properties)
				if ids[rule.ID] || rule.ID == "" || len([]rune(rule.ID)) > 255 {
					t.Errorf("%s: rule %q is empty, long or there twice", name, rule.ID)
				}
				ids[rule.ID] = true
			}
			for _, res := range r.Results {
				print := res.PartialFingerprints["primaryLocationLineHash"]
				if !regexp.MustCompile(`^[0-9a-f]{64}:[0-9]+$`).MatchString(print) || prints[print] {
					t.Errorf("%s: fingerprint %q is none, or there twice", name, print)
				}
				prints[print] = true
				if res.RuleIndex < 0 || res.RuleIndex >= len(r.Tool.Driver.Rules) || r.Tool.Driver.Rules[res.RuleIndex].ID != res.RuleID {
					t.Errorf("%s: rule index %d of %q is wrong", name, res.RuleIndex, res.RuleID)
				}
				if res.Message.Text == "" || len(res.Locations) != 1 || res.Locations[0].PhysicalLocation.Region.StartLine < 1 {
					t.Errorf("%s: result of %s lacks a message, a location or a line", name, res.RuleID)
				}
				checkRelative(t, name, res.Locations[0].PhysicalLocation.ArtifactLocation.URI)
				if strings.Contains(strings.ReplaceAll(res.Message.Text, `\]`, ""), "](") {
					t.Errorf("%s: a link in %q", name, res.Message.Text)
				}
			}
		}
	}
}

func checkSARIFRule(t *testing.T, name, short, full, help, uri string, properties map[string]any) {
	t.Helper()
	for _, s := range []string{short, full, help} {
		if s == "" || len([]rune(s)) > 1024 {
			t.Errorf("%s: a description of %d characters", name, len([]rune(s)))
		}
	}
	if u, err := url.Parse(uri); err != nil || u.Scheme != "https" && u.Scheme != "http" {
		t.Errorf("%s: help is at %q", name, uri)
	}
	if s, ok := properties["security-severity"]; ok {
		if n, err := strconv.ParseFloat(fmt.Sprint(s), 64); err != nil || n <= 0 || n > 10 {
			t.Errorf("%s: security-severity is %v", name, s)
		}
	}
}

// checkRelative fails for a location that GitHub would misread: absolute, with
// a scheme, outside of the repository.
func checkRelative(t *testing.T, name, uri string) {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "" || u.Host != "" || strings.HasPrefix(u.Path, "/") || u.Path == "" || u.RawQuery != "" || u.Fragment != "" ||
		strings.Contains("/"+u.Path+"/", "/../") || strings.Contains(uri, ":") {
		t.Errorf("%s: location %q is not a relative path (%v)", name, uri, err)
	}
}

func TestSARIFLevelsFollowTheVerdict(t *testing.T) {
	levels := map[string]string{}
	for _, r := range readSARIF(t, failRun()).Runs[0].Results {
		levels[r.RuleID] = r.Level
		if suppressed := len(r.Suppressions) > 0; suppressed != (r.RuleID == "CVE-2023-45853") {
			t.Errorf("%s: suppressed is %t", r.RuleID, suppressed)
		}
	}
	want := map[string]string{
		"CVE-2024-0001": "error", "CVE-2024-0002": "error", "CVE-2024-0003": "error", "GHSA-35jh-r3h4-6jhm": "error",
		"reference.deny-tags": "error", "coverage.unattributed": "warning",
		"CVE-2025-7777": "note", "CVE-2025-8888": "note", "CVE-2026-4444": "note", "CVE-2023-45853": "note",
	}
	if fmt.Sprint(levels) != fmt.Sprint(want) {
		t.Errorf("levels are %v, want %v", levels, want)
	}
}

// TestSARIFIdentityIsStable builds the image anew: another tag, another digest,
// another version of the package. No alert may be closed and opened again.
func TestSARIFIdentityIsStable(t *testing.T) {
	identity := func(run *gate.Run) string {
		log := readSARIF(t, run)
		s := log.Runs[0].AutomationDetails.ID
		for _, r := range log.Runs[0].Results {
			s += "\n" + r.RuleID + " " + r.Locations[0].PhysicalLocation.ArtifactLocation.URI + " " + fmt.Sprint(r.PartialFingerprints)
		}
		return s
	}
	before, rebuilt := failRun(), failRun()
	r := &rebuilt.Results[0]
	r.Ref = "registry.example.no:5000/shop/app:2.0"
	r.Evidence.Reference.Asked, r.Evidence.Digest = r.Ref, digestB
	for i := range r.Verdict.Findings {
		r.Verdict.Findings[i].Package.Version += ".1"
	}
	if a, b := identity(before), identity(rebuilt); a != b {
		t.Errorf("a rebuilt image has other alerts:\n%s\n%s", a, b)
	}
	r.Evidence.Reference.Name = "registry.example.no:5000/shop/other"
	if a, b := identity(before), identity(rebuilt); a == b {
		t.Error("another image has the same alerts")
	}
}

func TestSARIFLimits(t *testing.T) {
	log := readSARIF(t, manyRun(6000))
	if n := len(log.Runs[0].Results); n != 5000 {
		t.Errorf("%d results, want 5000", n)
	}
	if !strings.Contains(fmt.Sprint(log.Runs[0].Invocations[0].ToolExecutionNotifications), "1,002 findings left out") {
		t.Errorf("no notice: %v", log.Runs[0].Invocations[0].ToolExecutionNotifications)
	}
	runs := newRun()
	for i := range 30 {
		r := passRun().Results[0]
		if i >= 25 {
			r = failRun().Results[0]
		}
		runs.Results = append(runs.Results, r)
	}
	log = readSARIF(t, runs)
	failing := 0
	for _, r := range log.Runs {
		if len(r.Results) > 0 {
			failing++
		}
	}
	if len(log.Runs) != 20 || failing != 5 {
		t.Errorf("%d runs, %d of them with results; want 20 and 5", len(log.Runs), failing)
	}
	if !strings.Contains(fmt.Sprint(log.Runs[0].Invocations), "10 results left out") {
		t.Error("no notice about runs left out")
	}
}

func TestSARIFShrinksToFitTheUpload(t *testing.T) {
	run := newRun()
	for i := range 2 {
		big := manyRun(3000).Results[0]
		big.Ref = fmt.Sprintf("registry.example.no/app%d", i)
		big.Evidence.Reference.Name = big.Ref
		for j := range big.Verdict.Findings {
			// Text that does not compress, as far as a hexadecimal digit can.
			big.Verdict.Findings[j].Description = noise(i*3000+j, 1100)
			big.Verdict.Findings[j].Title = noise(-i*3000-j-1, 1100)
		}
		run.Results = append(run.Results, big)
	}
	doc := write(t, "sarif", run, report.Options{})
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write(doc)
	_ = w.Close()
	if z.Len() > 10<<20 {
		t.Errorf("%d bytes after gzip", z.Len())
	}
	if !bytes.Contains(doc, []byte("left out, the least severe ones")) {
		t.Error("no notice about findings left out")
	}
}

// noise is text that is the same in every run and hard to compress.
func noise(seed, n int) string {
	x := uint64(seed)*0x9e3779b97f4a7c15 + 1
	b := make([]byte, n)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = ' ' + 1 + byte(x%93)
	}
	return string(b)
}

// TestSecuritySeverityIsInOurBand: GitHub must show the severity that the
// policy judged by, even if a source gave another score.
func TestSecuritySeverityIsInOurBand(t *testing.T) {
	for s, want := range map[evidence.Severity][2]float64{
		"critical": {9.0, 10}, "high": {7, 8.9}, "medium": {4, 6.9}, "low": {0.1, 3.9},
	} {
		for _, score := range []float64{0, 2.2, 5.1, 7.7, 9.8, 10} {
			run := newRun(failRun().Results[0])
			f := finding("CVE-2024-1", s, "a", "1", "2", policy.ClassBlocking)
			f.CVSS = map[string]evidence.CVSS{"nvd": {V3Score: score}}
			run.Results[0].Verdict.Findings = []policy.Judged{f}
			for _, rule := range readSARIF(t, run).Runs[0].Tool.Driver.Rules {
				if rule.ID != f.ID {
					continue
				}
				n, err := strconv.ParseFloat(rule.Properties["security-severity"].(string), 64)
				if err != nil || n < want[0] || n > want[1] || s == "critical" && n <= 9 {
					t.Errorf("%s with score %v: security-severity %v (%v), want %v", s, score, n, err, want)
				}
			}
		}
	}
}

// TestSARIFSaysWhichProblemsItLeavesOut: the run about the documents has the limit of
// those about images.
func TestSARIFSaysWhichProblemsItLeavesOut(t *testing.T) {
	run := releaseRun()
	many := policy.RuleResult{Rule: "workload.many", Result: policy.ResultFail, Message: "many"}
	for i := range 6000 {
		many.Problems = append(many.Problems, policy.Problem{Result: policy.ResultFail, Message: fmt.Sprint("problem ", i)})
	}
	run.Release.Verdict.Rules = append(run.Release.Verdict.Rules, many)
	log := readSARIF(t, run)
	if n := len(log.Runs[0].Results); n >= 6000 {
		t.Fatalf("all %d results were written", n)
	}
	if got := fmt.Sprint(log.Runs[0].Invocations[0].ToolExecutionNotifications); !strings.Contains(got, "problems left out") {
		t.Errorf("nothing says that problems were left out: %s", got)
	}
}
