package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// aged makes a directory with entries that were last used 0, 1, 2... days
// before noon.
func aged(t *testing.T, count int) string {
	t.Helper()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for i := range count {
		if err := s.Put(t.Context(), keyOf(i), dataOf(i, 1000)); err != nil {
			t.Fatal(err)
		}
		used := noon.Add(-time.Duration(i) * 24 * time.Hour)
		if err := os.Chtimes(fileOf(dir, keyOf(i)), used, used); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(fileOf(dir, keyOf(i)), 100); err != nil { // sizes that can be computed with
			t.Fatal(err)
		}
		if err := os.Chtimes(fileOf(dir, keyOf(i)), used, used); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestInfoOfDirectory(t *testing.T) {
	dir := aged(t, 10)
	got, err := mustOpen(t, dir, Options{}).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Info{Place: dir, Entries: 10, Bytes: 1000, Oldest: noon.Add(-9 * 24 * time.Hour), Newest: noon}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	missing := filepath.Join(dir, "missing")
	got, err = mustOpen(t, missing, Options{}).Info(t.Context())
	if diff := cmp.Diff(Info{Place: missing}, got); diff != "" || err != nil {
		t.Errorf("a cache that is not there: error %v (-want +got)\n%s", err, diff)
	}
	if _, err := os.Stat(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Info made a directory: %v", err)
	}
}

func TestPruneOfDirectory(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name string
		p    Prune
		kept int
	}{
		{"nothing is asked for", Prune{}, 10},
		{"all", Prune{All: true}, 0},
		{"by age", Prune{MaxAge: 3*day + time.Hour}, 4},
		{"by size", Prune{MaxSize: 250}, 2},
		{"by exact size", Prune{MaxSize: 300}, 3},
		{"by both, age counts", Prune{MaxAge: day + time.Hour, MaxSize: 500}, 2},
		{"by both, size counts", Prune{MaxAge: 8 * day, MaxSize: 100}, 1},
		{"by a size there is room for", Prune{MaxSize: 1000}, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := aged(t, 10)
			got, err := mustOpen(t, dir, Options{Now: at(noon)}).Prune(t.Context(), test.p)
			if err != nil {
				t.Fatal(err)
			}
			want := Pruned{Deleted: 10 - test.kept, DeletedBytes: int64(10-test.kept) * 100, Kept: test.kept, KeptBytes: int64(test.kept) * 100}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for i := range 10 {
				if _, err := os.Stat(fileOf(dir, keyOf(i))); (err == nil) != (i < test.kept) {
					t.Errorf("entry %d: %v", i, err)
				}
			}
		})
	}
}

// The directory may hold other things, such as git's objects, which have
// hexadecimal names as well.
func TestPruneDeletesOursOnly(t *testing.T) {
	dir := t.TempDir()
	key := keyOf(1)
	others := []string{
		"README.md",
		filepath.Join("ab", "cdef0123456789abcdef0123456789abcdef01"),
		filepath.Join("ab", "note"+suffix),
		filepath.Join("cd", key+suffix), // on the wrong shelf
		filepath.Join("abc", key+suffix),
		filepath.Join(key[:2], key+suffix+"x"),
	}
	for _, name := range others {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("precious"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, dir, Options{})
	if err := s.Put(t.Context(), key, nil); err != nil {
		t.Fatal(err)
	}
	got, err := s.Prune(t.Context(), Prune{All: true})
	if err != nil || got.Deleted != 1 || got.Kept != 0 {
		t.Errorf("%+v, error %v, want one deleted", got, err)
	}
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// What a killed process left is swept when it is an hour old, and not before:
// until then it may be being written.
func TestLeftoversAreSwept(t *testing.T) {
	for name, do := range map[string]func(Store) error{
		"Put":   func(s Store) error { return s.Put(context.Background(), keyOf(1), nil) },
		"Prune": func(s Store) error { _, err := s.Prune(context.Background(), Prune{}); return err },
	} {
		dir := t.TempDir()
		for file, age := range map[string]time.Duration{"old": 61 * time.Minute, "young": 59 * time.Minute} {
			file = filepath.Join(dir, tempPrefix+file)
			used := noon.Add(-age)
			if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, used, used)); err != nil {
				t.Fatal(err)
			}
		}
		if err := do(mustOpen(t, dir, Options{Now: at(noon)})); err != nil {
			t.Fatal(err)
		}
		left, err := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
		if err != nil || !slices.Equal(left, []string{filepath.Join(dir, tempPrefix+"young")}) {
			t.Errorf("%s leaves %v, error %v, want the young one", name, left, err)
		}
	}
}
