package cache

import (
	"bytes"
	"os"
	"runtime"
	"syscall"
	"testing"
)

// A process that is killed while it writes leaves no valid entry, and its temporary
// files are deleted later.
func TestKilledWriters(t *testing.T) {
	dir := t.TempDir()
	for round := range 5 {
		killWhileWriting(t, dir)
		if n := countTemps(t, dir); n != round+1 {
			t.Errorf("after %d kills there are %d temporary files", round+1, n)
		}
		s := mustOpen(t, dir, Options{Warn: func(text string) { t.Error(text) }})
		for i := range 8 {
			if data, err := s.Get(t.Context(), keyOf(i), saves); err == nil && !bytes.Equal(data, noise(i)) {
				t.Errorf("entry %d is not what was put", i)
			}
		}
	}
	info, err := os.Stat(fileOf(dir, keyOf(0)))
	if err != nil {
		t.Fatal(err)
	}
	later := info.ModTime().Add(2 * tempTooOld)
	if _, err := mustOpen(t, dir, Options{Now: at(later)}).Prune(t.Context(), Prune{}); err != nil {
		t.Error(err)
	}
	if n := countTemps(t, dir); n > 0 {
		t.Errorf("%d temporary files are never swept", n)
	}
}

// killWhileWriting kills a process between the making of a temporary file and
// its renaming: it is stopped until it has one more than there were.
func killWhileWriting(t *testing.T, dir string) {
	t.Helper()
	before := countTemps(t, dir)
	cmd := actor(t, "write", dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for {
		for countTemps(t, dir) == before {
			runtime.Gosched()
		}
		var status syscall.WaitStatus
		err := cmd.Process.Signal(syscall.SIGSTOP)
		if err == nil {
			_, err = syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		}
		if err != nil || !status.Stopped() {
			t.Fatalf("the process does not stop: %v", err)
		}
		if countTemps(t, dir) > before {
			return
		}
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
}

func countTemps(t *testing.T, dir string) int {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		if !f.IsDir() {
			n++
		}
	}
	return n
}
