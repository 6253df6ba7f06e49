//go:build unix

package database

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A pipe is refused before it is opened, which would wait for a writer for ever.
func TestImportOfAPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "db.tar.gz")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := newStore(t, t.TempDir(), nil).Import(t.Context(), name); err == nil || !strings.Contains(err.Error(), "a named pipe") {
		t.Errorf("got %v", err)
	}
}
