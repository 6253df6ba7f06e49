//go:build unix

package report_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/imagegate/imagegate/gate/report"
)

func content(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

// writeFile writes one file as the program does.
func writeFile(path string, write func(io.Writer) error) error {
	var files report.Files
	defer files.Discard()
	if err := files.Add(path, write); err != nil {
		return err
	}
	return errors.Join(files.Commit()...)
}

// onlyFiles fails when dir holds anything but the named files: a temporary file
// left behind, or a partial one.
func onlyFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

func TestFilesReplacesAsAWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.json")
	if err := writeFile(path, content("first")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, content("second")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := writeFile(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		return broken
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), path) {
		t.Errorf("error is %v, want %v with the path", err, broken)
	}
	func() {
		defer func() { _ = recover() }()
		_ = writeFile(path, func(io.Writer) error { panic("writer") })
	}()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "second" {
		t.Errorf("the file holds %q (%v), want %q", got, err, "second")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("permissions were not kept: %v %v", info.Mode(), err)
	}
	onlyFiles(t, dir, "report.json")
}

func TestFilesRefuses(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("keep"), 0o644); err != nil {
		t.Fatal(err)
	}
	link, dangling, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "dangling"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.Symlink(victim, link), os.Symlink(filepath.Join(dir, "nowhere"), dangling)); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		link:                                 "symbolic link",
		dangling:                             "symbolic link",
		dir:                                  "is a directory",
		fifo:                                 "not a regular file",
		filepath.Join(dir, "no", "dir", "x"): "directory " + filepath.Join(dir, "no", "dir") + " does not exist",
		filepath.Join(victim, "x"):           "not a directory",
	} {
		called := false
		err := writeFile(path, func(io.Writer) error { called = true; return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("WriteFile(%s) = %v, want an error with %q", path, err, want)
		}
		if called {
			t.Errorf("WriteFile(%s) asked for content that it could not put anywhere", path)
		}
	}
	if got, err := os.ReadFile(victim); err != nil || string(got) != "keep" {
		t.Errorf("the link's target holds %q (%v)", got, err)
	}
	onlyFiles(t, dir, "dangling", "fifo", "link", "victim")
}

func TestFilesToDevices(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full")
	}
	if err := writeFile("/dev/null", content("x")); err != nil {
		t.Errorf("/dev/null: %v", err)
	}
	if info, err := os.Lstat("/dev/null"); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Fatalf("/dev/null was replaced: %v %v", info, err)
	}
	err := writeFile("/dev/full", content("x"))
	if err == nil || !strings.Contains(err.Error(), "/dev/full: no space left") {
		t.Errorf("/dev/full: %v, want an error", err)
	}
}

// TestFilesOnAFullDisk uses the file size limit: it makes every write beyond
// it fail, as a full disk does. The limit is of the whole process, so the test
// runs itself again.
func TestFilesOnAFullDisk(t *testing.T) {
	if dir := os.Getenv("IMAGEGATE_TEST_FULL"); dir != "" {
		for _, size := range []int{40 << 10, 1 << 20} { // fails at the end, and in the middle
			if err := writeFile(filepath.Join(dir, "report.json"), content(strings.Repeat("x", size))); err == nil {
				t.Errorf("no error for %d bytes", size)
			}
		}
		return
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "report.json"), []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	runLimited(t, dir)
	if got, err := os.ReadFile(filepath.Join(dir, "report.json")); err != nil || string(got) != "old" {
		t.Errorf("the file holds %d bytes (%v), want the old ones", len(got), err)
	}
	onlyFiles(t, dir, "report.json")
}

// What was added is not visible before Commit, and gone after Discard.
func TestFilesAppearTogether(t *testing.T) {
	dir := t.TempDir()
	add := func(files *report.Files) {
		t.Helper()
		for _, name := range []string{"a", "b"} {
			if err := files.Add(filepath.Join(dir, name), content(name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var files report.Files
	add(&files)
	if _, err := os.Lstat(filepath.Join(dir, "a")); err == nil {
		t.Error("a file is visible before Commit")
	}
	files.Discard()
	onlyFiles(t, dir)
	add(&files)
	if err := files.Commit(); err != nil {
		t.Fatal(err)
	}
	files.Discard()
	onlyFiles(t, dir, "a", "b")
}

// CheckPlace refuses what Add would refuse, before there is anything to write,
// and deletes what killed runs left, but nothing that a running one writes.
func TestCheckPlace(t *testing.T) {
	dir := t.TempDir()
	left, foreign := filepath.Join(dir, ".imagegate-LEFT.tmp"), filepath.Join(dir, ".imagegate-notes")
	for _, name := range []string{left, foreign} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var running report.Files
	defer running.Discard()
	if err := running.Add(filepath.Join(dir, "other"), content("x")); err != nil {
		t.Fatal(err)
	}
	if err := report.CheckPlace(filepath.Join(dir, "report.json")); err != nil {
		t.Errorf("CheckPlace: %v", err)
	}
	if _, err := os.Lstat(left); err == nil {
		t.Error("the file of a killed run was not deleted")
	}
	if err := running.Commit(); err != nil {
		t.Errorf("the file of a running process was deleted: %v", err)
	}
	onlyFiles(t, dir, ".imagegate-notes", "other")
	for _, path := range []string{dir, filepath.Join(dir, "no", "x"), filepath.Join(foreign, "x")} {
		if err := report.CheckPlace(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("CheckPlace(%s) = %v, want an error that names it", path, err)
		}
	}
	if err := report.CheckPlace(os.DevNull); err != nil {
		t.Errorf("CheckPlace(%s): %v", os.DevNull, err)
	}
}
