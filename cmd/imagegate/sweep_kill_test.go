//go:build linux

package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kill is what is done to a run, at a random point of its life.
type kill struct {
	name   string
	signal syscall.Signal
	worker bool // the worker is hit, not the program
}

// sweepKills ends runs at random points. IMAGEGATE_SWEEP_SEED repeats the
// same points, as far as the machine is as fast as it was.
func sweepKills(t *testing.T, s *sweep) {
	seed := uint64(envInt(t, "IMAGEGATE_SWEEP_SEED", int(time.Now().UnixNano()%1e9)))
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, seed))
	begin := time.Now()
	s.try(t, false, attempt{name: "to measure"})
	full := time.Since(begin)
	count := envInt(t, "IMAGEGATE_SWEEP_COUNT", 10)
	if testing.Short() {
		count = 3
	}
	for _, k := range []kill{
		{name: "SIGTERM", signal: syscall.SIGTERM},
		{name: "SIGINT", signal: syscall.SIGINT},
		{name: "SIGKILL", signal: syscall.SIGKILL},
		{name: "SIGKILL to the worker", signal: syscall.SIGKILL, worker: true},
	} {
		tmp := t.TempDir() // the same for all, so that they meet what is left
		hits := 0
		for i := range count {
			bad := i%2 == 0
			a := attempt{name: k.name, tmp: tmp, dir: t.TempDir()}
			if s.killed(t, bad, a, k, time.Duration(random.Int64N(int64(full)))) {
				hits++
			} else {
				full = full * 3 / 4 // the machine is faster than when it was measured
			}
		}
		t.Logf("%s: %d of %d runs were hit", k.name, hits, count)
		if hits == 0 && count >= 10 {
			t.Errorf("%s: every run had ended before: the sweep proves nothing", k.name)
		}
		// The next run sweeps what killed ones left, and judges as ever.
		if e := s.try(t, true, attempt{name: "after " + k.name, tmp: tmp}); e.code != exitFail {
			t.Errorf("after %s: exit code %d, want 1:\n%s", k.name, e.code, e.out)
		}
	}
}

// killed runs an attempt, kills it after a while and checks what is promised.
// It reports whether the run was still alive then.
func (s *sweep) killed(t *testing.T, bad bool, a attempt, k kill, after time.Duration) bool {
	t.Helper()
	cmd := s.command(t, bad, &a)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	pid := cmd.Process.Pid
	if k.worker {
		pid, after = awaitChild(pid), after/2 // it lives for about half of the run
	}
	go func() { done <- cmd.Wait() }()
	hit := false
	select {
	case err := <-done:
		done <- err
	case <-time.After(after):
		hit = pid > 0 && syscall.Kill(pid, k.signal) == nil // 0 would be our own process group
	}
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Errorf("%s after %s: still running", k.name, after)
		_ = cmd.Process.Kill()
		<-done
	}
	e := ended{cmd.ProcessState.ExitCode(), out.String()}
	a.name += " after " + after.String()
	s.check(t, bad, a, e)
	checkNoProcessLeft(t, a)
	switch {
	case k.worker && e.code < 0:
		t.Errorf("%s: the program died with its worker:\n%s", a.name, e.out)
	case k.worker || k.signal != syscall.SIGKILL:
		// Also when the signal itself ended the program: that is before it
		// listens to signals, and there is nothing to remove yet.
		s.checkNothingLeft(t, a)
	}
	return hit
}

// awaitChild returns a child of the process, 0 when the process ends without.
func awaitChild(pid int) int {
	for {
		if child := childOf(pid); child != 0 {
			return child
		}
		if state := processState(pid); state == "" || state == "Z" {
			return 0
		}
		time.Sleep(time.Millisecond)
	}
}

// checkNoProcessLeft fails when a process that belonged to the run lives on: the
// program and its workers have their working directories in the run's.
func checkNoProcessLeft(t *testing.T, a attempt) {
	t.Helper()
	var left []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if left = processesIn(a.dir, a.tmp); len(left) == 0 {
			return
		}
	}
	t.Errorf("%s: still running: %v", a.name, left)
}

func processesIn(dirs ...string) []string {
	var found []string
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		cwd, err := os.Readlink(link)
		if err != nil {
			continue
		}
		for _, dir := range dirs {
			if cwd == dir || strings.HasPrefix(cwd, dir+"/") {
				found = append(found, filepath.Base(filepath.Dir(link))+" in "+cwd)
			}
		}
	}
	return found
}
