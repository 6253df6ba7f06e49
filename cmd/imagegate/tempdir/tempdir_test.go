package tempdir

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func mustRoot(t *testing.T, parent string) *root {
	t.Helper()
	root, err := newRoot(parent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.remove() })
	return root
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestTempRootIsPrivateAndGoesAway(t *testing.T) {
	parent := t.TempDir()
	root := mustRoot(t, parent)
	info, err := os.Stat(root.path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("mode of the temp root = %v, want 0700", got)
	}
	deep := filepath.Join(root.path, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // twice: the signal path may come second
		if err := root.remove(); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := os.ReadDir(parent); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTempRootSweepsDeadRunsOnly(t *testing.T) {
	parent := t.TempDir()
	alive := mustRoot(t, parent)

	dead := filepath.Join(parent, runPrefix+"dead")
	locked := filepath.Join(dead, lockName)
	unborn := filepath.Join(parent, newPrefix+"old")
	young := filepath.Join(parent, newPrefix+"young")
	foreign := filepath.Join(parent, "something-else")
	open := filepath.Join(parent, runPrefix+"open")
	for _, dir := range []string{dead, unborn, young, foreign, open} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{locked, filepath.Join(foreign, lockName), filepath.Join(open, lockName)} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(open, 0o755); err != nil { // not as we make them
		t.Fatal(err)
	}
	long := time.Now().Add(-2 * newTooOld)
	if err := os.Chtimes(unborn, long, long); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "target")
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(parent, runPrefix+"link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}

	mustRoot(t, parent)

	for path, want := range map[string]bool{
		alive.path: true, dead: false, unborn: false, young: true, foreign: true, open: true, link: true, target: true,
	} {
		if exists(path) != want {
			t.Errorf("%s exists = %v after the sweep, want %v", filepath.Base(path), !want, want)
		}
	}
}

// A process that opens a pipe in the place of the lock would block.
func TestTempRootSweepDoesNotHangOnPipes(t *testing.T) {
	parent := t.TempDir()
	trap := filepath.Join(parent, runPrefix+"trap")
	if err := os.Mkdir(trap, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(trap, lockName), 0o600); err != nil {
		t.Skip(err)
	}
	done := make(chan struct{})
	go func() { sweep(parent); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("the sweep hangs on a pipe")
	}
	if !exists(trap) {
		t.Error("a root without a real lock was deleted")
	}
}

func TestTempRootNamesTheDirectoryItCannotUse(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := newRoot(missing); err == nil {
		t.Error("newRoot made a root in a directory that does not exist")
	}
}

// A removal deletes the lock with the rest: a run that is killed in its midst
// leaves a root without one.
func TestTempRootSweepsHalfRemovedRuns(t *testing.T) {
	parent := t.TempDir()
	half := filepath.Join(parent, runPrefix+"half")
	if err := os.MkdirAll(filepath.Join(half, "worker-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	sweep(parent)
	if left, _ := os.ReadDir(parent); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
