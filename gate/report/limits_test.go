package report_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/policy"
)

// TestTextStaysReadable bounds what a person has to read for 3,000 findings, and
// makes sure that nothing is dropped in silence.
func TestTextStaysReadable(t *testing.T) {
	got := string(write(t, "text", manyRun(3000), report.Options{}))
	if n := strings.Count(got, "\n"); n > 60 {
		t.Errorf("%d lines for 3,000 findings", n)
	}
	shown, rest := 0, 0
	for _, m := range regexp.MustCompile(`(?m)^    package-.*  (\d+) critical \+ (\d+)`).FindAllStringSubmatch(got, -1) {
		for _, s := range m[1:] {
			n := 0
			_, _ = fmt.Sscan(s, &n)
			shown += n
		}
	}
	m := regexp.MustCompile(`… and ([\d,]+) more findings in (\d+) packages: use -o json`).FindStringSubmatch(got)
	if m == nil {
		t.Fatalf("nothing says that findings were left out:\n%s", got)
	}
	_, _ = fmt.Sscan(strings.ReplaceAll(m[1], ",", ""), &rest)
	if shown == 0 || shown+rest != 3000 {
		t.Errorf("%d findings shown and %d counted, want 3000 in all", shown, rest)
	}
	few := string(write(t, "text", manyRun(3), report.Options{}))
	for _, id := range []string{"CVE-2024-00000", "CVE-2024-00001", "CVE-2024-00002"} {
		if !strings.Contains(few, id) {
			t.Errorf("%s is not in a report of three findings", id)
		}
	}
}

func TestTextIsAsWideAsTheTerminal(t *testing.T) {
	got := string(write(t, "text", failRun(), report.Options{Width: 100}))
	_, body, _ := strings.Cut(got, "\n") // the first line is never wrapped: it is copied
	for line := range strings.SplitSeq(body, "\n") {
		if n := len([]rune(line)); n > 100 && !strings.Contains(line, "sha256:") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestMarkdownIsCutByWholeRows(t *testing.T) {
	run := manyRun(3000)
	run.Results = append(run.Results, hostileRun("evil").Results...)
	for _, c := range []struct {
		format string
		o      report.Options
		limit  int
	}{
		{"markdown", report.Options{}, 1 << 20}, {"markdown-comment", report.Options{}, 65_536},
		{"markdown", report.Options{MaxBytes: 100_000}, 100_000}, {"markdown", report.Options{MaxBytes: 9000}, 9000}, {"markdown", report.Options{MaxBytes: 2000}, 2000},
	} {
		got := write(t, c.format, run, c.o)
		if len(got) > c.limit {
			t.Errorf("%s %d: %d bytes", c.format, c.limit, len(got))
		}
		if cut := bytes.Contains(got, []byte("This summary was cut: ")); cut != (c.limit < 1<<20) {
			t.Errorf("%s %d: cut is %t", c.format, c.limit, cut)
		}
		checkMarkdown(t, got)
	}
	if got := write(t, "markdown", manyRun(30_000), report.Options{}); len(got) > 1<<20 || !bytes.Contains(got, []byte("more findings\n")) {
		t.Errorf("30,000 findings: %d bytes, or no word about those left out", len(got))
	}
}

func TestMarkdownIsOnlyText(t *testing.T) {
	for name, run := range samples() {
		t.Run(name, func(t *testing.T) { checkMarkdown(t, write(t, "markdown", run, report.Options{})) })
	}
}

// checkMarkdown asks an independent parser: every row has as many cells as its
// header, and nothing that only text can contain is there.
func checkMarkdown(t *testing.T, doc []byte) {
	t.Helper()
	doc = bytes.TrimPrefix(doc, []byte("<!-- imagegate:v1 -->\n"))
	root := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(doc))
	columns, tables := 0, 0
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.RawHTML, *ast.HTMLBlock, *ast.Link, *ast.AutoLink, *ast.Image, *ast.CodeBlock, *ast.FencedCodeBlock, *ast.List, *ast.Blockquote:
			t.Errorf("a %s in\n%.3000s", n.Kind(), doc)
		case *extast.TableHeader:
			columns = n.ChildCount()
			tables++
		case *extast.TableRow:
			if n.ChildCount() != columns {
				t.Errorf("a row has %d cells, its header %d", n.ChildCount(), columns)
			}
		case *ast.Paragraph:
			if bytes.HasPrefix(n.Lines().Value(doc), []byte("|")) {
				t.Errorf("a row outside of a table: %.200s", n.Lines().Value(doc))
			}
		}
		return ast.WalkContinue, nil
	})
	if tables == 0 {
		t.Errorf("no table in\n%.3000s", doc)
	}
}

func TestGitHubAnnotationsAreFew(t *testing.T) {
	for n, want := range map[int]int{1: 1, 9: 9, 10: 10, 11: 10, 40: 10} {
		run := newRun()
		for i := range n {
			img := newImage(fmt.Sprintf("registry.example.no/app%d:1", i), "", digestA, "linux/amd64")
			run.Results = append(run.Results, gate.Result{Ref: img.Reference.Asked, Evidence: img, Verdict: policy.Verdict{
				Decision: policy.Denied, Rules: []policy.RuleResult{failedRule(fmt.Sprintf("rule.%d", i), i+1, "message", "", "")},
			}})
		}
		got := string(write(t, "github", run, report.Options{}))
		if lines := strings.Count(got, "\n"); lines != want {
			t.Errorf("%d annotations for %d rules, want %d", lines, n, want)
		}
		if n <= 10 && strings.Contains(got, "more") {
			t.Errorf("%d rules fit, but some were left out:\n%s", n, got)
		}
		if n > 10 && !strings.Contains(got, fmt.Sprintf("::%d more: see the job summary", n-9)) {
			t.Errorf("nothing counts the %d others:\n%s", n-9, got)
		}
	}
	same := newRun()
	for range 40 {
		same.Results = append(same.Results, failRun().Results...)
	}
	got := string(write(t, "github", same, report.Options{}))
	if strings.Count(got, "\n") != 3 || !strings.Contains(got, " and 35 more") {
		t.Errorf("forty images with the same three faults:\n%s", got)
	}
	for line := range strings.Lines(string(write(t, "github", hostileRun(strings.Repeat(hostileText, 100)), report.Options{}))) {
		if n := len([]rune(line)); n > 40_000 {
			t.Errorf("a line of %d characters", n)
		}
	}
}

func TestAnnotationsPointIntoTheRepository(t *testing.T) {
	for _, c := range []struct{ file, dir, want string }{
		{"ci/policy.yaml", "", "file=ci/policy.yaml,line=5,"},
		{"./ci/policy.yaml", "", "file=ci/policy.yaml,line=5,"},
		{"/repo/ci/policy.yaml", "/repo", "file=ci/policy.yaml,line=5,"},
		{"ci/policy.yaml", "/repo", "file=ci/policy.yaml,line=5,"},
		{"/elsewhere/policy.yaml", "/repo", ""},
		{"/elsewhere/policy.yaml", "", ""},
		{"../policy.yaml", "", ""},
		{"", "", ""},
	} {
		run := failRun()
		run.Results[0].Verdict.Rules = []policy.RuleResult{{Rule: "r", Result: policy.ResultFail, Message: "m", Position: policy.Position{File: c.file, Line: 5}}}
		got := string(write(t, "github", run, report.Options{PolicyDir: c.dir}))
		if want := "::error " + c.want + "title="; !strings.HasPrefix(got, want) {
			t.Errorf("file %q in %q: %q, want %q", c.file, c.dir, got, want)
		}
	}
}
