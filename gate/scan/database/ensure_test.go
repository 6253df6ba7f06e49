package database

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a run gets, by what is installed and what the repository says.
func TestEnsure(t *testing.T) {
	const day = 24 * time.Hour
	newest := build{900} // what the repository has
	cases := []struct {
		name    string
		have    time.Duration // age of the installed database, 0 for none
		next    time.Duration // its next update, from today
		offline bool
		down    bool // no repository answers
		maxAge  time.Duration
		want    string // error
		note    string
		updated bool
		asks    bool
	}{
		{name: "missing", updated: true, asks: true},
		{name: "missing, offline", offline: true, want: "with --offline none is downloaded"},
		{name: "missing, repositories down", down: true, asks: true, want: "could not be downloaded"},
		{name: "fresh", have: 3 * time.Hour, next: 21 * time.Hour, maxAge: 5 * day},
		{name: "fresh, offline", have: 3 * time.Hour, next: 21 * time.Hour, maxAge: 5 * day, offline: true},
		{name: "due", have: 2 * day, next: -day, maxAge: 5 * day, updated: true, asks: true},
		{name: "due, offline", have: 2 * day, next: -day, maxAge: 5 * day, offline: true},
		{name: "due, repositories down", have: 2 * day, next: -day, maxAge: 5 * day, down: true, asks: true, note: "could not be refreshed"},
		{name: "due, repositories down, no limit", have: 90 * day, next: -day, down: true, asks: true, note: "could not be refreshed"},
		{name: "too old", have: 6 * day, next: -day, maxAge: 5 * day, updated: true, asks: true},
		{name: "too old, repositories down", have: 6 * day, next: -day, maxAge: 5 * day, down: true, asks: true, want: "6 days ago, the limit is 5 days"},
		{name: "too old, offline", have: 6 * day, next: -day, maxAge: 5 * day, offline: true, want: "the limit is 5 days"},
		{name: "too old, but says it is fresh for 50 years", have: 6 * day, next: 50 * 365 * day, maxAge: 5 * day, updated: true, asks: true},
		{name: "too old, says it is fresh, repositories down", have: 6 * day, next: 50 * 365 * day, maxAge: 5 * day, down: true, asks: true, want: "the limit is 5 days"},
		{name: "the newest there is is too old", have: 2 * day, next: -day, maxAge: time.Minute, updated: true, asks: true, want: "is too old"},
		{name: "from the future", have: -day, next: 2 * day, updated: true, asks: true, note: "in the future"},
		{name: "from the future, offline", have: -day, next: 2 * day, offline: true, want: "in the future"},
		{name: "from the future, repositories down", have: -day, next: 2 * day, down: true, asks: true, want: "in the future"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.have != 0 {
				m := metadata{Version: 2, UpdatedAt: today.Add(-c.have), NextUpdate: today.Add(c.next)}
				raw, _ := m.encode()
				writeFile(t, filepath.Join(dir, "db", "trivy.db"), installedBuild.content())
				writeFile(t, filepath.Join(dir, "db", "metadata.json"), raw)
			}
			srv := newServer(t)
			srv.serve(t, newest.layer(t), nil)
			if c.down {
				srv.before = onManifest(status(503))
			}
			var n notes
			s := newStore(t, dir, func(o *Options) { o.Warn = n.warn }, srv.ref())
			facts, err := s.Ensure(t.Context(), Vulnerability, c.offline, c.maxAge)
			if c.want != "" {
				wantFault(t, err, c.want)
			} else if err != nil {
				t.Fatal(err)
			} else if got := facts.UpdatedAt.Equal(newest.at()); got != c.updated {
				t.Errorf("updated: got %v, want %v", got, c.updated)
			}
			if !strings.Contains(n.String(), c.note) || c.note == "" && n.String() != "" {
				t.Errorf("notes: got %q, want %q", n.String(), c.note)
			}
			if got := srv.count() > 0; got != c.asks {
				t.Errorf("the repository was asked: got %v, want %v", got, c.asks)
			}
		})
	}
}

