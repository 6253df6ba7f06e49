package safe_test

import (
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/imagegate/imagegate/gate/report/safe"
)

func TestMarkdown(t *testing.T) {
	for in, want := range map[string]string{
		"3 critical, at most 0": "3 critical, at most 0",
		"a|b":                   "a&#124;b",
		"@octocat":              "`@`octocat",
		"@@x":                   "`@@`x",
		"see GH-12":             "see GH`-`12",
		"<b>":                   "&#60;b&#62;",
		"https://x.example":     "https&#58;//x.example",
		"cure: pin it":          "cure: pin it",
	} {
		if got := safe.Markdown(in); got != want {
			t.Errorf("Markdown(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMarkdownCode(t *testing.T) {
	for in, want := range map[string]string{
		"openssl": "`openssl`",
		"a`b":     "``a`b``",
		"`":       "`` ` ``",
		"a|b":     "`a\\x7cb`",
		"":        "`(empty)`",
		"<b>":     "`<b>`",
	} {
		if got := safe.MarkdownCode(in); got != want {
			t.Errorf("MarkdownCode(%q) = %q, want %q", in, got, want)
		}
	}
}

// checkMarkdown puts s into every place that a report has for it and asks an
// independent parser whether it is nothing but text there.
func checkMarkdown(t *testing.T, s string) {
	t.Helper()
	plain, code := safe.Markdown(s), safe.MarkdownCode(s)
	doc := "| a | b | c |\n|---|---|---|\n| " + plain + " | " + code + " | end |\n\n" +
		plain + "\n\n- " + plain + "\n\n" + code + " and " + plain + ".\n"
	src := []byte(doc)
	md := goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote))
	root := md.Parser().Parse(text.NewReader(src))
	tables, lists := 0, 0
	err := ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.RawHTML, *ast.HTMLBlock, *ast.Link, *ast.AutoLink, *ast.Image, *ast.Emphasis, *extast.Strikethrough,
			*ast.Heading, *ast.Blockquote, *ast.FencedCodeBlock, *ast.CodeBlock, *ast.ThematicBreak, *extast.FootnoteLink, *extast.TaskCheckBox:
			t.Errorf("%q becomes a %s in\n%s", s, n.Kind(), doc)
		case *extast.Table:
			tables++
		case *ast.List:
			lists++
		case *extast.TableRow:
			if n.ChildCount() != 3 || !strings.HasSuffix(cellText(n.LastChild(), src), "end") {
				t.Errorf("%q changes the cells of the row in\n%s", s, doc)
			}
		}
		return ast.WalkContinue, nil
	})
	if err != nil || tables != 1 || lists != 1 {
		t.Errorf("%q: %d tables, %d lists, want one of each (%v) in\n%s", s, tables, lists, err, doc)
	}
	checkGitHub(t, s, root, src)
}

// checkGitHub looks for what GitHub's own filters would find in the text nodes
// after rendering.
func checkGitHub(t *testing.T, s string, root ast.Node, src []byte) {
	t.Helper()
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if _, ok := n.(*ast.CodeSpan); ok {
			return ast.WalkSkipChildren, nil
		}
		if txt, ok := n.(*ast.Text); ok && entering && strings.ContainsAny(string(txt.Segment.Value(src)), "@$") {
			t.Errorf("%q leaves a mention or a formula: %q", s, txt.Segment.Value(src))
		}
		return ast.WalkContinue, nil
	})
}

func cellText(n ast.Node, src []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if txt, ok := n.(*ast.Text); ok && entering {
			b.Write(txt.Segment.Value(src))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}
