package database

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// hold takes a lock as another process would.
func hold(t *testing.T, path string) {
	t.Helper()
	lock := newLock(path)
	if ok, err := lock.TryLock(); err != nil || !ok {
		t.Fatalf("lock %s: %v, %v", path, ok, err)
	}
	tellHolder(path)
	t.Cleanup(func() { _ = lock.Close() })
}

// The error of a process that waited too long for a lock names the lock file and
// the process that holds the lock.
func TestLockTimeout(t *testing.T) {
	for _, file := range []string{".imagegate-db.lock", ".imagegate-db.update.lock"} {
		t.Run(file, func(t *testing.T) {
			dir := t.TempDir()
			install(t, dir, installedBuild)
			path := filepath.Join(dir, file)
			hold(t, path)
			srv := newServer(t)
			srv.serve(t, next.layer(t), nil)
			s := newStore(t, dir, func(o *Options) { o.LockTimeout = 60 * time.Millisecond }, srv.ref())
			start := time.Now()
			_, err := s.Update(t.Context(), Vulnerability)
			wantFault(t, err, path+" is held by process "+fmt.Sprint(os.Getpid()))
			if !errors.Is(err, ErrLocked) || time.Since(start) > time.Minute {
				t.Errorf("got %v after %s", err, time.Since(start))
			}
		})
	}
}

// A download that another process does not finish does not stop a run that has
// a database young enough.
func TestEnsureWhileLocked(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, installedBuild) // built 8 hours ago
	hold(t, filepath.Join(dir, ".imagegate-db.update.lock"))
	var n notes
	s := newStore(t, dir, func(o *Options) {
		o.LockTimeout, o.Warn = 60*time.Millisecond, n.warn
		o.Now = func() time.Time { return today.Add(30 * time.Hour) }
	})
	if _, err := s.Ensure(t.Context(), Vulnerability, false, 100*time.Hour); err != nil || !strings.Contains(n.String(), "locked") {
		t.Errorf("got %v, notes %q", err, n.String())
	}
	_, err := s.Ensure(t.Context(), Vulnerability, false, 20*time.Hour)
	wantFault(t, err, "the limit is 20 hours")
}

// Of many runs that start at once without a database one downloads it, and all
// the others use it.
func TestEnsureTogether(t *testing.T) {
	srv := newServer(t)
	srv.serve(t, next.layer(t), nil)
	dir := filepath.Join(t.TempDir(), "cache")
	var wg sync.WaitGroup
	for range 8 {
		s := newStore(t, dir, nil, srv.ref())
		wg.Go(func() {
			if _, err := s.Ensure(t.Context(), Vulnerability, false, 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if srv.count() != 2 {
		t.Errorf("%d requests, want one manifest and one blob", srv.count())
	}
}

// A lock file that another user has replaced by a link is not followed.
func TestLockPlanted(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, installedBuild)
	victim := filepath.Join(t.TempDir(), "victim")
	writeFile(t, victim, []byte("precious"))
	lock := filepath.Join(dir, ".imagegate-db.lock")
	if err := errors.Join(os.Remove(lock), os.Symlink(victim, lock)); err != nil {
		t.Skip(err)
	}
	if _, err := newStore(t, dir, nil).Status(Vulnerability); err == nil {
		t.Error("a linked lock file is used")
	}
	if raw, err := os.ReadFile(victim); err != nil || string(raw) != "precious" {
		t.Errorf("the victim has %q, %v", raw, err)
	}
}