// A cache that holds nothing useful is refused offline, by name, and replaced
// when there is a network.
func TestEnsureDamaged(t *testing.T) {
	good := func(t *testing.T, dir string) { install(t, dir, installedBuild) }
	file := func(name string) func(dir string) string {
		return func(dir string) string { return filepath.Join(dir, "db", name) }
	}
	db, metaJSON, rec := file("trivy.db"), file("metadata.json"), file("imagegate.json")
	cases := []struct {
		name    string
		spoil   func(t *testing.T, dir string)
		want    string
		stuck   string // an update cannot help: its message
		isError error
	}{
		{name: "nothing there", spoil: func(t *testing.T, dir string) { _ = os.RemoveAll(filepath.Join(dir, "db")) }, want: "no vulnerability database", isError: ErrMissing},
		{name: "an empty directory", spoil: func(t *testing.T, dir string) {
			_ = os.RemoveAll(filepath.Join(dir, "db"))
			_ = os.Mkdir(filepath.Join(dir, "db"), 0o755)
		}, want: "no vulnerability database", isError: ErrMissing},
		{name: "the database is gone", spoil: func(t *testing.T, dir string) { _ = os.Remove(db(dir)) }, want: "no vulnerability database", isError: ErrMissing},
		{name: "a foreign database without metadata", spoil: func(t *testing.T, dir string) {
			_ = os.Remove(metaJSON(dir))
			_ = os.Remove(rec(dir))
		}, want: "metadata.json is missing", isError: ErrMissing},
		{name: "zero length", spoil: func(t *testing.T, dir string) { writeFile(t, db(dir), nil) }, want: "is empty"},
		{name: "cut off", spoil: func(t *testing.T, dir string) { _ = os.Truncate(db(dir), 4096) }, want: "changed since it was downloaded", isError: ErrChanged},
		{name: "one byte changed, times restored", spoil: func(t *testing.T, dir string) {
			info, err := os.Stat(db(dir))
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(db(dir), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteAt([]byte("X"), 1000)
			if err := errors.Join(err, f.Close(), os.Chtimes(db(dir), info.ModTime(), info.ModTime())); err != nil {
				t.Fatal(err)
			}
		}, want: sumOf(installedBuild.content()), isError: ErrChanged},
		{name: "another database under the same metadata", spoil: func(t *testing.T, dir string) { writeFile(t, db(dir), next.content()) }, want: sumOf(next.content()), isError: ErrChanged},
		{name: "a directory", spoil: func(t *testing.T, dir string) {
			_ = os.Remove(db(dir))
			_ = os.Mkdir(db(dir), 0o755)
		}, want: "is a directory", stuck: "remove it"},
		{name: "a symbolic link", spoil: func(t *testing.T, dir string) {
			other := filepath.Join(dir, "elsewhere")
			_ = os.Rename(db(dir), other)
			if err := os.Symlink(other, db(dir)); err != nil {
				t.Skip(err)
			}
		}, want: "is a symbolic link"},
		{name: "metadata is garbage", spoil: func(t *testing.T, dir string) { writeFile(t, metaJSON(dir), []byte("{\"Version\":2")) }, want: "metadata.json"},
		{name: "metadata is empty", spoil: func(t *testing.T, dir string) { writeFile(t, metaJSON(dir), nil) }, want: "metadata.json"},
		{name: "metadata made fresher", spoil: func(t *testing.T, dir string) { writeFile(t, metaJSON(dir), meta(2, today)) }, want: "metadata.json is not the one", isError: ErrChanged},
		{name: "metadata is a directory", spoil: func(t *testing.T, dir string) {
			_ = os.Remove(metaJSON(dir))
			_ = os.Mkdir(metaJSON(dir), 0o755)
		}, want: "is a directory", stuck: "remove it"},
		{name: "metadata is huge", spoil: func(t *testing.T, dir string) { writeFile(t, metaJSON(dir), make([]byte, maxDocument+1)) }, want: "too large to be genuine"},
		{name: "the record is garbage", spoil: func(t *testing.T, dir string) { writeFile(t, rec(dir), []byte("null and void")) }, want: "imagegate.json is damaged"},
		{name: "the record is of another version", spoil: func(t *testing.T, dir string) { writeFile(t, rec(dir), []byte(`{"version":7}`)) }, want: "imagegate.json is damaged"},
		{name: "a foreign database of a later schema", spoil: func(t *testing.T, dir string) {
			_ = os.Remove(rec(dir))
			writeFile(t, metaJSON(dir), meta(3, today))
		}, want: "schema version 3", isError: ErrNewer},
		{name: "a foreign older database over ours", spoil: func(t *testing.T, dir string) {
			writeFile(t, db(dir), build{100}.content())
			writeFile(t, metaJSON(dir), meta(2, build{100}.at()))
		}, want: "is older than one used before", isError: ErrRollback},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			good(t, dir)
			c.spoil(t, dir)
			offline := newStore(t, dir, func(o *Options) { o.Source = noSource{t} })
			_, err := offline.Ensure(t.Context(), Vulnerability, true, 0)
			wantFault(t, err, c.want)
			if c.isError != nil && !errors.Is(err, c.isError) {
				t.Errorf("got %v, want it to be %v", err, c.isError)
			}
			if _, err := offline.Snapshot(t.Context(), Vulnerability, t.TempDir()); err == nil {
				t.Error("Snapshot accepts what Ensure refuses")
			}
			if _, err := offline.Status(Vulnerability); err == nil {
				t.Error("Status accepts what Ensure refuses")
			}
			srv := newServer(t)
			srv.serve(t, next.layer(t), nil)
			facts, err := newStore(t, dir, nil, srv.ref()).Ensure(t.Context(), Vulnerability, false, 0)
			if c.stuck != "" {
				wantFault(t, err, c.stuck)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if facts.FileSHA256 != sumOf(next.content()) || len(leftovers(t, dir)) > 0 {
				t.Errorf("got %+v and %v", facts, leftovers(t, dir))
			}
		})
	}
}

