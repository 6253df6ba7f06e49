package main

import (
	"github.com/urfave/cli/v2"
)

// app describes the command line. The arguments were read by parseArguments
// before it runs them, so what is left to urfave/cli is to hand them over.
func (p *program) app() *cli.App {
	app := &cli.App{
		Name:   "imagegate",
		Usage:  "decide whether a container image may ship",
		Writer: p.stdout, ErrWriter: p.stderr, Reader: p.stdin,
		// Four defaults of urfave/cli v2 that are traps here: values are split
		// at commas, "help" and "h" are commands even where images stand,
		// mistakes print help on stdout, and any error with an ExitCode method
		// ends the process.
		DisableSliceFlagSeparator: true,
		HideHelp:                  true,
		HideVersion:               true,
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              usageMistake,
		Commands: []*cli.Command{
			p.checkCommand(),
			p.evalCommand(),
			p.policyCommand(),
			p.exceptionCommand(),
			p.dbCommand(),
			p.cacheCommand(),
			p.versionCommand(),
			p.completionCommand(),
		},
	}
	tame(app.Commands)
	return app
}

func usageMistake(_ *cli.Context, err error, _ bool) error { return usagef("%w", err) }

// tame sets on every command what urfave/cli does not inherit from the app.
func tame(commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelp = true
		c.OnUsageError = usageMistake
		tame(c.Subcommands)
	}
}
