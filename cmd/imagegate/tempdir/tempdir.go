// Package tempdir gives a run one private temporary directory, and deletes those
// of runs that were killed.
package tempdir

import (
	"cmp"
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
	// newTooOld is the age from which a root under newPrefix is left over.
	newTooOld = time.Hour
)

// Dir is the private temporary directory of a run, which is made when it is
// needed first. The zero value is ready, and safe for concurrent use.
type Dir struct {
	mu   sync.Mutex
	root *root // nil until a path was asked for
}

// Path returns the directory, and makes it below parent first if there is none;
// "" for parent means the temporary directory of the system.
func (d *Dir) Path(parent string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root == nil {
		root, err := newRoot(parent)
		if err != nil {
			return "", err
		}
		d.root = root
	}
	return d.root.path, nil
}

// Remove deletes the directory, if there is one. It may be called again.
func (d *Dir) Remove() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root == nil {
		return nil
	}
	return d.root.remove()
}

// root is one directory. Its owner holds a lock in it, so that the next run can
// tell which directories belong to killed runs.
type root struct {
	path string
	lock *flock.Flock
	once sync.Once
	err  error
}

// newRoot deletes the roots of killed runs in parent and makes a new one there.
//
// The root gets its final name only when its lock is held: another run would
// delete a root without a lock.
func newRoot(parent string) (*root, error) {
	parent = cmp.Or(parent, os.TempDir())
	sweep(parent)
	fresh, err := os.MkdirTemp(parent, newPrefix) // mode 0700
	if err != nil {
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	path := filepath.Join(parent, runPrefix+strings.TrimPrefix(filepath.Base(fresh), newPrefix))
	lock := flock.New(filepath.Join(fresh, lockName))
	held, err := lock.TryLock()
	if err == nil && !held {
		err = fmt.Errorf("another process has locked it")
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		_ = lock.Close()
		_ = os.RemoveAll(fresh)
		return nil, fmt.Errorf("lock the temporary directory %s: %w", fresh, err)
	}
	return &root{path: path, lock: lock}, nil
}

// remove deletes the root and its content. It may be called again and from
// several goroutines.
func (t *root) remove() error {
	t.once.Do(func() {
		t.err = os.RemoveAll(t.path)
		_ = t.lock.Close() // after the removal: until then the root is ours
		if t.err != nil {
			t.err = removeTree(t.path) // Windows deletes no file that is open
		}
	})
	return t.err
}

// removeTree is os.RemoveAll with one descriptor at a time: os.RemoveAll holds a
// descriptor for each level, and the process may have none left. Only this user
// can write to the directory, so no part of it can be swapped for a link.
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

// sweep deletes the roots of killed runs in parent. What it cannot delete stays:
// no run depends on it.
func sweep(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(parent, e.Name())
		switch {
		case !e.IsDir() || !isOurs(path):
			// A link or the directory of another user: in a shared directory
			// every user can make one with this prefix.
		case strings.HasPrefix(e.Name(), runPrefix):
			sweepRun(path)
		case strings.HasPrefix(e.Name(), newPrefix):
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > newTooOld {
				_ = os.RemoveAll(path)
			}
		}
	}
}

// sweepRun deletes a root whose lock no process holds.
func sweepRun(path string) {
	name := filepath.Join(path, lockName)
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		// A root gets its name with its lock in it: this one is half removed.
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
