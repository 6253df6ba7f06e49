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
which findings it blocks. Without ID and RULE it lists all findings and rules, also
those about the documents and workloads of the evidence. The exit code is 0, whatever
the verdict, and 3 for an ID or RULE that is not there.`,
		Flags:  slices.Concat(policyFlags(), momentFlags(), exploitedFlags(), cacheFlags(), givenFlags(), []cli.Flag{trustedRootFlag(), formatFlag(), timeoutFlag()}),
		Action: p.judging(materialSaved, runExplain),
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
	Release      *explainedRelease `json:"release"` // nil without documents, and for a vulnerability
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
	l, err := judgedLater(p, c, c.Args().Slice()[:1])
	if err != nil {
		return err
	}
	e := &explained{
		Question: c.Args().Get(1), Hypothetical: hypothetical, At: now.Format("2006-01-02 15:04 UTC"), Policy: l.source.Path,
		Images: []explainedImage{}, Missing: l.missing,
	}
	e.about = l.policy.Lookup(e.Question)
	e.byID = e.Question != "" && e.about == nil
	if e.byID && len(l.missing) == 0 && !l.has(e.Question) {
		return l.unknown(e.Question)
	}
	for i := range l.images {
		v, all := l.policy.Explain(&l.images[i], now)
		v = l.inRelease(v, &l.images[i])
		e.Images = append(e.Images, e.image(&l.images[i], &v, all))
	}
	if l.release != nil && !e.byID {
		e.Release = e.documents(l, now)
	}
	if err := printAs(p, c, e, explainAsText); err != nil {
		return err
	}
	if len(l.missing) > 0 {
		return &outcomeError{policy.Undecided}
	}
	return nil
}

// has reports whether an image has a finding with this id.
func (l *later) has(id string) bool {
	return slices.ContainsFunc(l.images, func(img evidence.Image) bool {
		return img.Scan != nil && slices.ContainsFunc(img.Scan.Findings, func(f evidence.Finding) bool { return policy.HasID(&f, id) })
	})
}

// unknown is the answer to a question about what there is not.
func (l *later) unknown(question string) error {
	var ids []string
	for i := range l.images {
		if s := l.images[i].Scan; s != nil {
			for k := range s.Findings {
				ids = append(append(ids, s.Findings[k].ID), s.Findings[k].Aliases...)
			}
		}
	}
	err := usagef("%q is no rule of the policy, and no finding of the evidence has this id", question)
	near := policy.Suggest(question)
	if near == "" {
		slices.Sort(ids)
		near = words.Nearest(question, slices.Compact(ids))
	}
	if near == "" {
		return err.WithHint("leave it out to see all findings and rules")
	}
	return err.WithHint("did you mean %s?", terminal(near))
}

// image is what answers the question about one image.
func (e *explained) image(img *evidence.Image, v *policy.Verdict, all []policy.Explanation) explainedImage {
	out := explainedImage{
		Reference: img.Reference.Asked, Digest: img.ID(), Platform: img.Platform, Verdict: v.Decision.String(),
		Findings: []explainedFinding{},
	}
	out.Rules = e.rules(v.Rules)
	for _, x := range all {
		if e.asksFor(&x) {
			out.Findings = append(out.Findings, explainFinding(&x))
		}
	}
	return out
}

// rules are those that answer the question.
func (e *explained) rules(all []policy.RuleResult) []explainedRule {
	out := []explainedRule{}
	for _, r := range all {
		if !e.byID && (e.about == nil || e.about.ID == r.Rule) {
			out = append(out, explainedRule{
				r.Rule, r.Result.String(), r.Message, r.Allowed, r.Cure, append([]string{}, r.Details...), r.Position,
			})
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
	if e.Release != nil {
		e.releaseAsText(&b)
	}
	for _, m := range e.Missing {
		fmt.Fprintf(&b, "%s\n  not judged: %s\n", terminal(m.Reference), terminal(m.Reason))
	}
	return p.print("%s", b.String())
}

func (e *explained) imageAsText(b *strings.Builder, img *explainedImage) {
	fmt.Fprintf(b, "%s  %s  %s  %s\n", shout(img.Verdict), terminal(img.Reference), terminal(img.Digest), terminal(img.Platform))
	e.rulesAsText(b, img.Rules)
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

func (e *explained) rulesAsText(b *strings.Builder, rules []explainedRule) {
	for _, r := range rules {
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
