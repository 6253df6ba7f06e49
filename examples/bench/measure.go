package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// step is one command of a side.
type step struct {
	argv []string
	// exits are the exit codes of a run that did its work: 0 and 1 are verdicts
	// of imagegate. A run with another code did not measure what it should.
	exits []int
}

// side is what one program does in one run: steps, one after another or all at
// once.
type side struct {
	steps  []step
	atOnce bool
	// findings counts what the reports of this run say, if they say anything.
	findings func() (int, error)
}

// usage is what one run of a side cost.
type usage struct {
	Wall, CPU time.Duration
	PSS, RSS  int64 // highest sum over the whole process tree, bytes
	MaxRSS    int64 // of the largest single process, bytes
	Findings  int
	Requests  requests
}

// measure runs a side.
func measure(ctx context.Context, s side) (usage, error) {
	var u usage
	if s.atOnce {
		return u, u.add(ctx, s.steps)
	}
	for _, one := range s.steps {
		if err := u.add(ctx, []step{one}); err != nil {
			return usage{}, err
		}
	}
	return u, nil
}

// add runs steps at once and adds their cost.
func (u *usage) add(ctx context.Context, steps []step) error {
	watched := watch()
	errs := make(chan error, len(steps))
	states := make(chan *os.ProcessState, len(steps))
	start := time.Now()
	for _, one := range steps {
		go func() {
			state, err := one.run(ctx, watched.add)
			if state != nil {
				states <- state
			}
			errs <- err
		}()
	}
	var failed error
	for range steps {
		failed = errors.Join(failed, <-errs)
	}
	u.Wall += time.Since(start)
	watched.end()
	close(states)
	var waited time.Duration
	for state := range states {
		waited += state.UserTime() + state.SystemTime()
		if r, ok := state.SysUsage().(*syscall.Rusage); ok {
			u.MaxRSS = max(u.MaxRSS, r.Maxrss<<10) // kilobytes on Linux
		}
	}
	// The times of a parent leave out children that it does not wait for. The
	// samples include them.
	u.CPU += max(waited, watched.seen())
	u.PSS, u.RSS = max(u.PSS, watched.pss), max(u.RSS, watched.rss)
	return failed
}

func (s step) run(ctx context.Context, started func(pid int)) (*os.ProcessState, error) {
	cmd := exec.CommandContext(ctx, s.argv[0], s.argv[1:]...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.Env = clean(os.Environ())
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	started(cmd.Process.Pid)
	err := cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); !slices.Contains(s.exits, code) {
		return cmd.ProcessState, fmt.Errorf("%s: exit code %d: %w\n%s", strings.Join(s.argv, " "), code, err, stderr.String())
	}
	return cmd.ProcessState, nil
}

// clean leaves out the variables that would change what either program does.
func clean(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool {
		return strings.HasPrefix(v, "TRIVY_") || strings.HasPrefix(v, "IMAGEGATE_")
	})
}
