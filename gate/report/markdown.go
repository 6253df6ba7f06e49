package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/words"
)

// What the readers of Markdown take. GitHub drops a job summary that is too
// long as a whole, and refuses such a comment.
const (
	summaryBytes = 1 << 20
	commentBytes = 65_536 // characters; bytes are never fewer
)

// cellRunes bounds one cell, so that no single name can fill the document.
const cellRunes = 160

func markdownFormat() Format {
	return Format{
		Name: "markdown", Title: "summary with tables, at most 1 MiB",
		Where: "GitHub: job summary (by itself); wikis, e-mail", Extension: ".md", Stdout: true,
		write: whole(renderSummary),
	}
}

func renderSummary(run *gate.Run, o Options) ([]byte, error) {
	return markdownOf(run, cmp.Or(o.MaxBytes, summaryBytes)), nil
}

func markdownCommentFormat() Format {
	return Format{
		Name: "markdown-comment", Title: "the same, at most 65,536 characters",
		Where: "a comment on a pull or merge request", Extension: ".md", Stdout: true,
		write: whole(renderComment),
	}
}

// renderComment writes the same document with a marker on its first line, by
// which a script finds the comment of the last run to replace it.
func renderComment(run *gate.Run, o Options) ([]byte, error) {
	const marker = "<!-- imagegate:v1 -->\n"
	return append([]byte(marker), markdownOf(run, cmp.Or(o.MaxBytes, commentBytes)-len(marker))...), nil
}

// markdownOf writes the verdict, then what blocks, then the rest, and cuts by
// whole rows to the limit.
func markdownOf(run *gate.Run, limit int) []byte {
	d := &markdownDocument{}
	outcome := run.Outcome()
	d.text("## imagegate: " + word(outcome) + excuse(run) + "\n\n" + safe.Markdown(advice(run)) + "\n\n")
	for _, remark := range remarksOf(run) {
		d.text("Note: " + safe.Markdown(remark) + ".\n\n")
	}
	markdownRelease(d, run)
	d.table("image", []string{"Verdict", "Image", "Platform", "Digest"}, summaryRows(run))
	for i := range run.Results {
		markdownResult(d, &run.Results[i], run.Started)
	}
	markdownExceptions(d, run)
	d.text(markdownFooter(run))
	return d.render(limit)
}

// markdownDigest is the digest of an image, or its image ID under that name.
func markdownDigest(img image) string {
	if img.id != "" {
		return "image ID " + code(img.id)
	}
	return code(img.digest)
}

func summaryRows(run *gate.Run) [][]string {
	var rows [][]string
	for i := range run.Results {
		img := imageOf(&run.Results[i])
		rows = append(rows, []string{
			"**" + word(run.Results[i].Decision()) + "**", safe.MarkdownCode(clip(img.ref, 3*cellRunes)) + safe.Markdown(clip(img.source(), 3*cellRunes)), code(img.platform), markdownDigest(img),
		})
	}
	if len(rows) == 0 && run.Release == nil {
		rows = append(rows, []string{"**" + word(policy.Undecided) + "**", noImage, "-", "-"})
	}
	return rows
}

// code is a code span, "-" for nothing.
func code(s string) string {
	if s == "" {
		return "-"
	}
	return safe.MarkdownCode(clip(s, cellRunes))
}

// cell is plain text, "-" for nothing.
func cell(s string) string {
	if s == "" {
		return "-"
	}
	return safe.Markdown(clip(s, 3*cellRunes))
}

// markdownResult writes one image; one that passed without a remark is in the
// table above already.
func markdownResult(d *markdownDocument, r *gate.Result, now time.Time) {
	img := imageOf(r)
	rules := stopping(r)
	f := failureOf(r)
	findings := findingsOf(r)
	if f == nil && len(rules) == 0 && len(findings) == 0 {
		return
	}
	d.text("### " + word(r.Decision()) + ": " + code(img.ref) + " " + code(img.platform) + "\n\n")
	if f != nil {
		d.text(fmt.Sprintf("No verdict while %s: %s\n\n", safe.Markdown(phaseText(f.phase)), safe.Markdown(clip(f.line(), 2000))))
		if f.hint != "" {
			d.text("To do: " + safe.Markdown(clip(f.hint, 2000)) + "\n\n")
		}
		return
	}
	markdownPlan(d, r)
	var rows [][]string
	for _, rule := range rules {
		rows = append(rows, []string{
			rule.Result.String(), code(rule.Rule), cell(rule.Message), cell(rule.Allowed), cell(rule.Cure), code(place(rule.Position)),
		})
	}
	d.table("rule", []string{"Result", "Rule", "Found", "Allowed", "To pass", "Policy"}, rows)
	markdownFindings(d, findings, now)
}

