// Imagegate decides whether a container image may ship.
//
// It resolves every image to a digest, scans it, evaluates one policy and ends
// with an exit code that a pipeline can act on: 0 accepted, 1 rejected, 2 no
// verdict, 3 wrong command line or policy file.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/imagegate/imagegate/gate/scan/engine"
	"github.com/imagegate/imagegate/gate/scan/process"
)

// grace is how long a run may take to wind up after it was told to end.
const grace = 8 * time.Second

func main() {
	os.Exit(start(os.Args))
}

// start runs the worker when this process was started as one, else the program.
func start(args []string) int {
	if startedAsWorker(args) {
		return engine.Serve(context.Background(), os.Stdin, os.Stdout)
	}
	pace()
	return supervise(newProgram(os.Environ(), os.Stdin, os.Stdout, os.Stderr), args)
}

// pace lets the heap grow further between two collections, unless GOGC says how
// far: most of it are Trivy's tables, which never change, or evidence that is
// kept for the reports, and to look through it again and again takes a third of
// the time.
func pace() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

func startedAsWorker(args []string) bool {
	return len(args) > 1 && args[1] == process.Command
}

// supervise runs the program until it ends or has to: the first signal asks it
// to wind up, the second one and the end of the grace period do not ask.
func supervise(p *program, args []string) int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	// A reader that goes away ("| head") must not kill the process before it
	// has removed its temporary files: the write fails instead.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)

	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	done := make(chan int, 1)
	go func() { done <- p.run(ctx, args) }()

	var timer <-chan time.Time
	for {
		select {
		case code := <-done:
			return code
		case s := <-signals:
			if timer != nil {
				return p.abandon(fmt.Errorf("received signal %q", s.String()))
			}
			cancel(fmt.Errorf("received signal %q", s.String()))
			timer = time.After(grace)
		case <-p.ending:
			if timer == nil {
				timer = time.After(grace)
			}
		case <-timer:
			return p.abandon(errors.New("something did not stop in time"))
		}
	}
}

// abandon ends the program without waiting for it.
func (p *program) abandon(reason error) int {
	p.complain(fmt.Errorf("ended without waiting: %w", reason))
	if err := p.removeRoot(); err != nil {
		p.complain(fmt.Errorf("remove temporary files: %w", err))
	}
	return exitNoVerdict
}
