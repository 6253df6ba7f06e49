package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
)

func policyCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "policy",
		Usage: "write, check and understand policies",
		Subcommands: []*cli.Command{
			{
				Name:        "init",
				Usage:       "print the built-in default policy with comments",
				Description: "Start a policy of your own with: imagegate policy init > imagegate.yaml",
				Action:      p.action(policyInit),
			},
			{
				Name:        "validate",
				Usage:       "check policy files and name every mistake",
				ArgsUsage:   "FILE...",
				Description: "Exits 3 when a file has a mistake. Prints the SHA-256 hash of each file without\none, for extends and --require-base-policy, and the digest of all that applies, for\n--require-policy-digest.",
				Action:      p.action(policyValidate),
			},
			policyShowCommand(p),
			policyPushCommand(p),
			policyTestCommand(p),
			policyImportCommand(p),
			{
				Name:        "explain",
				Usage:       "tell what a rule checks, why, and how to satisfy it",
				ArgsUsage:   "[RULE]",
				Description: "Without RULE it lists all rules. Of a rule that a policy has under rules, it prints\nthe expression; the policy is the one that imagegate check would use.",
				Flags:       []cli.Flag{&cli.StringFlag{Name: "policy", Aliases: []string{"p"}, Usage: "explain a rule of the policy in `FILE`"}},
				Action:      p.action(policyExplain),
			},
			{
				Name:        "schema",
				Usage:       "print the JSON Schema of policy files, for editors",
				Description: "imagegate policy schema > imagegate.schema.json, and begin the policy with\n# yaml-language-server: $schema=./imagegate.schema.json",
				Action:      p.action(policySchema),
			},
		},
	}
}

func policyInit(p *program, c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	return p.print("%s", policy.DefaultSource())
}

func policySchema(p *program, c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	return p.print("%s", policy.Schema())
}

// policyValidate checks all files before it fails, so that one run shows every
// mistake.
func policyValidate(p *program, c *cli.Context) error {
	if !c.Args().Present() {
		return usagef("imagegate policy validate needs a file").WithHint("imagegate policy validate imagegate.yaml")
	}
	var mistakes policy.Error
	var unreadable error
	for _, path := range c.Args().Slice() {
		pol, err := readPolicy(p, c, path)
		var wrong *policy.Error
		switch {
		case errors.As(err, &wrong):
			mistakes.Diagnostics = append(mistakes.Diagnostics, wrong.Diagnostics...)
		case err != nil:
			unreadable = err
			p.complain(unreadable)
		default:
			if err := p.print("%s", validated(sourceOf(pol))); err != nil {
				return err
			}
		}
	}
	if len(mistakes.Diagnostics) > 0 {
		return &cmdline.Error{Err: &mistakes}
	}
	if unreadable != nil {
		return &toldError{unreadable}
	}
	return nil
}

// validated tells what a policy without a mistake is.
func validated(s gate.PolicySource) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ok, sha256 %s, digest of all that applies %s\n", terminal(s.Path), s.SHA256, s.Digest)
	if len(s.Parts) > 1 && !s.Parts[len(s.Parts)-2].Pinned {
		fmt.Fprintf(&b, "%s: it builds on the %s: keys that it does not set have the value there; see imagegate policy show %s\n",
			terminal(s.Path), s.Parts[len(s.Parts)-2].Name, terminal(s.Path))
	}
	if len(s.Unasked) > 0 {
		fmt.Fprintf(&b, "%s: it does not ask about %s\n", terminal(s.Path), strings.Join(s.Unasked, ", "))
	}
	return b.String()
}

func policyExplain(p *program, c *cli.Context) error {
	switch c.Args().Len() {
	case 0:
		return listRules(p)
	case 1:
	default:
		return usagef("imagegate policy explain takes one rule, but %d were given", c.Args().Len())
	}
	id := c.Args().First()
	if policy.IsCustom(id) {
		return explainCustom(p, c, id)
	}
	rule := policy.Lookup(id)
	if rule == nil {
		err := usagef("unknown rule %q", id)
		if near := policy.Suggest(id); near != "" {
			return err.WithHint("did you mean %s?", near)
		}
		return err.WithHint("imagegate policy explain lists all rules")
	}
	return p.print("%s", explanation(rule))
}

// explainCustom tells about a rule of the policy's own.
func explainCustom(p *program, c *cli.Context, id string) error {
	pol, source, err := choosePolicy(p, c, c.String("policy"), demands{})
	if err != nil {
		return err
	}
	rule := pol.CustomRule(id)
	if rule == nil {
		return usagef("%s has no rule %q", source.Path, id).WithHint("imagegate policy show prints the rules of a policy")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: a rule of the policy's own, %s\n\nIt denies an image where this is true, or a list of texts that is not empty:\n", terminal(id), terminal(rule.Position.String()))
	for line := range strings.Lines(strings.Trim(rule.Deny, "\n")) {
		b.WriteString("  " + terminal(strings.TrimRight(line, "\n")) + "\n")
	}
	fmt.Fprintf(&b, "\nThe report then says:\n  %s\n\nLevel:\n  %s\n", terminal(rule.Message), rule.Level)
	if rule.Control != "" {
		fmt.Fprintf(&b, "\nRequirement:\n  %s\n", terminal(rule.Control))
	}
	return p.print("%s", b.String())
}

func listRules(p *program) error {
	var b strings.Builder
	for _, r := range policy.Rules() {
		fmt.Fprintf(&b, "%-32s %s\n", r.ID, r.Title)
	}
	b.WriteString("\nimagegate policy explain RULE tells more.\n")
	return p.print("%s", b.String())
}

// explanation is everything there is to say about one rule.
func explanation(r *policy.Rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", r.ID, r.Title)
	for _, part := range []struct{ title, text string }{
		{"Why", r.Why},
		{"How to satisfy it", r.How},
		{"Values", r.Settings},
		{"Without the key", r.Default},
		{"In the built-in policy", builtInSettings(r)},
		{"Classes of findings", classesOf(r.ID)},
		{"Example", r.Example},
		{"Since", r.Since},
	} {
		if part.text == "" {
			continue
		}
		fmt.Fprintf(&b, "\n%s:\n", part.title)
		for line := range strings.Lines(strings.Trim(part.text, "\n")) {
			b.WriteString("  " + strings.TrimRight(line, "\n") + "\n")
		}
	}
	return b.String()
}

// builtInSettings lists what the built-in policy sets the keys of a rule to. A policy file
// keeps these values where it does not set the keys itself, unless it says extends: none.
func builtInSettings(r *policy.Rule) string {
	settings := r.InBuiltIn()
	if len(settings) == 0 && r.HasKeys() {
		return "not set"
	}
	var lines []string
	for _, s := range settings {
		lines = append(lines, s.Key+": "+s.Value)
	}
	return strings.Join(lines, "\n")
}

// classesOf tells which findings a rule puts into a class, and when it is asked.
func classesOf(rule string) string {
	var b strings.Builder
	steps := policy.ClassSteps()
	for i, s := range steps {
		if s.Rule == rule {
			fmt.Fprintf(&b, "%s, when %s (question %d of %d)\n", s.Class, strings.ReplaceAll(s.When, "`", ""), i+1, len(steps))
		}
	}
	return b.String()
}
