package report_test

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/plan"
)

// plannedRun fails because of one package, and has a plan.
func plannedRun() *gate.Run {
	run := failRun()
	r := &run.Results[0]
	p := plan.Plan{
		Decision: policy.Denied, Left: []policy.RuleResult{failedRule("config.user", 4, "runs as root", "a user", "USER 10001")},
		Steps: []plan.Step{{
			Packages: []evidence.Package{{Name: "multer", Version: "2.0.2", Type: "node-pkg"}}, From: "2.0.2", To: "2.2.0",
			Clears: []string{"CVE-2026-0001", "CVE-2026-0002"}, Findings: 2, Layer: &r.Evidence.Config.Layers[1],
			Command: "npm install multer@2.2.0", Advice: "install multer 2.2.0",
		}},
	}
	r.Plan = func() *plan.Plan { return &p }
	return run
}

// The first screen answers three questions without a script: may it ship, what is
// in the way, what to do.
func TestPageAnswersWithoutScript(t *testing.T) {
	doc := string(write(t, "html", plannedRun(), report.Options{}))
	static, _, _ := strings.Cut(doc, `<script type="application/json"`)
	for _, want := range []string{`data-verdict="fail"`, "FAIL", "runs as root", "install multer 2.2.0", "npm install multer@2.2.0", "clears 2 findings", "its own build", "What was accepted"} {
		if !strings.Contains(static, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(doc, "http://") && regexp.MustCompile(`<(?:link|img|script|iframe)[^>]*(?:src|href)=`).MatchString(doc) {
		t.Error("the page refers to another file")
	}
}

// Size and limits: 5,000 findings stay under 3 MB; what is left out is said.
func TestPageLimits(t *testing.T) {
	doc := write(t, "html", manyRun(5000), report.Options{})
	if len(doc) > 3<<20 {
		t.Errorf("%d bytes", len(doc))
	}
	if bytes.Contains(doc, []byte("left out")) {
		t.Error("5,000 findings do not fit")
	}
	if doc := write(t, "html", manyRun(7000), report.Options{}); !bytes.Contains(doc, []byte("2,000 are left out")) {
		t.Error("the page does not say what it leaves out")
	}
	var fleet []gate.Result
	for i := range 1000 {
		r := passRun().Results[0]
		r.Ref = fmt.Sprintf("registry.example.com/app-%d:1.0.0", i)
		fleet = append(fleet, r)
	}
	doc = write(t, "html", newRun(fleet...), report.Options{})
	if n := bytes.Count(doc, []byte("app-999:1.0.0")); n == 0 || !bytes.Contains(doc, []byte("sections for 50 of 1000 images")) || len(doc) > 3<<20 {
		t.Errorf("a fleet: %d times, %d bytes", n, len(doc))
	}
}

// browser is a real Chromium.
type browser struct {
	t    *testing.T
	path string
	page string // a file address
}

// open writes a page and finds the browser. A machine without one skips, unless
// IMAGEGATE_REQUIRE_CHROMIUM is set.
func open(t *testing.T, run *gate.Run) *browser {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			file := filepath.Join(t.TempDir(), "page.html")
			if err := os.WriteFile(file, write(t, "html", run, report.Options{}), 0o644); err != nil {
				t.Fatal(err)
			}
			return &browser{t, path, (&url.URL{Scheme: "file", Path: file}).String()}
		}
	}
	if os.Getenv("IMAGEGATE_REQUIRE_CHROMIUM") != "" {
		t.Fatal("there is no Chromium")
	}
	t.Skip("there is no Chromium")
	return nil
}

// run opens the page at a fragment and returns what the browser prints. A message
// on the console fails the test.
func (b *browser) run(fragment string, flags ...string) string {
	b.t.Helper()
	var stdout, stderr bytes.Buffer
	args := append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-dev-shm-usage", "--user-data-dir=" + b.t.TempDir(), "--enable-logging=stderr", "--timeout=20000",
	}, flags...)
	cmd := exec.Command(b.path, append(args, b.page+fragment)...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &stdout, &stderr, 30*time.Second
	if err := cmd.Run(); err != nil {
		b.t.Fatalf("%v\n%s", err, stderr.String())
	}
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, "CONSOLE") {
			b.t.Errorf("%s: %s", fragment, line)
		}
	}
	return stdout.String()
}

// dom returns the document after the script ran.
func (b *browser) dom(fragment string) string { return b.run(fragment, "--dump-dom") }

var counted = regexp.MustCompile(`aria-live="polite">(\d+) of (\d+) findings`)

func (b *browser) count(fragment string) string {
	b.t.Helper()
	m := counted.FindStringSubmatch(b.dom(fragment))
	if m == nil {
		b.t.Fatalf("%s: no number of findings", fragment)
	}
	return m[1] + "/" + m[2]
}

// A link carries the filters; each narrows the list to what it says.
func TestPageInBrowser(t *testing.T) {
	run := manyRun(5000)
	all, critical := len(run.Results[0].Verdict.Findings), 0
	first := run.Results[0].Verdict.Findings[0].ID
	for _, f := range run.Results[0].Verdict.Findings {
		if f.Severity == evidence.SeverityCritical {
			critical++
		}
	}
	b := open(t, run)
	if got, want := b.count(""), fmt.Sprintf("%d/%d", all, all); got != want {
		t.Errorf("all: %s, want %s", got, want)
	}
	if got, want := b.count("#view?severity=critical&sort=-package"), fmt.Sprintf("%d/%d", critical, all); got != want {
		t.Errorf("critical: %s, want %s", got, want)
	}
	if dom := b.dom("#view?q=" + first); !strings.Contains(dom, `aria-expanded="false">`+first+"<") || strings.Count(dom, `aria-expanded=`) >= 200 {
		t.Errorf("search for %s", first)
	}
	pdf := filepath.Join(t.TempDir(), "page.pdf")
	b.run("", "--print-to-pdf="+pdf, "--no-pdf-header-footer")
	if info, err := os.Stat(pdf); err != nil || info.Size() < 10_000 {
		t.Errorf("printed: %v %v", info, err)
	}
}

// Names that carry markup run nothing and load nothing.
func TestHostilePageInBrowser(t *testing.T) {
	dom := open(t, hostileRun("<img src=x onerror=document.title='pwned'>")).dom("")
	if strings.Contains(dom, "<title>pwned") || strings.Contains(dom, "<img") {
		t.Error("text of an image became markup")
	}
	if !counted.MatchString(dom) && !strings.Contains(dom, "There are no findings.") {
		t.Error("the script did not run")
	}
}

// TestPageScreenshots keeps pictures for people to look at.
func TestPageScreenshots(t *testing.T) {
	dir := os.Getenv("IMAGEGATE_SCREENSHOTS")
	if dir == "" {
		t.Skip("IMAGEGATE_SCREENSHOTS names no directory")
	}
	for name, run := range map[string]*gate.Run{"pass": passRun(), "plan": plannedRun(), "many": manyRun(5000), "fleet": platformsRun(), "hostile": hostileRun("evil")} {
		b := open(t, run)
		for width, flags := range map[string][]string{"wide": {"--window-size=1280,1600"}, "narrow": {"--window-size=500,1600"}, "dark": {"--window-size=1280,1600", "--force-dark-mode", "--blink-settings=preferredColorScheme=0"}} {
			b.run("", append(flags, "--hide-scrollbars", "--screenshot="+filepath.Join(dir, name+"-"+width+".png"))...)
		}
	}
}
