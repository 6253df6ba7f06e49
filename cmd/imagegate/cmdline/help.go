package cmdline

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

const exitCodesHelp = `
Exit codes:
  0  pass: every image was judged and accepted
  1  fail: at least one image was judged and rejected
  2  no verdict: an image could not be judged, or a report could not be written
  3  the command line or the policy file is wrong
`

// AppHelp returns the help of the whole program.
func AppHelp(app *cli.App) string {
	var b strings.Builder
	fmt.Fprintf(&b, "imagegate: %s\n\nUsage: imagegate COMMAND [FLAGS] [ARGUMENTS]\n\nCommands:\n", app.Usage)
	writeCommands(&b, app.Commands)
	b.WriteString("\nFlags and arguments may come in any order after the command; \"--\" ends the flags.\n")
	b.WriteString("\"imagegate COMMAND --help\" tells more about a command.\n")
	b.WriteString(exitCodesHelp)
	return b.String()
}

// CommandHelp returns the help of one command.
func CommandHelp(path []string, c *cli.Command) string {
	var b strings.Builder
	name := "imagegate " + strings.Join(path, " ")
	fmt.Fprintf(&b, "%s: %s\n\nUsage: %s", name, c.Usage, name)
	if len(c.Subcommands) > 0 {
		b.WriteString(" COMMAND\n\nCommands:\n")
		writeCommands(&b, c.Subcommands)
		return b.String()
	}
	if len(c.Flags) > 0 {
		b.WriteString(" [FLAGS]")
	}
	if c.ArgsUsage != "" {
		b.WriteString(" " + c.ArgsUsage)
	}
	b.WriteString("\n")
	if c.Description != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(c.Description))
	}
	writeFlags(&b, groupsOf(c.Flags))
	return b.String()
}

// writeFlags writes the flags by groups. A single group needs no heading.
func writeFlags(b *strings.Builder, groups []group) {
	for _, g := range groups {
		if len(g.flags) == 0 {
			continue
		}
		heading := g.heading
		if heading == "" || len(groups) == 2 && len(groups[0].flags) == 0 {
			heading = "Flags"
		}
		fmt.Fprintf(b, "\n%s:\n", heading)
		for _, f := range g.flags {
			writeFlag(b, f)
		}
	}
}

func writeCommands(b *strings.Builder, commands []*cli.Command) {
	for _, c := range commands {
		if !c.Hidden {
			fmt.Fprintf(b, "  %-12s %s\n", c.Name, c.Usage)
		}
	}
}

func writeFlag(b *strings.Builder, f cli.Flag) {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return
	}
	var names []string
	for _, n := range f.Names() {
		names = append(names, dashed(n))
	}
	usage := doc.GetUsage()
	placeholder := ""
	if doc.TakesValue() {
		placeholder, usage = placeholderOf(usage)
	}
	if _, many := f.(*cli.StringSliceFlag); many {
		usage += " (repeatable)"
	}
	fmt.Fprintf(b, "  %s%s\n", strings.Join(names, ", "), placeholder)
	for line := range strings.Lines(usage) {
		fmt.Fprintf(b, "        %s\n", strings.TrimRight(line, "\n"))
	}
}

// placeholderOf takes the name of a flag's value out of its usage, where it is in
// back quotes: "judge by `FILE`".
func placeholderOf(usage string) (placeholder, text string) {
	before, rest, ok := strings.Cut(usage, "`")
	if !ok {
		return " VALUE", usage
	}
	name, after, _ := strings.Cut(rest, "`")
	return " " + name, before + name + after
}
