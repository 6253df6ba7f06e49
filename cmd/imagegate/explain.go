package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

func explainCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "tell why a finding blocks or does not, with the lines of the policy",
		ArgsUsage: "EVIDENCE [ID|RULE]",
		Description: `Judges what imagegate check --evidence has saved, and tells how each finding of the
vulnerability ID came to its class: every question that was asked before, and the
line of the policy that decides it. For a RULE it tells what the rule found and
which findings it blocks. Without ID and RULE it lists all findings and rules. The
exit code is 0, whatever the verdict.`,
		Flags:  slices.Concat(policyFlags(), momentFlags(), exploitedFlags(), cacheFlags(), []cli.Flag{baselineFlag(), formatFlag(), timeoutFlag()}),
		Action: p.action(runExplain),
	}
}

// explained is the answer of the command, for people and for programs.
type explained struct {
	Question     string            `json:"question"` // the id or the rule, "" for everything
	Hypothetical bool              `json:"hypothetical"`
	At           string            `json:"at"`
	Policy       string            `json:"policy"`
	Images       []explainedImage  `json:"images"`
	Missing      []forecastMissing `json:"missing"`
	about        *policy.Rule      // nil when the question is not about a rule
	byID         bool              // the question is about a vulnerability
}

type explainedImage struct {
	Reference string             `json:"reference"`
	Digest    string             `json:"digest"`
	Platform  string             `json:"platform"`
	Verdict   string             `json:"verdict"`
	Rules     []explainedRule    `json:"rules"`
	Findings  []explainedFinding `json:"findings"`
}

type explainedRule struct {
	Rule     string          `json:"rule"`
	Result   string          `json:"result"`
	Message  string          `json:"message"`
	Allowed  string          `json:"allowed"`
	Cure     string          `json:"cure"`
	Details  []string        `json:"details"`
	Position policy.Position `json:"position"`
}

type explainedFinding struct {
	ID       string            `json:"id"`
	Aliases  []string          `json:"aliases"`
	Package  string            `json:"package"`
	Version  string            `json:"version"`
	Path     string            `json:"path"`
	Severity evidence.Severity `json:"severity"`
	Class    policy.Class      `json:"class"`
	Reason   string            `json:"reason"`
	Steps    []explainedStep   `json:"steps"`
}

type explainedStep struct {
	Class    policy.Class    `json:"class"`
	Rule     string          `json:"rule"`
	When     string          `json:"when"`
	Taken    bool            `json:"taken"`
	Why      string          `json:"why"`
	Position policy.Position `json:"position"`
}

// runExplain is the command "explain".
func runExplain(p *program, c *cli.Context) error {
	if n := c.Args().Len(); n < 1 || n > 2 {
		return usagef("imagegate explain takes a file of evidence and an id or a rule, but %d arguments were given", n).
			WithHint("imagegate explain evidence.json CVE-2026-1234")
	}
	if err := checkFormat(c); err != nil {
		return err
	}
	now, hypothetical, err := momentOf(c, p.now().UTC())
	if err != nil {
		return err
	}
	pol, source, images, missing, err := judgedLater(p, c, c.Args().Slice()[:1])
	if err != nil {
		return err
	}
	e := &explained{
		Question: c.Args().Get(1), Hypothetical: hypothetical, At: now.Format("2006-01-02 15:04 UTC"), Policy: source.Path,
		Images: []explainedImage{}, Missing: missing,
	}
	e.about = pol.Lookup(e.Question)
	if e.about == nil && policy.IsCustom(e.Question) {
		return usagef("%s has no rule %q", source.Path, e.Question).WithHint("imagegate policy show prints the rules of a policy")
	}
	e.byID = e.Question != "" && e.about == nil
	found := false
	for i := range images {
		v, all := pol.Explain(&images[i], now)
		img := e.image(&images[i], &v, all)
		found = found || len(img.Findings) > 0
		e.Images = append(e.Images, img)
	}
	if near := policy.Suggest(e.Question); e.byID && !found && near != "" {
		return usagef("%q is no rule, and no finding has this id", e.Question).WithHint("did you mean %s?", near)
	}
	if err := printAs(p, c, e, explainAsText); err != nil {
		return err
	}
	if len(missing) > 0 {
		return &outcomeError{policy.Undecided}
	}
	return nil
}