// A Trivy cache directory works as it is, and one that Trivy or a person
// replaces later works again.
func TestEnsureForeign(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trivy")
	put := func(b build) {
		writeFile(t, filepath.Join(dir, "db", "trivy.db"), b.content())
		writeFile(t, filepath.Join(dir, "db", "metadata.json"), meta(2, b.at()))
	}
	for _, n := range []int{10, 20, 30} {
		put(build{n})
		s := newStore(t, dir, func(o *Options) { o.Source = noSource{t} })
		for range 2 {
			facts, err := s.Ensure(t.Context(), Vulnerability, true, 0)
			if err != nil {
				t.Fatal(err)
			}
			if facts.Digest != "" || facts.Source != filepath.Join(dir, "db") || facts.FileSHA256 != sumOf(build{n}.content()) || !facts.UpdatedAt.Equal(build{n}.at()) {
				t.Errorf("build %d: got %+v", n, facts)
			}
		}
	}
	put(build{20})
	s := newStore(t, dir, nil)
	_, err := s.Ensure(t.Context(), Vulnerability, true, 0)
	wantFault(t, err, dateText(build{30}.at()))
	if _, err := newStore(t, dir, func(o *Options) { o.AllowRollback = true }).Ensure(t.Context(), Vulnerability, true, 0); err != nil {
		t.Errorf("with AllowRollback: %v", err)
	}
}

// A cache reached through symbolic links to directories works; Trivy's users
// have those.
func TestEnsureLinkedDirectories(t *testing.T) {
	root := t.TempDir()
	install(t, filepath.Join(root, "real"), installedBuild)
	if err := os.Symlink(filepath.Join(root, "real"), filepath.Join(root, "cache")); err != nil {
		t.Skip(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "other"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "real", "db"), filepath.Join(root, "other", "db")); err != nil {
		t.Skip(err)
	}
	for _, dir := range []string{"cache", "other"} {
		s := newStore(t, filepath.Join(root, dir), nil)
		run := t.TempDir()
		if _, err := s.Snapshot(t.Context(), Vulnerability, run); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(run, "db", "trivy.db"))
		if err != nil || string(raw) != string(installedBuild.content()) {
			t.Errorf("%s: got %d bytes, %v", dir, len(raw), err)
		}
	}
}

// One answer of "nothing newer" holds for an hour, so that a late build does not
// make every job ask.
func TestEnsureAsksOnceAnHour(t *testing.T) {
	srv := newServer(t)
	srv.serve(t, pack(t, dbItem, item{name: "metadata.json", data: meta(2, today.Add(-30*time.Hour))}), nil)
	dir := t.TempDir()
	now := today
	s := newStore(t, dir, func(o *Options) { o.Now = func() time.Time { return now } }, srv.ref())
	ensure := func(after time.Duration, want int) {
		t.Helper()
		now = now.Add(after)
		before := srv.count()
		if _, err := s.Ensure(t.Context(), Vulnerability, false, 0); err != nil {
			t.Fatal(err)
		}
		if got := srv.count() - before; got != want {
			t.Errorf("%d requests, want %d", got, want)
		}
	}
	ensure(0, 2)
	ensure(59*time.Minute, 0) // it was downloaded just now
	ensure(2*time.Minute, 1)  // only the manifest
	ensure(59*time.Minute, 0)
	ensure(2*time.Minute, 1)
}
