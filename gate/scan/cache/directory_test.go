package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// fileOf is where an entry is kept without a secret.
func fileOf(dir, key string) string { return fileWith(nil, dir, key) }

// fileWith is where an entry is kept with a secret.
func fileWith(secret []byte, dir, key string) string {
	name := newSealer(secret).name(key)
	return filepath.Join(dir, name[:2], name+suffix)
}

func TestPlaces(t *testing.T) {
	short := []byte("fifteen bytes..")
	for _, test := range []struct {
		place string
		o     Options
		want  string
	}{
		{"", Options{}, "has no place"},
		{"none", Options{}, ""},
		{"some/directory", Options{}, ""},
		{"some/directory", Options{Key: testSecret}, ""},
		{"some/directory", Options{Key: short}, "has 15 bytes: at least 16"},
		{"some/directory", Options{Key: []byte{}}, "has 0 bytes"},
		{"redis://localhost", Options{}, ""},
		{"redis://localhost", Options{Maintenance: true}, ""},
		{"redis://localhost", Options{Key: testSecret}, ""},
		{"redis://localhost:6379/2", Options{Key: testSecret}, ""},
		{"rediss://[::1]:1234", Options{Key: testSecret}, ""},
		{"rediss://localhost", Options{Key: testSecret, CACerts: []string{"/nowhere"}}, "read certificates"},
		{"rediss://localhost", Options{Key: testSecret, CACerts: []string{"directory_test.go"}}, "holds no certificate"},
		{"redis://", Options{Key: testSecret}, "not like redis://"},
		{"redis://localhost:0", Options{Key: testSecret}, "not like redis://"},
		{"redis://localhost:99999", Options{Key: testSecret}, "not like redis://"},
		{"redis://localhost/first", Options{Key: testSecret}, "not like redis://"},
		{"redis://localhost/1/2", Options{Key: testSecret}, "not like redis://"},
		{"redis://localhost/-1", Options{Key: testSecret}, "not like redis://"},
		{"redis://:hunter2/3@localhost", Options{Key: testSecret}, "special characters as %XX"},
		{"redis://:hunter2#@localhost", Options{Key: testSecret}, "special characters as %XX"},
		{"redis://hunter2@localhost", Options{Key: testSecret}, "a user without a password"},
		{"rediss://localhost?skip_verify=true", Options{Key: testSecret}, "not like redis://"},
		{"redis://localhost?hunter2", Options{Key: testSecret}, "not like redis://"},
		{"reddis://:hunter2@localhost", Options{Key: testSecret}, `"reddis"://`},
		{"s3://hunter2", Options{}, "is not known"},
	} {
		s, err := Open(context.Background(), test.place, test.o)
		if err == nil {
			s.Close()
		}
		if text := fmt.Sprint(err); test.want == "" && err != nil || !strings.Contains(text, test.want) || strings.Contains(text, "hunter2") {
			t.Errorf("Open(%q): error %q, want %q and no password", test.place, text, test.want)
		}
	}
	if _, err := os.Stat("some"); err == nil {
		t.Error("Open makes a directory before there is something to keep")
	}
}

func TestNothingIsKeptNowhere(t *testing.T) {
	s := mustOpen(t, None, Options{})
	if err := s.Put(t.Context(), keyOf(1), []byte("data")); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(t.Context(), keyOf(1), saves); !errors.Is(err, ErrMissing) {
		t.Errorf("error %v, want ErrMissing", err)
	}
}

func TestDirectoryKeeps(t *testing.T) {
	var n notes
	for _, o := range []Options{{Warn: n.add}, {Warn: n.add, Key: testSecret}} {
		dir := filepath.Join(t.TempDir(), "not", "there", "yet")
		s := mustOpen(t, dir, o)
		if _, err := s.Get(t.Context(), keyOf(7), saves); !errors.Is(err, ErrMissing) {
			t.Errorf("an empty cache: error %v, want ErrMissing", err)
		}
		for i := range 300 {
			if err := s.Put(t.Context(), keyOf(i), dataOf(i, 1000+i)); err != nil {
				t.Fatal(err)
			}
		}
		again := mustOpen(t, dir, o)
		for i := range 300 {
			got, err := again.Get(t.Context(), keyOf(i), saves)
			if err != nil || !bytes.Equal(got, dataOf(i, 1000+i)) {
				t.Fatalf("entry %d: %d bytes, error %v", i, len(got), err)
			}
		}
		left, err := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
		if err != nil || len(left) > 0 {
			t.Errorf("temporary files %v, error %v", left, err)
		}
	}
	n.want(t, "")
}

