// Package cmdline reads command lines strictly and describes them: help,
// completion scripts and suggestions for what was misspelt.
//
// The commands and flags are those of urfave/cli. This package exists because
// that library stops reading flags at the first argument (a flag after an image
// would be taken for an image), silently lets the last of two contradicting
// flags win, and takes an image named "help" for a command.
package cmdline

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// Line is a command line that was read.
type Line struct {
	Path    []string     // the names of command and subcommand
	Command *cli.Command // nil for the program itself
	Help    bool         // --help was given
	Version bool         // --version was given
	flags   []string     // each as --name=value
	rest    []string     // positional arguments
}

// Canonical returns the command line in the one form that urfave/cli reads as
// it was meant: command, flags with "=", "--", arguments.
func (l *Line) Canonical(program string) []string {
	line := append([]string{program}, l.Path...)
	line = append(line, l.flags...)
	return append(append(line, "--"), l.rest...)
}

// Parse reads a command line, without the program's name. Every mistake is an
// [Error]; [ErrNoCommand] means that a command is missing.
func Parse(app *cli.App, args []string) (*Line, error) {
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	p := &parser{Line: &Line{}, commands: app.Commands, seen: map[string]bool{}}
	for p.args = args; len(p.args) > 0; {
		if err := p.next(); err != nil {
			return p.Line, err
		}
	}
	if p.Help || p.Version {
		return p.Line, nil
	}
	return p.Line, p.complete()
}

// parser reads a command line argument by argument.
type parser struct {
	*Line
	args     []string // not read yet
	commands []*cli.Command
	seen     map[string]bool // flags that were given, by name
}

// next reads one argument, and the value that belongs to it.
func (p *parser) next() error {
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

func (p *parser) descend(name string) error {
	i := slices.IndexFunc(p.commands, func(c *cli.Command) bool { return c.Name == name && !c.Hidden })
	if i < 0 {
		full := strings.Join(append(slices.Clone(p.Path), name), " ")
		if translation := commandHabit(name, p.args); translation != "" && len(p.Path) == 0 {
			return Errorf("unknown command %q", full).WithHint("%s", translation)
		}
		return Errorf("unknown command %q", full).WithHint("%s", Suggest(name, commandNames(p.commands), "see imagegate --help"))
	}
	p.Command = p.commands[i]
	p.Path = append(p.Path, name)
	p.commands = p.Command.Subcommands
	return nil
}

// flag reads the flag arg and its value.
func (p *parser) flag(arg string) error {
	name, value, hasValue := strings.Cut(arg, "=")
	switch name {
	case "--help", "-h":
		p.Help = true
		return nil
	case "--version":
		if p.Command == nil {
			p.Version = true
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
		return Errorf("flag --%s is given twice", long).WithHint("give it once")
	}
	p.seen[long] = true
	if _, isBool := f.(*cli.BoolFlag); isBool {
		return p.boolFlag(long, value, hasValue)
	}
	value, err := p.value(long, value, hasValue)
	if _, ok := f.(*cli.DurationFlag); ok {
		value = inHours(value)
	}
	if err == nil {
		err = checkValue(f, long, value)
	}
	if err != nil {
		return err
	}
	p.flags = append(p.flags, "--"+long+"="+value)
	return nil
}

// value returns the value of a flag: the text after "=", or the next argument.
func (p *parser) value(long, value string, hasValue bool) (string, error) {
	if !hasValue {
		if len(p.args) == 0 {
			return "", Errorf("flag --%s needs a value", long)
		}
		value, p.args = p.args[0], p.args[1:]
		if len(value) > 1 && value[0] == '-' {
			return "", Errorf("flag --%s needs a value, but %s follows", long, value).
				WithHint("is a variable empty? a value that begins with - is written --%s=%s", long, value)
		}
	}
	if strings.TrimSpace(value) == "" {
		return "", Errorf("flag --%s has an empty value", long).WithHint("is a variable unset? leave the flag out to use the default")
	}
	return value, nil
}

func (p *parser) boolFlag(long, value string, hasValue bool) error {
	if !hasValue {
		value = "true"
	}
	if value != "true" && value != "false" {
		return Errorf("flag --%s takes no value but true or false, not %q", long, value)
	}
	p.flags = append(p.flags, "--"+long+"="+value)
	return nil
}

// find returns the flag with that name, dashes included: "--policy" or "-p".
func (p *parser) find(name string) cli.Flag {
	if p.Command == nil {
		return nil
	}
	for _, f := range p.Command.Flags {
		for _, n := range f.Names() {
			if name == dashed(n) {
				return f
			}
		}
	}
	return nil
}

func (p *parser) unknownFlag(name string) error {
	if p.Command == nil {
		err := Errorf("unknown flag %s before the command", name)
		return err.WithHint("flags come after the command: imagegate check IMAGE %s ...", name)
	}
	if translation := habit(name); translation != "" && p.Command.Name == "check" {
		return Errorf("unknown flag %s for imagegate check", name).WithHint("%s", translation)
	}
	names := []string{"--help"}
	for _, f := range p.Command.Flags {
		for _, n := range f.Names() {
			names = append(names, dashed(n))
		}
	}
	where := "see imagegate " + strings.Join(p.Path, " ") + " --help"
	return Errorf("unknown flag %s for imagegate %s", name, strings.Join(p.Path, " ")).
		WithHint("%s", Suggest(name, names, where))
}

// complete checks what can be checked only at the end.
func (p *parser) complete() error {
	if len(p.commands) > 0 {
		if len(p.rest) > 0 {
			return Errorf("unknown command %q", p.rest[0])
		}
		return ErrNoCommand
	}
	for i, arg := range p.rest {
		if strings.TrimSpace(arg) == "" {
			return Errorf("argument %d of imagegate %s is empty", i+1, strings.Join(p.Path, " ")).
				WithHint("is a variable unset?")
		}
	}
	return nil
}

// ErrNoCommand is returned by [Parse] when the command is missing. The help
// lists the commands.
var ErrNoCommand = Errorf("no command")

// days is a time as policies have it. Package time has no days.
var days = regexp.MustCompile(`^([1-9][0-9]{0,4})d$`)

// inHours writes days as hours, and everything else as it is.
func inHours(value string) string {
	m := days.FindStringSubmatch(value)
	if m == nil {
		return value
	}
	n, _ := strconv.Atoi(m[1]) // five digits at most
	return strconv.Itoa(24*n) + "h"
}

// checkValue refuses values that urfave/cli would refuse with the error text of
// package strconv.
func checkValue(f cli.Flag, name, value string) error {
	switch f.(type) {
	case *cli.DurationFlag:
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return Errorf("flag --%s: %q is not a duration", name, value).WithHint("write it like 90s, 15m, 1h30m or 7d")
		}
	case *cli.IntFlag:
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return Errorf("flag --%s: %q is not a number from 1 on", name, value)
		}
	}
	return nil
}

// dashed returns the flag as it is typed: one dash before a letter, two before a
// word.
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
