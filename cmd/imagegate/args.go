package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// arguments is a command line after it was read: which command, which flags and
// which positional arguments. It exists because urfave/cli v2 stops reading
// flags at the first argument (so a flag after an image is taken for an image),
// lets the last of two contradicting flags win in silence, and takes an image
// named "help" for a command.
type arguments struct {
	path    []string     // names of command and subcommand
	command *cli.Command // nil: the program itself
	help    bool
	version bool
	flags   []string // canonical: --name=value
	rest    []string // positional arguments
}

// canonical returns the command line in the only form that urfave/cli reads the
// way it was meant: command, flags with "=", "--", arguments.
func (a *arguments) canonical(program string) []string {
	line := append([]string{program}, a.path...)
	line = append(line, a.flags...)
	return append(append(line, "--"), a.rest...)
}

// parseArguments reads a command line strictly: every mistake is a usageError.
func parseArguments(app *cli.App, args []string) (*arguments, error) {
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	p := &argumentParser{arguments: &arguments{}, commands: app.Commands, seen: map[string]bool{}}
	for p.args = args; len(p.args) > 0; {
		if err := p.next(); err != nil {
			return p.arguments, err
		}
	}
	if p.help || p.version {
		return p.arguments, nil
	}
	return p.arguments, p.complete()
}

type argumentParser struct {
	*arguments
	args     []string // not read yet
	commands []*cli.Command
	seen     map[string]bool // flags that were given, by name
}

// next reads one argument, and the value that belongs to it.
func (p *argumentParser) next() error {
	arg := p.args[0]
	p.args = p.args[1:]
	switch {
	case arg == "--":
		p.rest = append(p.rest, p.args...)
		p.args = nil
		return nil
	case len(arg) > 1 && arg[0] == '-':
		return p.flag(arg)
	case len(p.commands) > 0:
		return p.descend(arg)
	}
	p.rest = append(p.rest, arg)
	return nil
}

func (p *argumentParser) descend(name string) error {
	i := slices.IndexFunc(p.commands, func(c *cli.Command) bool { return c.Name == name && !c.Hidden })
	if i < 0 {
		full := strings.Join(append(slices.Clone(p.path), name), " ")
		return usagef("unknown command %q", full).withHint("%s", suggest(name, commandNames(p.commands), "see imagegate --help"))
	}
	p.command = p.commands[i]
	p.path = append(p.path, name)
	p.commands = p.command.Subcommands
	return nil
}

// flag reads the flag arg and its value.
func (p *argumentParser) flag(arg string) error {
	name, value, hasValue := strings.Cut(arg, "=")
	switch name {
	case "--help", "-h":
		p.help = true
		return nil
	case "--version":
		if p.command == nil {
			p.version = true
			return nil
		}
	}
	f := p.find(name)
	if f == nil {
		return p.unknownFlag(name)
	}
	long := f.Names()[0]
	_, many := f.(*cli.StringSliceFlag)
	if p.seen[long] && !many {
		return usagef("flag --%s is given twice", long).withHint("give it once: it is not clear which one counts")
	}
	p.seen[long] = true
	if _, isBool := f.(*cli.BoolFlag); isBool {
		return p.boolFlag(long, value, hasValue)
	}
	value, err := p.value(long, value, hasValue)
	if err == nil {
		err = checkValue(f, long, value)
	}
	if err != nil {
		return err
	}
	p.flags = append(p.flags, "--"+long+"="+value)
	return nil
}

// value returns the value of a flag: what stands behind "=", else the next
// argument.
func (p *argumentParser) value(long, value string, hasValue bool) (string, error) {
	if !hasValue {
		if len(p.args) == 0 {
			return "", usagef("flag --%s needs a value", long)
		}
		value, p.args = p.args[0], p.args[1:]
		if len(value) > 1 && value[0] == '-' {
			return "", usagef("flag --%s needs a value, but %s follows", long, value).
				withHint("is a variable empty? a value that begins with - is written --%s=%s", long, value)
		}
	}
	if strings.TrimSpace(value) == "" {
		return "", usagef("flag --%s has an empty value", long).withHint("is a variable unset? leave the flag out to use the default")
	}
	return value, nil
}

func (p *argumentParser) boolFlag(long, value string, hasValue bool) error {
	if !hasValue {
		value = "true"
	}
	if value != "true" && value != "false" {
		return usagef("flag --%s takes no value but true or false, not %q", long, value)
	}
	p.flags = append(p.flags, "--"+long+"="+value)
	return nil
}

// find returns the flag that is called name, dashes included: "--policy" or
// "-p", nothing in between.
func (p *argumentParser) find(name string) cli.Flag {
	if p.command == nil {
		return nil
	}
	for _, f := range p.command.Flags {
		for _, n := range f.Names() {
			if name == dashed(n) {
				return f
			}
		}
	}
	return nil
}

func (p *argumentParser) unknownFlag(name string) error {
	if p.command == nil {
		err := usagef("unknown flag %s before the command", name)
		return err.withHint("flags stand after the command: imagegate check IMAGE %s ...", name)
	}
	names := []string{"--help"}
	for _, f := range p.command.Flags {
		for _, n := range f.Names() {
			names = append(names, dashed(n))
		}
	}
	where := "see imagegate " + strings.Join(p.path, " ") + " --help"
	return usagef("unknown flag %s for imagegate %s", name, strings.Join(p.path, " ")).
		withHint("%s", suggest(name, names, where))
}

// complete checks what can be checked only at the end.
func (p *argumentParser) complete() error {
	if len(p.commands) > 0 {
		if len(p.rest) > 0 {
			return usagef("unknown command %q", p.rest[0])
		}
		return errNoCommand
	}
	for i, arg := range p.rest {
		if strings.TrimSpace(arg) == "" {
			return usagef("argument %d of imagegate %s is empty", i+1, strings.Join(p.path, " ")).
				withHint("is a variable unset?")
		}
	}
	return nil
}

// errNoCommand means that help is the answer.
var errNoCommand = usagef("no command")

// checkValue finds the values that urfave/cli would refuse with the words of a
// Go function.
func checkValue(f cli.Flag, name, value string) error {
	switch f.(type) {
	case *cli.DurationFlag:
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return usagef("flag --%s: %q is not a duration", name, value).withHint("write it like 90s, 15m or 1h30m")
		}
	case *cli.IntFlag:
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return usagef("flag --%s: %q is not a number from 1 on", name, value)
		}
	}
	return nil
}

// dashed writes a flag as people do: one dash for a letter, two for a word.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func commandNames(commands []*cli.Command) []string {
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}