func TestKeysAreNoPaths(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for _, key := range []string{"", "ab", "../../../../etc/passwd", strings.Repeat("A", 64), strings.Repeat("a", 129), "aa/" + keyOf(1)[3:], keyOf(1) + "\n"} {
		if err := s.Put(t.Context(), key, nil); err == nil {
			t.Errorf("Put takes the key %q", key)
		}
		if _, err := s.Get(t.Context(), key, saves); !errors.Is(err, ErrMissing) {
			t.Errorf("Get(%q): error %v, want ErrMissing", key, err)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("there are files: %v", files)
	}
}

// What is not exactly what was put is a miss, and is told once.
func TestDamagedEntriesAreMisses(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	if err := s.Put(t.Context(), keyOf(1), dataOf(1, 200)); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(fileOf(dir, keyOf(1)))
	if err != nil {
		t.Fatal(err)
	}
	var n notes
	s = mustOpen(t, dir, Options{Warn: n.add})
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 0xff
		for _, content := range [][]byte{bad, whole[:i]} {
			if err := os.WriteFile(fileOf(dir, keyOf(1)), content, 0o600); err != nil {
				t.Fatal(err)
			}
			if data, err := s.Get(t.Context(), keyOf(1), saves); !errors.Is(err, ErrMissing) || data != nil {
				t.Fatalf("position %d: %d bytes, error %v, want ErrMissing", i, len(data), err)
			}
		}
	}
	n.want(t, "does not help with every layer")
	if err := s.Put(t.Context(), keyOf(1), []byte("anew")); err != nil {
		t.Fatal(err)
	}
	if data, err := s.Get(t.Context(), keyOf(1), saves); err != nil || string(data) != "anew" {
		t.Errorf("%q, error %v: a damaged entry cannot be replaced", data, err)
	}
}

func TestOddEntriesAreMisses(t *testing.T) {
	for name, plant := range map[string]func(t *testing.T, file string){
		"a copy of another key": func(t *testing.T, file string) {
			raw, err := os.ReadFile(fileOf(filepath.Dir(filepath.Dir(file)), keyOf(2)))
			if err == nil {
				err = os.WriteFile(file, raw, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"a directory": func(t *testing.T, file string) {
			if err := os.Mkdir(file, 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"a file beyond all bounds": func(t *testing.T, file string) {
			if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, 1<<40)); err != nil {
				t.Skip(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var n notes
			s := mustOpen(t, dir, Options{Warn: n.add})
			if err := s.Put(t.Context(), keyOf(2), []byte("two")); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Dir(fileOf(dir, keyOf(1))), 0o700); err != nil {
				t.Fatal(err)
			}
			plant(t, fileOf(dir, keyOf(1)))
			if data, err := s.Get(t.Context(), keyOf(1), saves); !errors.Is(err, ErrMissing) {
				t.Errorf("%d bytes, error %v, want ErrMissing", len(data), err)
			}
			n.want(t, "does not help with every layer")
		})
	}
}

// The last use is written down at most once an hour.
func TestLastUse(t *testing.T) {
	dir := t.TempDir()
	if err := mustOpen(t, dir, Options{}).Put(t.Context(), keyOf(1), []byte("data")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		written, now, want time.Time
	}{
		{noon, noon.Add(59 * time.Minute), noon},
		{noon, noon.Add(61 * time.Minute), noon.Add(61 * time.Minute)},
		{noon.Add(24 * time.Hour), noon, noon}, // another machine's clock was wrong
	} {
		if err := os.Chtimes(fileOf(dir, keyOf(1)), test.written, test.written); err != nil {
			t.Fatal(err)
		}
		if _, err := mustOpen(t, dir, Options{Now: at(test.now)}).Get(t.Context(), keyOf(1), saves); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(fileOf(dir, keyOf(1)))
		if err != nil {
			t.Fatal(err)
		}
		if !info.ModTime().Equal(test.want) {
			t.Errorf("written %s, read at %s: used %s, want %s", test.written, test.now, info.ModTime(), test.want)
		}
	}
}

func TestMaintenanceBelievesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := mustOpen(t, dir, Options{}).Put(t.Context(), keyOf(1), nil); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, dir, Options{Maintenance: true})
	if _, err := s.Get(t.Context(), keyOf(1), saves); !errors.Is(err, ErrMissing) {
		t.Errorf("Get: error %v, want ErrMissing", err)
	}
	if err := s.Put(t.Context(), keyOf(2), nil); err == nil {
		t.Error("Put keeps an entry")
	}
	if info, err := s.Info(t.Context()); err != nil || info.Entries != 1 {
		t.Errorf("%+v, error %v, want one entry", info, err)
	}
}

func TestCancelledContexts(t *testing.T) {
	dir := aged(t, 3)
	s := mustOpen(t, dir, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := s.Get(ctx, keyOf(1), saves)
	_, infoErr := s.Info(ctx)
	_, pruneErr := s.Prune(ctx, Prune{All: true})
	for name, err := range map[string]error{"Get": getErr, "Put": s.Put(ctx, keyOf(9), nil), "Info": infoErr, "Prune": pruneErr} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want context.Canceled", name, err)
		}
	}
	if info, err := s.Info(t.Context()); err != nil || info.Entries != 3 {
		t.Errorf("%+v, error %v, want three entries", info, err)
	}
}