// image is what answers the question about one image.
func (e *explained) image(img *evidence.Image, v *policy.Verdict, all []policy.Explanation) explainedImage {
	out := explainedImage{
		Reference: img.Reference.Asked, Digest: img.ID(), Platform: img.Platform, Verdict: v.Decision.String(),
		Rules: []explainedRule{}, Findings: []explainedFinding{},
	}
	for _, r := range v.Rules {
		if !e.byID && (e.about == nil || e.about.ID == r.Rule) {
			out.Rules = append(out.Rules, explainedRule{
				r.Rule, r.Result.String(), r.Message, r.Allowed, r.Cure, append([]string{}, r.Details...), r.Position,
			})
		}
	}
	for _, x := range all {
		if e.asksFor(&x) {
			out.Findings = append(out.Findings, explainFinding(&x))
		}
	}
	return out
}

func (e *explained) asksFor(x *policy.Explanation) bool {
	switch {
	case e.about != nil:
		return len(x.Steps) > 0 && x.Steps[len(x.Steps)-1].Rule == e.about.ID
	case e.byID:
		return policy.HasID(x.Finding, e.Question)
	}
	return true
}

func explainFinding(x *policy.Explanation) explainedFinding {
	f := explainedFinding{
		ID: x.ID, Aliases: append([]string{}, x.Aliases...), Package: x.Package.Name, Version: x.Package.Version, Path: x.Package.Path,
		Severity: x.Judged.Severity, Class: x.Class, Reason: x.Reason, Steps: []explainedStep{},
	}
	for _, s := range x.Steps {
		f.Steps = append(f.Steps, explainedStep(s))
	}
	return f
}

func explainAsText(p *program, e *explained) error {
	var b strings.Builder
	if e.Hypothetical {
		fmt.Fprintf(&b, "hypothetical: judged as if it were %s\n\n", e.At)
	}
	if r := e.about; r != nil {
		fmt.Fprintf(&b, "%s: %s %s\n\n", r.ID, r.Title, r.Why)
	}
	for i := range e.Images {
		e.imageAsText(&b, &e.Images[i])
	}
	for _, m := range e.Missing {
		fmt.Fprintf(&b, "%s\n  not judged: %s\n", terminal(m.Reference), terminal(m.Reason))
	}
	return p.print("%s", b.String())
}

func (e *explained) imageAsText(b *strings.Builder, img *explainedImage) {
	fmt.Fprintf(b, "%s  %s  %s  %s\n", shout(img.Verdict), terminal(img.Reference), terminal(img.Digest), terminal(img.Platform))
	for _, r := range img.Rules {
		fmt.Fprintf(b, "  %-9s %s: %s%s\n", r.Result, r.Rule, terminal(r.Message), placeText(r.Position))
		if e.about != nil {
			for _, d := range r.Details {
				fmt.Fprintf(b, "            %s\n", terminal(d))
			}
			if r.Cure != "" {
				fmt.Fprintf(b, "  to pass   %s\n", terminal(r.Cure))
			}
		}
	}
	for i := range img.Findings {
		f := &img.Findings[i]
		fmt.Fprintf(b, "  %s in %s %s (%s): %s\n", terminal(f.ID), terminal(f.Package), terminal(f.Version), f.Severity, f.Class)
		if e.byID {
			stepsAsText(b, f)
			continue
		}
		if n := len(f.Steps); n > 0 {
			fmt.Fprintf(b, "    %s: %s%s\n", f.Steps[n-1].Rule, terminal(f.Reason), placeText(f.Steps[n-1].Position))
		}
	}
	if e.byID && len(img.Findings) == 0 {
		fmt.Fprintf(b, "  no finding is known as %s\n", terminal(e.Question))
	}
	b.WriteString("\n")
}

func stepsAsText(b *strings.Builder, f *explainedFinding) {
	if len(f.Aliases) > 0 {
		fmt.Fprintf(b, "    also known as %s\n", terminal(words.And(f.Aliases)))
	}
	for i, s := range f.Steps {
		answer := "no "
		if s.Taken {
			answer = "YES"
		}
		fmt.Fprintf(b, "   %2d. %s %-15s %s: %s%s\n", i+1, answer, s.Class, s.Rule, terminal(s.Why), placeText(s.Position))
	}
}

// placeText is a line of a policy in brackets, "" for none.
func placeText(at policy.Position) string {
	if at.IsZero() {
		return ""
	}
	return " (" + terminal(at.String()) + ")"
}
