package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

const (
	// runPrefix begins the names of temp roots that belong to a run.
	runPrefix = "imagegate-run-"
	// newPrefix begins the names of temp roots that are not locked yet.
	newPrefix = "imagegate-new-"
	lockName  = "lock"
	// newTooOld is when a root that never became a run's is left over.
	newTooOld = time.Hour
)

// tempRoot is the one private directory of a run: everything that touches the
// disk, in this process and in its workers, lies in it. Its owner holds a lock
// in it, so that the next run can tell what a killed one left behind.
type tempRoot struct {
	path string
	lock *flock.Flock
	once sync.Once
	err  error
}

// newTempRoot sweeps what dead runs left in parent and makes a new root there.
//
// The root gets its real name only when its lock is held: a sweeper would take
// a root without a lock for a dead one.
func newTempRoot(parent string) (*tempRoot, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	sweepTempRoots(parent)
	fresh, err := os.MkdirTemp(parent, newPrefix) // mode 0700
	if err != nil {
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	path := filepath.Join(parent, runPrefix+strings.TrimPrefix(filepath.Base(fresh), newPrefix))
	lock := flock.New(filepath.Join(fresh, lockName))
	held, err := lock.TryLock()
	if err == nil && !held {
		err = fmt.Errorf("somebody else has locked it")
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		_ = lock.Close()
		_ = os.RemoveAll(fresh)
		return nil, fmt.Errorf("lock the temporary directory %s: %w", fresh, err)
	}
	return &tempRoot{path: path, lock: lock}, nil
}

// remove deletes the root and all that is in it. It may be called again and
// from several goroutines.
func (t *tempRoot) remove() error {
	t.once.Do(func() {
		t.err = os.RemoveAll(t.path)
		_ = t.lock.Close() // after the removal: until then the root is ours
		if t.err != nil {
			t.err = removeTree(t.path) // Windows deletes no file that is open
		}
	})
	return t.err
}

// removeTree does what os.RemoveAll does with one descriptor at a time: that
// one holds a descriptor for each level, of which there may be none left. The
// directory is ours alone, so nobody can swap a part of it for a link meanwhile.
func removeTree(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if name := filepath.Join(path, e.Name()); e.IsDir() {
			err = errors.Join(err, removeTree(name))
		} else if gone := os.Remove(name); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	if err != nil {
		return err
	}
	return os.Remove(path)
}

// sweepTempRoots deletes the roots of dead runs in parent. It is a courtesy, so
// what it cannot delete stays.
func sweepTempRoots(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(parent, e.Name())
		switch {
		case !e.IsDir() || !isOurs(path):
			// A link or somebody else's: in a shared directory anybody can
			// plant one with our prefix.
		case strings.HasPrefix(e.Name(), runPrefix):
			sweepRun(path)
		case strings.HasPrefix(e.Name(), newPrefix):
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > newTooOld {
				_ = os.RemoveAll(path)
			}
		}
	}
}

// sweepRun deletes a root whose lock nobody holds.
func sweepRun(path string) {
	name := filepath.Join(path, lockName)
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		// A root gets its name with its lock in it: whoever removed this one was
		// killed half-way, or is removing it now.
		_ = os.RemoveAll(path)
		return
	}
	if err != nil || !info.Mode().IsRegular() {
		return // opening a pipe would hang
	}
	lock := flock.New(name)
	if held, err := lock.TryLock(); err == nil && held {
		_ = os.RemoveAll(path)
	}
	_ = lock.Close()
}
