package report

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
)

// GitHub shows ten annotations per step and level, and cuts their messages.
const (
	annotationsShown = 9
	annotationRunes  = 3000 // of 4096 characters; encoding makes some longer
	annotationImages = 5
)

// annotation is one rule that did not pass, with every image it did not pass
// for: forty images with the same fault are one thing to mend.
type annotation struct {
	level string // error, warning or notice
	title string
	text  string
	file  string
	line  int
	on    []string
}

func githubFormat() Format {
	return Format{
		Name: "github", Title: "annotations, at most 10",
		Where: "GitHub: the job log (by itself)", Extension: ".txt", Stdout: true,
		write: whole(renderGitHub),
	}
}

// renderGitHub writes workflow commands: the most severe first, at most nine,
// and one that counts the rest.
func renderGitHub(run *gate.Run, o Options) ([]byte, error) {
	all := annotations(run, o)
	var b bytes.Buffer
	for i, a := range all {
		if i == annotationsShown && len(all) > annotationsShown+1 {
			rest := annotation{level: a.level, title: "imagegate: " + run.Outcome().String() + excuse(run),
				text: fmt.Sprintf("%d more: see the job summary or the report", len(all)-i)}
			rest.write(&b)
			break
		}
		a.write(&b)
	}
	for _, remark := range remarksOf(run) {
		note := annotation{level: "notice", title: "imagegate: note", text: remark} // counted separately from errors and warnings
		note.write(&b)
	}
	return b.Bytes(), nil
}

// write writes one command. Its message is encoded last, as a whole.
func (a *annotation) write(b *bytes.Buffer) {
	var properties []string
	if a.file != "" {
		properties = append(properties, "file="+safe.Property(a.file), fmt.Sprintf("line=%d", a.line))
	}
	properties = append(properties, "title="+safe.Property(clip(a.title, 200)))
	text := a.text
	if n := len(a.on); n > 0 {
		text += "\non " + safe.Terminal(strings.Join(a.on[:min(n, annotationImages)], ", "))
		if n > annotationImages {
			text += fmt.Sprintf(" and %d more", n-annotationImages)
		}
	}
	fmt.Fprintf(b, "::%s %s::%s\n", a.level, strings.Join(properties, ","), safe.Annotation(clip(text, annotationRunes)))
}

// annotations groups everything that did not pass by rule, place and text.
func annotations(run *gate.Run, o Options) []*annotation {
	var out []*annotation
	add := func(on string, a annotation) {
		i := slices.IndexFunc(out, func(b *annotation) bool {
			return b.level == a.level && b.title == a.title && b.text == a.text && b.file == a.file && b.line == a.line
		})
		if i < 0 {
			i = len(out)
			out = append(out, &a)
		}
		if on != "" {
			out[i].on = append(out[i].on, on)
		}
	}
	if len(run.Results) == 0 && run.Release == nil {
		add("", annotation{level: "error", title: "imagegate: no verdict", text: noImage})
	}
	releaseAnnotations(run, o, add)
	for i := range run.Results {
		r := &run.Results[i]
		label := imageOf(r).label()
		if f := failureOf(r); f != nil {
			add(label, annotation{level: "error", title: "imagegate: no verdict", text: failureText(f)})
		}
		for _, rule := range stopping(r) {
			add(label, ruleAnnotation(r, rule, o))
		}
	}
	rank := func(a *annotation) int { return slices.Index([]string{"error", "warning"}, a.level) }
	slices.SortStableFunc(out, func(a, b *annotation) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

func failureText(f *failure) string {
	lines := safe.Lines(f.message)
	if f.phase != "" {
		lines[0] = "while " + phaseText(f.phase) + ": " + lines[0]
	}
	return paragraph(append(lines, labelled("to do", f.hint))...)
}

// annotationOf is an annotation about what a rule has answered.
func annotationOf(rule string, r policy.Result) annotation {
	a := annotation{level: "error", title: "imagegate: " + rule + ": " + r.String()}
	if r == policy.ResultWarn {
		a.level = "warning"
	}
	return a
}

// ruleAnnotation points at the line of the policy that was not met.
func ruleAnnotation(r *gate.Result, rule *policy.RuleResult, o Options) annotation {
	a := annotationOf(rule.Rule, rule.Result)
	a.file, a.line = positionOf(rule.Position, o)
	lines := []string{rule.Message, labelled("allowed", rule.Allowed), labelled("to pass", rule.Cure)}
	if worst := worstFindings(r, rule.Rule); len(worst) > 0 {
		for _, step := range stepsText(r, 3) {
			lines = append(lines, labelled("plan", clip(step, 300)))
		}
		lines = append(lines, worst...)
	}
	a.text = paragraph(lines...)
	return a
}

// worstFindings lists the first findings that a rule blocks.
func worstFindings(r *gate.Result, rule string) []string {
	const shown = 5
	var lines []string
	n := 0
	for _, f := range ofClass(findingsOf(r), policy.ClassBlocking) {
		if f.Rule != rule {
			continue
		}
		if n++; n <= shown {
			lines = append(lines, clip(findingLine(f), 200))
		}
	}
	if n > shown {
		lines = append(lines, fmt.Sprintf("and %d more", n-shown))
	}
	return lines
}
