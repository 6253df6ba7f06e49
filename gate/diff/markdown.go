package diff

import (
	"fmt"
	"strings"

	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy/words"
)

// What a comment on a merge request may have: 65,536 characters, and what a person
// reads. Rows are cut before the limit is reached.
const (
	markdownRows  = 50
	markdownBytes = 60_000
	cellRunes     = 160
)

// Markdown writes the comparison as the text of a release note or of a comment on a
// merge request. It begins with a marker by which a script finds its last comment.
func Markdown(d *Document) []byte {
	for rows := markdownRows; ; rows /= 2 {
		if doc := markdown(d, rows); len(doc) <= markdownBytes || rows == 0 {
			return doc
		}
	}
}

func markdown(d *Document, rows int) []byte {
	m := &markdownWriter{rows: rows}
	m.line("<!-- imagegate-diff:v1 -->")
	for i := range d.Images {
		if rows == 0 && i == markdownRows {
			m.line(fmt.Sprintf("%s more left out: see the JSON document.\n", words.Plural(len(d.Images)-i, "image")))
			break
		}
		m.pair(&d.Images[i])
	}
	for i, u := range d.Unpaired {
		if i == markdownRows {
			m.line(fmt.Sprintf("%s more left out.\n", words.Plural(len(d.Unpaired)-i, "image")))
			break
		}
		m.line("Only " + u.Side + ": " + code(u.Reference) + " " + code(u.Platform) + ": " + text(u.Reason) + "\n")
	}
	m.line("Both judged at " + d.At.UTC().Format("2006-01-02 15:04 UTC") + " by " + code(d.Policy) + ".")
	return []byte(m.b.String())
}

type markdownWriter struct {
	b    strings.Builder
	rows int
}

func (m *markdownWriter) line(s string) { m.b.WriteString(s + "\n") }

func (m *markdownWriter) pair(p *Pair) {
	m.line("## " + code(p.Old.Reference) + " → " + code(p.New.Reference) + " " + code(p.Platform) + "\n")
	m.line("**" + shout(p.Old.Verdict) + " → " + shout(p.New.Verdict) + "**: " + text(summary(p)) + "\n")
	for _, note := range p.Notes {
		m.line("Note: " + text(note) + ".\n")
	}
	m.findings(titleNew, p.Findings.New)
	m.findings(titleFixed, p.Findings.Fixed)
	m.findings(titleStaying, p.Findings.Staying)
	m.table("Packages", []string{"Package", "Type", "Old", "New"}, len(p.Packages), func(i int) []string {
		c := &p.Packages[i]
		return []string{code(c.Name), code(c.Type), code(strings.Join(c.Old, ", ")), code(strings.Join(c.New, ", "))}
	})
	m.table("Config", []string{"What", "Old", "New"}, len(p.Config), func(i int) []string {
		c := &p.Config[i]
		return []string{text(c.What), code(c.Old), code(c.New)}
	})
	m.line("Digests: " + code(p.Old.Digest) + " → " + code(p.New.Digest) + "\n")
}

func (m *markdownWriter) findings(title string, list []Finding) {
	heading := title
	if len(list) > 0 {
		heading += " (" + bySeverity(list) + ")"
	}
	m.table(heading, []string{"ID", "Severity", "Package", "Version", "Fixed in", "Class", "Why"}, len(list), func(i int) []string {
		f := &list[i]
		return []string{code(f.ID), text(string(f.Severity)), code(f.Package), code(versionText(f)), code(f.FixedVersion), text(string(f.Class)), text(because(f, title))}
	})
}

func (m *markdownWriter) table(title string, head []string, n int, row func(int) []string) {
	if n == 0 {
		return
	}
	m.line("### " + text(title) + "\n")
	if m.rows > 0 {
		m.line("| " + strings.Join(head, " | ") + " |")
		m.line("|" + strings.Repeat("---|", len(head)))
		for i := range min(n, m.rows) {
			m.line("| " + strings.Join(row(i), " | ") + " |")
		}
		m.line("")
	}
	if n > m.rows {
		m.line(words.Count(n-m.rows) + " more left out: see the JSON document.\n")
	}
}

func code(s string) string {
	if s == "" {
		return "-"
	}
	return safe.MarkdownCode(words.Clip(s, cellRunes))
}

func text(s string) string {
	if s == "" {
		return "-"
	}
	return safe.Markdown(words.Clip(s, 3*cellRunes))
}
