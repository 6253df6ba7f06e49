package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/cmd/imagegate/tempdir"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/words"
)

// program is imagegate with everything that it takes from its surroundings.
type program struct {
	console
	env environment
	now func() time.Time // the clock that images are judged by
	// tmp holds all temporary files of the run.
	tmp tempdir.Dir
	// ending gets a value when the context of a command is done, so that
	// [supervise] can bound how long the program takes to end.
	ending   chan struct{}
	lifetime lifetime
	judges   material // of the command that runs
}

// material is what a command judges. The zero value is nothing, or what only the
// arguments of the command say.
type material int

const (
	// materialSaved is saved evidence, or a policy alone. The documents that a policy
	// names need not be there.
	materialSaved material = iota + 1
	// materialImages are images and what is attached to them.
	materialImages
)

func newProgram(environ []string, stdin io.Reader, stdout, stderr io.Writer) *program {
	return &program{
		console: console{stdin: stdin, stdout: stdout, stderr: stderr},
		env:     environ,
		now:     time.Now,
		ending:  make(chan struct{}, 1),
	}
}

// run runs one command line, args[0] being the program's name, and returns the
// exit code. It never exits and leaves no temporary file behind.
func (p *program) run(ctx context.Context, args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(p.stderr, "imagegate: internal error: %s\n%s", terminal(fmt.Sprint(r)), debug.Stack())
			code = exitNoVerdict
		}
		p.removeTemporaryFiles()
	}()
	app := newApp(p)
	line, err := cmdline.Parse(app, args[1:])
	switch {
	case errors.Is(err, cmdline.ErrNoCommand):
		help(p.stderr, app, line)
		return exitUsage
	case err != nil:
		p.complain(err)
		return exitUsage
	case line.Version:
		line.Path = []string{"version"}
	case line.Help:
		help(p.stdout, app, line)
		return exitPass
	}
	err = app.RunContext(ctx, line.Canonical(args[0]))
	if err == nil && ctx.Err() != nil && !p.lifetime.isDecided() {
		// The result may be right, but the sender of the signal must see that it
		// was heard.
		err = fmt.Errorf("cancelled: %w", context.Cause(ctx))
	}
	p.complain(err)
	return exitCode(err)
}

// action makes a command's function one for urfave/cli. --timeout, where a
// command has it, ends all that the command does.
func (p *program) action(command func(*program, *cli.Context) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		ctx, cancel := p.deadline(c)
		defer cancel()
		c.Context = ctx
		return command(p, c)
	}
}

// judging is action for a command that judges always the same.
func (p *program) judging(what material, command func(*program, *cli.Context) error) cli.ActionFunc {
	return p.action(func(p *program, c *cli.Context) error {
		p.judges = what
		return command(p, c)
	})
}

// deadline returns the context of a command.
func (p *program) deadline(c *cli.Context) (context.Context, func()) {
	if !slices.ContainsFunc(c.Command.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), "timeout") }) {
		return c.Context, func() {}
	}
	timeout := c.Duration("timeout")
	ctx, cancel := context.WithTimeoutCause(c.Context, timeout, &gate.Fault{
		Err:  fmt.Errorf("imagegate %s did not end within %s", c.Command.Name, words.Duration(timeout)),
		Hint: "raise it with --timeout",
	})
	stop := context.AfterFunc(ctx, func() {
		select {
		case p.ending <- struct{}{}:
		default:
		}
	})
	return ctx, func() { stop(); cancel() }
}

// abandon ends the program without waiting for it.
func (p *program) abandon(reason error) int {
	p.complain(fmt.Errorf("ended without waiting: %w", reason))
	p.removeTemporaryFiles()
	return exitNoVerdict
}

func (p *program) removeTemporaryFiles() {
	if err := p.tmp.Remove(); err != nil {
		p.complain(fmt.Errorf("remove temporary files: %w", err))
	}
}

// help prints the help of line's command, or of the whole program.
func help(w io.Writer, app *cli.App, line *cmdline.Line) {
	if line.Command == nil {
		fmt.Fprint(w, cmdline.AppHelp(app))
		return
	}
	fmt.Fprint(w, cmdline.CommandHelp(line.Path, line.Command))
}
