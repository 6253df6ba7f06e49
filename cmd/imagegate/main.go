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
	"syscall"
	"time"

	"github.com/imagegate/imagegate/cmd/imagegate/ahead"
	"github.com/imagegate/imagegate/gate/scan/engine"
	"github.com/imagegate/imagegate/gate/scan/process"
)

// grace is how long a run may take to end after it was told to.
const grace = 8 * time.Second

func main() {
	os.Exit(start(os.Args))
}

// start runs the worker if this process was started as one, and otherwise the
// program.
func start(args []string) int {
	if startedAsWorker(args) {
		return engine.Serve(context.Background(), os.Stdin, os.Stdout)
	}
	return supervise(newProgram(os.Environ(), os.Stdin, standardOutput(), os.Stderr), args)
}

func startedAsWorker(args []string) bool {
	return len(args) > 1 && args[1] == process.Command
}

// supervise runs the program and returns its exit code. The first signal cancels
// the program's context. The second signal and the end of the grace period end
// the program without waiting for it.
func supervise(p *program, args []string) int {
	signals := ahead.Signals()
	// A reader that goes away ("| head") must not kill the process before it
	// has removed its temporary files: the write fails instead.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	done := make(chan int, 1)
	go func() { done <- p.run(ctx, args) }()

	var timer <-chan time.Time
	for {
		var reason error
		select {
		case code := <-done:
			return code
		case s := <-signals:
			if reason = fmt.Errorf("received signal %q", s.String()); timer == nil {
				cancel(reason)
				timer = time.After(grace)
				continue
			}
		case <-p.ending:
			if timer == nil {
				timer = time.After(grace)
			}
			continue
		case <-timer:
			reason = errors.New("something did not stop in time")
		}
		if p.lifetime.abandon() {
			return p.abandon(reason)
		}
	}
}
