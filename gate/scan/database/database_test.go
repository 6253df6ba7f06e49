package database

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNew(t *testing.T) {
	_, err := New(Options{})
	wantFault(t, err, "no directory")
	dir := filepath.Join(t.TempDir(), "new")
	s := newStore(t, dir, nil)
	if _, err := os.Stat(dir); err == nil {
		t.Error("New writes before the first call of a method")
	}
	if got := s.Dir(Java); got != filepath.Join(dir, "java-db") {
		t.Errorf("Dir: got %q", got)
	}
}

func TestDefaults(t *testing.T) {
	env := func(key string) string {
		if key == "IMAGEGATE_CACHE_DIR" {
			return "/from/environment"
		}
		return ""
	}
	if got := DefaultCacheDir(env); got != "/from/environment" {
		t.Errorf("got %q", got)
	}
	t.Setenv("HOME", t.TempDir())
	if got := DefaultCacheDir(func(string) string { return "" }); filepath.Base(got) != "imagegate" {
		t.Errorf("got %q", got)
	}
	for kind, tag := range map[Kind]string{Vulnerability: "-db:2", Java: "-java-db:1"} {
		refs := DefaultRepositories(kind)
		if len(refs) != 2 {
			t.Errorf("%s: got %v", kind, refs)
		}
		for _, ref := range refs {
			if !strings.HasSuffix(ref, tag) {
				t.Errorf("%s: got %s, want %s", kind, ref, tag)
			}
		}
	}
	if DefaultRepositories(0) != nil {
		t.Error("the zero kind has repositories")
	}
}

// An empty record, as a power failure leaves it, costs a hash and no more.
func TestEmptyRecord(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, next)
	writeFile(t, filepath.Join(dir, "db", "imagegate.json"), nil)
	s := newStore(t, dir, nil)
	wantPair(t, s, next)
	if r := readRecordFile(t, dir); len(r.Databases) != 1 || r.Databases[0].SHA256 != sumOf(next.content()) {
		t.Errorf("record: %+v", r)
	}
}
