package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/vex"
	"github.com/imagegate/imagegate/policy/words"
)

func vexCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "vex",
		Usage:     "write the exceptions of policies as an OpenVEX document",
		ArgsUsage: "[POLICY...]",
		Description: `Prints an OpenVEX document that says of the exceptions with a justification that the
vulnerability does not affect the images, or the package. Without POLICY it is the
policy that check would use. Exceptions that OpenVEX cannot express are named on
standard error: those without a justification or without the purl of a package, and
those for patterns of images, paths or ranges of versions. The ids in the document
stay the same as long as the exceptions do.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "author", Usage: "name `TEXT` as the author (default: the owners of the exceptions)"},
		},
		Action: p.action(runVEX),
	}
}

// runVEX is the command "vex".
func runVEX(p *program, c *cli.Context) error {
	paths := c.Args().Slice()
	if len(paths) == 0 {
		paths = []string{""} // that of the variable or of the working directory
	}
	draft := vex.Draft{Author: c.String("author"), Tooling: toolVersion(), Time: p.now()}
	var owners, named []string
	for _, path := range paths {
		pol, source, err := choosePolicy(p, c, path, demands{})
		if err != nil {
			return err
		}
		claims, left := pol.Claims(p.now())
		draft.Claims = append(draft.Claims, claims...)
		for _, u := range left {
			fmt.Fprintf(p.stderr, "imagegate: %s: the exception for %s is left out: %s\n", terminal(placeOf(u.Exception, source.Path)), terminal(u.Exception.Name()), terminal(u.Reason))
		}
		owners, named = append(owners, ownersOf(pol, source.Path)...), append(named, source.Path)
	}
	if len(draft.Claims) == 0 {
		return usagef("no exception of %s can be expressed in OpenVEX", words.And(named)).
			WithHint("give those that say that the image is not affected a justification, and the purl of the package: imagegate policy explain exceptions")
	}
	if strings.TrimSpace(draft.Author) == "" {
		draft.Author = strings.Join(slices.Compact(slices.Sorted(slices.Values(owners))), ", ")
	}
	raw, err := vex.Write(&draft)
	if err != nil {
		return err
	}
	return p.print("%s", raw)
}

// placeOf is where an exception is.
func placeOf(e *policy.Exception, path string) string {
	if e.Position.File != "" {
		return e.Position.String()
	}
	return path
}

// ownersOf lists who answers for the exceptions of a policy, else the policy itself:
// a document has to have an author.
func ownersOf(p *policy.Policy, path string) []string {
	var out []string
	for _, e := range p.Exceptions() {
		if e.Owner != "" && e.Justification != "" {
			out = append(out, e.Owner)
		}
	}
	if out == nil {
		out = []string{path}
	}
	return out
}
