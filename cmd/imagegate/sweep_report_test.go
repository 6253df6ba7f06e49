//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A report that cannot be written turns a pass into no verdict, and a denial
// stays one: whoever reads the reports must not miss that.
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
