package diff

import (
	"bytes"
	_ "embed" // the template
	"fmt"
	"html/template"
	"strings"

	"github.com/imagegate/imagegate/gate/report/page"
	"github.com/imagegate/imagegate/policy/words"
)

var (
	//go:embed page.tmpl
	source string

	tmpl = template.Must(template.New("diff").Funcs(template.FuncMap{
		"shout": shout, "summary": summary, "versions": versionText, "join": func(s []string) string { return strings.Join(s, ", ") },
		"count": bySeverity, "why": func(f Finding, title string) string { return because(&f, title) },
	}).Parse(source))
)

// pageRows is how many rows a table of the page has.
const pageRows = 2000

// view is the comparison with what every page has.
type view struct {
	*Document
	Title     string
	Style     template.CSS
	StyleHash string
}

// Lists returns the lists of findings of a pair, with their titles.
func (v view) Lists(p Pair) []findingList {
	var out []findingList
	for _, l := range []findingList{{titleNew, p.Findings.New, 0}, {titleFixed, p.Findings.Fixed, 0}, {titleStaying, p.Findings.Staying, 0}} {
		if len(l.Findings) == 0 {
			continue
		}
		if l.Left = max(len(l.Findings)-pageRows, 0); l.Left > 0 {
			l.Findings = l.Findings[:pageRows]
		}
		out = append(out, l)
	}
	return out
}

type findingList struct {
	Title    string
	Findings []Finding
	Left     int // that a limit left out
}

// HTML writes the comparison as one page that needs no other file and makes no
// request.
func HTML(d *Document) ([]byte, error) {
	d = page.Clean(d)
	title := words.Plural(len(d.Images), "image")
	if len(d.Images) == 1 {
		title = d.Images[0].Old.Reference + " → " + d.Images[0].New.Reference
	}
	style, hash := page.Style()
	var b bytes.Buffer
	if err := tmpl.Execute(&b, view{Document: d, Title: title, Style: style, StyleHash: hash}); err != nil {
		return nil, fmt.Errorf("the page could not be written: %w", err)
	}
	return b.Bytes(), nil
}
