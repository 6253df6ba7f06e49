package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/words"
)

// program is imagegate with everything that it takes from the outside world.
type program struct {
	environ []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	now     func() time.Time // the clock that verdicts are given by

	// ending is told when the context of a command is done, so that whoever
	// started the program can bound how long it takes to wind up.
	ending chan struct{}

	mu   sync.Mutex
	root *tempRoot // nil until a command needs one
}

func newProgram(environ []string, stdin io.Reader, stdout, stderr io.Writer) *program {
	return &program{
		environ: environ,
		stdin:   stdin,
		stdout:  stdout,
		stderr:  stderr,
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
		if err := p.removeRoot(); err != nil {
			p.complain(fmt.Errorf("remove temporary files: %w", err))
		}
	}()
	app := p.app()
	line, err := parseArguments(app, args[1:])
	switch {
	case errors.Is(err, errNoCommand):
		p.help(p.stderr, app, line)
		return exitUsage
	case err != nil:
		p.complain(err)
		return exitUsage
	case line.version:
		line.path = []string{"version"}
	case line.help:
		p.help(p.stdout, app, line)
		return exitPass
	}
	err = app.RunContext(ctx, line.canonical(args[0]))
	if err == nil && ctx.Err() != nil {
		// What was printed may be right, but whoever sent the signal has to see
		// that it was heard.
		err = fmt.Errorf("cancelled: %w", context.Cause(ctx))
	}
	p.complain(err)
	return exitCode(err)
}

// complain prints an error with its cure, unless it was told already.
func (p *program) complain(err error) {
	var outcome *outcomeError
	var told *toldError
	if err == nil || errors.As(err, &outcome) || errors.As(err, &told) {
		return
	}
	var diagnostics *policy.Error
	if errors.As(err, &diagnostics) {
		fmt.Fprintf(p.stderr, "imagegate: the policy cannot be used: %s\n", words.Plural(len(diagnostics.Diagnostics), "mistake"))
		// One line each, beginning with file:line:col for editors to find it.
		for _, line := range safe.Lines(strings.TrimRight(diagnostics.Error(), "\n")) {
			fmt.Fprintln(p.stderr, line)
		}
	} else {
		fmt.Fprintf(p.stderr, "imagegate: %s\n", terminal(err.Error()))
	}
	hint := gate.HintOf(err)
	var usage *usageError
	if errors.As(err, &usage) && usage.hint != "" {
		hint = usage.hint
	}
	if hint != "" {
		fmt.Fprintf(p.stderr, "imagegate: hint: %s\n", terminal(hint))
	}
}

// getenv looks a variable up in the environment that the program was given.
func (p *program) getenv(name string) string {
	value, _ := p.lookupEnv(name)
	return value
}

func (p *program) lookupEnv(name string) (string, bool) {
	for i := len(p.environ) - 1; i >= 0; i-- {
		if key, value, ok := strings.Cut(p.environ[i], "="); ok && key == name {
			return value, true
		}
	}
	return "", false
}

// tempDir makes the run's temporary root, once.
func (p *program) tempDir(parent string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.root == nil {
		root, err := newTempRoot(parent)
		if err != nil {
			return "", err
		}
		p.root = root
	}
	return p.root.path, nil
}

func (p *program) removeRoot() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.root == nil {
		return nil
	}
	return p.root.remove()
}

// watch reports the end of ctx on p.ending. The returned function stops it.
func (p *program) watch(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		select {
		case p.ending <- struct{}{}:
		default:
		}
	})
}

// help prints what line is about: a command, or the whole program.
func (p *program) help(w io.Writer, app *cli.App, line *arguments) {
	if line.command == nil {
		fmt.Fprint(w, appHelp(app))
		return
	}
	fmt.Fprint(w, commandHelp(line.path, line.command))
}

// terminal makes text from outside fit for a terminal.
func terminal(s string) string { return safe.Terminal(s) }
