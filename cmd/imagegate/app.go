package main

import (
	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
)

// commands makes every command, in the order of the help.
func commands() []func(*program) *cli.Command {
	return []func(*program) *cli.Command{
		checkCommand,
		promoteCommand,
		verifyCommand,
		attestCommand,
		approveCommand,
		evalCommand,
		explainCommand,
		forecastCommand,
		diffCommand,
		policyCommand,
		exceptionCommand,
		vexCommand,
		dbCommand,
		cacheCommand,
		versionCommand,
		completionCommand,
	}
}

// newApp returns the command line for urfave/cli. [cmdline.Parse] has read the
// arguments before, so the library only hands them to the commands.
func newApp(p *program) *cli.App {
	app := &cli.App{
		Name:   "imagegate",
		Usage:  "decide whether a container image may ship",
		Writer: p.stdout, ErrWriter: p.stderr, Reader: p.stdin,
		// These defaults of urfave/cli v2 are traps here: it splits values at
		// commas, takes images named "help" and "h" for commands, prints help on
		// standard output after a mistake, and ends the process for any error
		// that has an ExitCode method.
		DisableSliceFlagSeparator: true,
		HideHelp:                  true,
		HideVersion:               true,
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              usageMistake,
	}
	for _, command := range commands() {
		app.Commands = append(app.Commands, command(p))
	}
	setDefaults(app.Commands)
	return app
}

func usageMistake(_ *cli.Context, err error, _ bool) error { return cmdline.Errorf("%w", err) }

// setDefaults sets on every command what urfave/cli does not inherit from the
// app.
func setDefaults(commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelp = true
		c.OnUsageError = usageMistake
		setDefaults(c.Subcommands)
	}
}
