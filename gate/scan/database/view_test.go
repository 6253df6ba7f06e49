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

// A snapshot stays the same file when the database in the cache is replaced.
func TestSnapshotSurvivesUpdate(t *testing.T) {
	dir, run := t.TempDir(), t.TempDir()
	install(t, dir, installedBuild)
	s := newStore(t, dir, nil)
	if _, err := s.Snapshot(t.Context(), Vulnerability, run); err != nil {
		t.Fatal(err)
	}
	install(t, dir, next)
	raw, err := os.ReadFile(filepath.Join(run, "db", "trivy.db"))
	if err != nil || string(raw) != string(installedBuild.content()) {
		t.Errorf("the update reached the run: %d bytes, %v", len(raw), err)
	}
	if err := s.Verify(t.Context(), Vulnerability, run); err != nil {
		t.Errorf("Verify: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if l := leftovers(t, dir); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
	wantPair(t, newStore(t, dir, nil), next)
}

// A second snapshot into the same directory replaces the first.
func TestSnapshotAgain(t *testing.T) {
	dir, run := t.TempDir(), t.TempDir()
	install(t, dir, installedBuild)
	s := newStore(t, dir, nil)
	for _, b := range []build{installedBuild, next} {
		install(t, dir, b)
		facts, err := s.Snapshot(t.Context(), Vulnerability, run)
		if err != nil || facts.FileSHA256 != sumOf(b.content()) {
			t.Fatalf("got %+v, %v", facts, err)
		}
		if err := s.Verify(t.Context(), Vulnerability, run); err != nil {
			t.Error(err)
		}
	}
	views, err := filepath.Glob(filepath.Join(dir, "db", viewPrefix+"*"))
	if err != nil || len(views) != 1 {
		t.Errorf("views: %v, %v", views, err)
	}
}

// Verify finds out that the bytes are not those that were hashed, however they
// were changed.
func TestVerify(t *testing.T) {
	for name, spoil := range map[string]func(run, file string) error{
		"written in place, times restored": func(_, file string) error {
			info, err := os.Stat(file)
			if err != nil {
				return err
			}
			f, err := os.OpenFile(file, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("X"), 77)
			return errors.Join(err, f.Close(), os.Chtimes(file, info.ModTime(), info.ModTime()))
		},
		"truncated": func(_, file string) error { return os.Truncate(file, 100) },
		"the link leads elsewhere": func(run, file string) error {
			other := filepath.Join(run, "other")
			return errors.Join(os.WriteFile(other, next.content(), 0o644), os.Remove(file), os.Symlink(other, file))
		},
		"gone": func(_, file string) error { return os.Remove(file) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, run := t.TempDir(), t.TempDir()
			install(t, dir, installedBuild)
			s := newStore(t, dir, nil)
			if _, err := s.Snapshot(t.Context(), Vulnerability, run); err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(t.Context(), Vulnerability, run); err != nil {
				t.Fatal(err)
			}
			if err := spoil(run, filepath.Join(run, "db", "trivy.db")); err != nil {
				t.Fatal(err)
			}
			err := s.Verify(t.Context(), Vulnerability, run)
			wantFault(t, err, "changed")
			if !errors.Is(err, ErrChanged) {
				t.Errorf("got %v, want ErrChanged", err)
			}
		})
	}
	if err := newStore(t, t.TempDir(), nil).Verify(t.Context(), Vulnerability, t.TempDir()); err == nil {
		t.Error("Verify without a snapshot is content")
	}
}

// Where the file cannot get a second name it is used in place, and a swap is
// found out.
func TestSnapshotInPlace(t *testing.T) {
	dir, run := t.TempDir(), t.TempDir()
	install(t, dir, installedBuild)
	s := newStore(t, dir, nil)
	s.linkable = func(string) bool { return false }
	if _, err := s.Snapshot(t.Context(), Vulnerability, run); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), Vulnerability, run); err != nil {
		t.Fatal(err)
	}
	install(t, dir, next)
	if err := s.Verify(t.Context(), Vulnerability, run); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v, want ErrChanged", err)
	}
}

