package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
)

func policyShowCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "print the policy that applies, and where each setting comes from",
		ArgsUsage: "[FILE]",
		Description: `Prints every setting of FILE and of the policies that it builds on: its value,
and the file and line that set it. Without FILE it shows the policy that
imagegate check would use.`,
		Flags:  []cli.Flag{formatFlag()},
		Action: p.action(policyShow),
	}
}

func policyShow(p *program, c *cli.Context) error {
	if c.Args().Len() > 1 {
		return usagef("imagegate policy show takes one policy, but %d were given", c.Args().Len())
	}
	if err := checkFormat(c); err != nil {
		return err
	}
	pol, source, err := choosePolicy(p, c, c.Args().First(), demands{})
	if err != nil {
		return err
	}
	return printAs(p, c, showPolicy(pol, source), showAsText)
}

// shownPolicy is the policy that applies, for people and for programs.
type shownPolicy struct {
	Path       string           `json:"path"`
	Digest     string           `json:"digest"`
	Parts      []shownPart      `json:"parts"`
	Settings   []shownSetting   `json:"settings"`
	Exceptions []shownException `json:"exceptions"`
	Overrides  []shownOverride  `json:"overrides"`
	// NotSet are keys that ask for nothing, and Unasked the main questions that
	// the policy does not ask.
	NotSet  []string `json:"notSet"`
	Unasked []string `json:"unasked"`
}

type shownPart struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Pinned bool   `json:"pinned"`
}

type shownSetting struct {
	Key      string               `json:"key"`
	Value    string               `json:"value"`
	Origin   policy.SettingOrigin `json:"origin"`
	Position *policy.Position     `json:"position,omitempty"`
	From     string               `json:"from,omitempty"`   // YYYY-MM-DD
	Before   string               `json:"before,omitempty"` // until From
	Control  string               `json:"control,omitempty"`
}

type shownException struct {
	Kind     string          `json:"kind"`
	Subject  string          `json:"subject"`
	Scope    string          `json:"scope"`
	Owner    string          `json:"owner"`
	Reason   string          `json:"reason"`
	Expires  string          `json:"expires"`
	Position policy.Position `json:"position"`
}

type shownOverride struct {
	Images   []string             `json:"images"`
	Final    bool                 `json:"final"`
	Owner    string               `json:"owner"`
	Reason   string               `json:"reason"`
	Expires  string               `json:"expires,omitempty"`
	Origin   policy.SettingOrigin `json:"origin"`
	Position policy.Position      `json:"position"`
	Settings []shownSetting       `json:"settings"`
	Loosens  []string             `json:"loosens"`
}

func showPolicy(pol *policy.Policy, source gate.PolicySource) shownPolicy {
	s := shownPolicy{
		Path: source.Path, Digest: source.Digest, Settings: showSettings(pol.Settings()),
		Parts: []shownPart{}, Exceptions: []shownException{}, Overrides: []shownOverride{},
		NotSet: append([]string{}, pol.Unset()...), Unasked: append([]string{}, source.Unasked...),
	}
	for _, part := range source.Parts {
		s.Parts = append(s.Parts, shownPart(part))
	}
	for _, e := range pol.Exceptions() {
		s.Exceptions = append(s.Exceptions, shownException{
			Kind: e.Kind(), Subject: e.Subject(), Scope: e.Scope(), Owner: e.Owner, Reason: e.Reason,
			Expires: e.Expires.Format(time.DateOnly), Position: e.Position,
		})
	}
	for _, o := range pol.Overrides() {
		s.Overrides = append(s.Overrides, shownOverride{
			Images: o.Images, Final: o.Final, Owner: o.Owner, Reason: o.Reason, Expires: day(o.Expires), Origin: o.Origin,
			Position: o.Position, Settings: showSettings(o.Settings), Loosens: append([]string{}, o.Loosens...),
		})
	}
	return s
}

func showSettings(all []policy.Setting) []shownSetting {
	out := []shownSetting{}
	for _, s := range all {
		shown := shownSetting{Key: s.Key, Value: s.Value, Origin: s.Origin, From: day(s.From), Before: s.Before, Control: s.Control}
		if !s.Position.IsZero() {
			shown.Position = &s.Position
		}
		out = append(out, shown)
	}
	return out
}

// day returns a date, "" for none.
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

func showAsText(p *program, s shownPolicy) error {
	var b strings.Builder
	for _, part := range s.Parts {
		pinned := ""
		if part.Pinned {
			pinned = ", pinned by its hash: the policy above it may only tighten"
		}
		fmt.Fprintf(&b, "%s, sha256 %s%s\n", terminal(part.Name), part.SHA256, pinned)
	}
	fmt.Fprintf(&b, "digest of all that applies: %s\n", s.Digest)
	if len(s.Unasked) > 0 {
		fmt.Fprintf(&b, "not asked about: %s\n", strings.Join(s.Unasked, ", "))
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nSETTING\tVALUE\tSET AT\n")
	writeSettings(w, "", s.Settings)
	for i, o := range s.Overrides {
		fmt.Fprintf(w, "\noverride %d\t%s\t%s\n", i+1, terminal(strings.Join(o.Images, ", ")), terminal(o.Position.String()))
		writeSettings(w, "  ", o.Settings)
		for _, line := range [][2]string{{"loosens", strings.Join(o.Loosens, ", ")}, {"owner", o.Owner}, {"reason", o.Reason}, {"expires", o.Expires}} {
			if line[1] != "" {
				fmt.Fprintf(w, "  %s\t%s\t\n", line[0], terminal(line[1]))
			}
		}
		if o.Final {
			fmt.Fprint(w, "  final\ttrue\t\n")
		}
	}
	if len(s.Exceptions) > 0 {
		fmt.Fprint(w, "\nEXCEPTION\tEXPIRES\tSET AT\n")
	}
	for _, e := range s.Exceptions {
		fmt.Fprintf(w, "%s\t%s\t%s\n", terminal(strings.TrimSpace(e.Kind+" "+e.Subject+" "+e.Scope)), e.Expires, terminal(e.Position.String()))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(s.NotSet) > 0 {
		fmt.Fprintf(&b, "\nnot set, so not asked: %s\n", strings.Join(s.NotSet, ", "))
	}
	return p.print("%s", b.String())
}

func writeSettings(w *tabwriter.Writer, indent string, all []shownSetting) {
	for _, s := range all {
		value := s.Value
		if s.From != "" {
			value += " from " + s.From
			if s.Before != "" {
				value += ", before it " + s.Before
			}
		}
		if s.Control != "" {
			value += " (" + s.Control + ")"
		}
		at := ""
		switch {
		case s.Position != nil:
			at = s.Position.String()
		case s.Origin == policy.OriginBuiltIn:
			at = "built-in default"
		default:
			at = "default of the key"
		}
		if s.Origin == policy.OriginBase {
			at += " (base)"
		}
		fmt.Fprintf(w, "%s%s\t%s\t%s\n", indent, s.Key, terminal(value), terminal(at))
	}
}
