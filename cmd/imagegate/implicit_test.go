package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestImplicitNotesNameFilesAndVariables(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".trivyignore"), []byte("CVE-2020-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "trivy.yaml")); err != nil {
		t.Fatal(err)
	}
	notes := implicitNotes(dir, []string{"TRIVY_SEVERITY=LOW", "GRYPE_X=secret-value", "PATH=/bin", "MYTRIVY_=1", "TRIVY_SEVERITY=again"})
	all := strings.Join(notes, "\n")
	for _, want := range []string{".trivyignore", "trivy.yaml", "TRIVY_SEVERITY", "GRYPE_X"} {
		if strings.Count(all, want+" ") != 1 {
			t.Errorf("notes name %s %d times, want once:\n%s", want, strings.Count(all, want+" "), all)
		}
	}
	if len(notes) != 4 || strings.Contains(all, "secret-value") {
		t.Errorf("got %d notes, want 4 without values:\n%s", len(notes), all)
	}
}

// A pull request can plant a pipe under any of these names.
func TestImplicitNotesDoNotOpenPipes(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "trivy.yaml"), 0o600); err != nil {
		t.Skip(err)
	}
	got := make(chan []string, 1)
	go func() { got <- implicitNotes(dir, nil) }()
	select {
	case notes := <-got:
		if len(notes) != 1 {
			t.Errorf("notes = %q, want one about trivy.yaml", notes)
		}
	case <-time.After(time.Minute):
		t.Fatal("looking for files hangs on a pipe")
	}
}
