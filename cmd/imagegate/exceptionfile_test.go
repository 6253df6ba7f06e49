package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A policy is replaced as a whole: links are followed, the mode stays, and a file
// that another program has changed is left alone.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.yaml"), filepath.Join(dir, "link.yaml")
	if err := os.WriteFile(real, []byte("a"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.yaml", link); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(link, []byte("a"), []byte("b")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	got, err := os.ReadFile(real)
	if info, statErr := os.Stat(real); err != nil || statErr != nil || string(got) != "b" || info.Mode().Perm() != 0o640 {
		t.Errorf("%q %v %v", got, err, statErr)
	}
	if err := replaceFile(real, []byte("a"), []byte("c")); err == nil {
		t.Error("a file was replaced that had been changed")
	}
	if err := replaceFile(filepath.Join(dir, "none.yaml"), nil, []byte("c")); err == nil {
		t.Error("a file was made that was not there")
	}
	if err := replaceFile(dir, nil, []byte("c")); err == nil {
		t.Error("a directory was replaced")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".imagegate-*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}