// markdownPlan writes what would make the image pass.
func markdownPlan(d *markdownDocument, r *gate.Result) {
	p := r.Fixes()
	if p == nil {
		return
	}
	var rows [][]string
	for i := range p.Steps {
		s := &p.Steps[i]
		rows = append(rows, []string{cell(s.Advice), fmt.Sprint(s.Findings), code(s.Command), cell(stepOrigin(r, s))})
	}
	if len(rows) > 0 {
		d.text("Plan. " + safe.Markdown(planPromise(p)) + "\n\n")
	}
	d.table("step", []string{"Do", "Clears", "Command", "From"}, rows)
	if rest := planRest(p); len(rest) > 0 {
		d.text("What remains then: " + safe.Markdown(clip(sampleOf(rest, "; "), 2000)) + "\n\n")
	}
}

func markdownFindings(d *markdownDocument, findings []*policy.Judged, now time.Time) {
	blocking := ofClass(findings, policy.ClassBlocking)
	if len(blocking) > 0 {
		d.text(fmt.Sprintf("Blocking: %s (%s)\n\n", words.Plural(len(blocking), "finding"), bySeverity(blocking)))
	}
	head := []string{"ID", "Severity", "Package", "Installed", "Fixed", "Path", "Rule"}
	marked := slices.ContainsFunc(blocking, func(f *policy.Judged) bool { return f.Mark != "" })
	if marked {
		head = append(head, "Exploitation")
	}
	var rows [][]string
	for _, f := range blocking {
		row := []string{
			code(f.ID), string(severity(f.Severity)), code(f.Package.Name), code(f.Package.Version), code(fixed(f)),
			code(f.Package.Path), code(f.Rule),
		}
		if marked {
			row = append(row, cell(f.Mark))
		}
		rows = append(rows, row)
	}
	d.table("finding", head, rows)
	var marks []string
	for _, f := range exploitedOf(findings) {
		if f.Class != policy.ClassBlocking {
			marks = append(marks, exploitedLine(f))
		}
	}
	if len(marks) > 0 {
		d.text("Exploited, and not blocking: " + safe.Markdown(clip(sampleOf(marks, "; "), 2000)) + "\n\n")
	}
	if due := dueLines(findings, now); len(due) > 0 {
		d.text("To be fixed until " + safe.Markdown(clip(strings.Join(due, "; "), 4000)) + "\n\n")
	}
	if rest := notBlocking(findings); rest != "" {
		d.text("Not blocking: " + safe.Markdown(rest) + "\n\n")
	}
}

// markdownExceptions lists the exceptions that someone has to do something about.
func markdownExceptions(d *markdownDocument, run *gate.Run) {
	var rows [][]string
	quiet := 0
	for _, use := range allExceptions(run) {
		if use.Status == policy.ExceptionUsed && !use.EndsSoon {
			quiet++
			continue
		}
		label, _ := exceptionLabel(use)
		e := use.Exception
		rows = append(rows, []string{label, code(e.Name()), code(e.Scope()), cell(exceptionFate(use)), code(place(e.Position))})
	}
	if len(rows) > 0 {
		d.text("### Exceptions\n\n")
		d.table("exception", []string{"State", "ID", "Scope", "What", "Policy"}, rows)
	}
	if quiet > 0 {
		d.text(words.Plural(quiet, "exception") + " in use.\n\n")
	}
}

func markdownFooter(run *gate.Run) string {
	parts := []string{"Policy " + code(run.Policy.Path)}
	if run.Policy.SHA256 != "" {
		parts[0] += " sha256 " + code(run.Policy.SHA256)
	}
	if run.Database != nil {
		parts = append(parts, "database "+safe.Markdown(databaseText(run.Database)))
	}
	tools := slices.DeleteFunc([]string{run.Tool, run.Engine}, func(s string) bool { return s == "" })
	return strings.Join(append(parts, safe.Markdown(strings.Join(tools, ", "))), "; ") + "\n"
}