// What a killed run left in the cache goes with the next snapshot; what a living
// one has there stays.
func TestSnapshotRemovesDeadViews(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, next)
	alive := newStore(t, dir, nil)
	run := t.TempDir()
	if _, err := alive.Snapshot(t.Context(), Vulnerability, run); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(dir, "db", viewPrefix+"dead")
	writeFile(t, filepath.Join(dead, "lock"), nil)
	if err := os.Link(filepath.Join(dir, "db", "trivy.db"), filepath.Join(dead, "trivy.db")); err != nil {
		t.Skip(err)
	}
	s := newStore(t, dir, nil)
	if _, err := s.Snapshot(t.Context(), Vulnerability, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead view is still there: %v", err)
	}
	if _, err := os.ReadFile(filepath.Join(run, "db", "trivy.db")); err != nil {
		t.Errorf("the living view is gone: %v", err)
	}
}

// Many runs on one cache that is being updated all the time: none fails, and
// none sees the file of one build with the date of another.
func TestConcurrentReaders(t *testing.T) {
	const updates, readers = 25, 6
	dir := t.TempDir()
	builds := []build{{0}}
	install(t, dir, builds[0])
	for n := 1; n <= updates; n++ {
		builds = append(builds, build{n})
	}
	srv := newServer(t)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() {
			last := 0
			for round := 0; ; round++ {
				select {
				case <-done:
					if round > 0 {
						return
					}
				default:
				}
				n, err := readOnce(t, dir, filepath.Join(t.TempDir(), fmt.Sprint(i, round)), builds)
				if err != nil {
					t.Error(err)
					return
				}
				if n < last {
					t.Errorf("went back from build %d to %d", last, n)
				}
				last = n
			}
		})
	}
	for _, b := range builds[1:] {
		srv.serve(t, b.layer(t), nil)
		if _, err := newStore(t, dir, nil, srv.ref()).Update(t.Context(), Vulnerability); err != nil {
			t.Errorf("update to build %d: %v", b.n, err)
		}
	}
	close(done)
	wg.Wait()
	if l := leftovers(t, dir); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

// readOnce is a run: it returns the number of the build that it saw.
func readOnce(t *testing.T, dir, run string, builds []build) (n int, err error) {
	s, err := New(Options{CacheDir: dir, Source: noSource{t}, Now: func() time.Time { return today }, Warn: func(note string) {
		if !strings.HasPrefix(note, "waited for") { // the machine may be slow
			t.Errorf("note: %s", note)
		}
	}})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := s.Ensure(t.Context(), Vulnerability, true, 0); err != nil {
		return 0, err
	}
	facts, err := s.Snapshot(t.Context(), Vulnerability, run)
	if err != nil {
		return 0, err
	}
	if _, err := os.ReadFile(filepath.Join(run, "db", "trivy.db")); err != nil {
		return 0, err
	}
	time.Sleep(5 * time.Millisecond) // as a scan takes its time, and an update comes in between
	raw, err := os.ReadFile(filepath.Join(run, "db", "trivy.db"))
	if err != nil {
		return 0, err
	}
	doc, err := os.ReadFile(filepath.Join(run, "db", "metadata.json"))
	if err != nil {
		return 0, err
	}
	for _, b := range builds {
		if string(raw) == string(b.content()) {
			want := b.at().Format(time.RFC3339)
			if facts.FileSHA256 != sumOf(raw) || !facts.UpdatedAt.Equal(b.at()) || !strings.Contains(string(doc), want) {
				return 0, fmt.Errorf("torn: the file is build %d, facts %+v, metadata %s", b.n, facts, doc)
			}
			return b.n, s.Verify(t.Context(), Vulnerability, run)
		}
	}
	return 0, fmt.Errorf("a file of %d bytes that is no build", len(raw))
}
