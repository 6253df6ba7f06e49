//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A report that cannot be written turns a pass into no verdict, because its reader
// would miss it. A denial stays a denial.
func sweepFullDevice(t *testing.T, s *sweep) {
	for _, format := range []string{"json", "sarif", "text"} {
		for bad, want := range map[bool]int{true: exitFail, false: exitNoVerdict} {
			for _, a := range []attempt{
				{name: format + " into /dev/full", output: format + "=/dev/full"},
				{name: format + " on a full standard output", output: format, stdout: "/dev/full"},
			} {
				if got := s.try(t, bad, a); got.code != want {
					t.Errorf("%s: bad=%t ended in %d, want %d:\n%s", a.name, bad, got.code, want, got.out)
				}
			}
		}
	}
	if info, err := os.Stat("/dev/full"); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Errorf("/dev/full is no device any more: %v", err)
	}
}

// A file system that fills up while the reports are written: with every number
// of free pages each of them is there as a whole or not at all.
func sweepFullReports(t *testing.T, s *sweep) {
	for pages := range 14 {
		if testing.Short() && pages%4 != 0 {
			continue
		}
		for _, bad := range []bool{true, false} {
			dir := mountTmpfs(t, "size=1m,mode=0700")
			fill(t, dir, pages)
			s.try(t, bad, attempt{name: fmt.Sprintf("%d pages for the reports", pages), reports: dir})
		}
	}
	if s.codes[exitPass] == 0 || s.codes[exitNoVerdict] == 0 {
		t.Errorf("the sweep does not reach from too little space to enough: exit codes %v", s.codes)
	}
}

// fill leaves a number of pages free.
func fill(t *testing.T, dir string, free int) {
	t.Helper()
	page := make([]byte, os.Getpagesize())
	name := filepath.Join(dir, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for {
		n, err := f.Write(page)
		size += int64(n)
		if err != nil {
			break
		}
	}
	if err := f.Truncate(size - int64(free*len(page))); err != nil {
		t.Fatal(err)
	}
}

// mountTmpfs mounts a file system of its own on a directory of the test.
func mountTmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("this sweep mounts small file systems and needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func sweepTempSpace(t *testing.T, s *sweep) {
	var steps []attempt
	for _, size := range []int{1, 2, 4, 6, 8, 9, 10, 12, 16, 20, 21, 22, 24, 28, 32, 40, 44, 48, 64} {
		dir := mountTmpfs(t, fmt.Sprintf("size=%dm,mode=0700", size))
		steps = append(steps, attempt{name: fmt.Sprintf("%d MiB for temporary files", size), tmp: dir})
	}
	steps = append(steps,
		attempt{name: "few inodes", tmp: mountTmpfs(t, "size=64m,nr_inodes=4,mode=0700")},
		attempt{name: "fewer inodes", tmp: mountTmpfs(t, "size=64m,nr_inodes=2,mode=0700")},
	)
	both(t, s, steps)
}

func sweepReadOnlyTemp(t *testing.T, s *sweep) {
	dir := mountTmpfs(t, "size=1m")
	if err := syscall.Mount("tmpfs", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skip(err)
	}
	for _, bad := range []bool{true, false} {
		got := s.try(t, bad, attempt{name: "read-only directory", tmp: dir})
		if got.code != exitNoVerdict || !strings.Contains(got.out, "--tmp-dir") && !strings.Contains(got.out, "read-only") {
			t.Errorf("bad=%t ended in %d, and the cure is not named:\n%s", bad, got.code, got.out)
		}
	}
}
