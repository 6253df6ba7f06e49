package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// isClosed reports whether the program was started without a standard output, as by
// >&- in a shell. Go's runtime opens /dev/null then, and what is written is lost.
// It opens it for reading and writing, which shells do not for >/dev/null, but
// Python's DEVNULL and Node's "ignore" do. So the parent process is looked at as
// well: it has no standard output either, or it is a shell that has another one.
func isClosed(stdout *os.File) bool {
	if !isNull(stdout) {
		return false
	}
	parent := fmt.Sprintf("/proc/%d", os.Getppid())
	info, err := os.ReadFile(parent + "/fdinfo/1")
	switch {
	case os.IsNotExist(err):
		_, err := os.Stat(parent + "/fd") // not so outside of a container
		return err == nil
	case err != nil || modeIn(info) == unix.O_RDWR && isNullAt(parent+"/fd/1"):
		return false // the parent's own standard output is like ours
	}
	name, err := os.ReadFile(parent + "/comm")
	return err == nil && slices.Contains(namesOfShells, strings.TrimSpace(string(name)))
}

var namesOfShells = []string{"sh", "bash", "dash", "ash", "busybox", "zsh", "ksh", "mksh", "ksh93", "fish"}

// modeIn returns how a file was opened, from a text of fdinfo.
func modeIn(info []byte) int {
	_, rest, _ := strings.Cut(string(info), "flags:")
	line, _, _ := strings.Cut(rest, "\n")
	flags, err := strconv.ParseInt(strings.TrimSpace(line), 8, 64)
	if err != nil {
		return -1
	}
	return int(flags & unix.O_ACCMODE)
}

func isNullAt(link string) bool {
	target, err := os.Readlink(link)
	return err == nil && target == os.DevNull
}

// isNull reports whether the file is /dev/null, opened for reading and writing.
func isNull(f *os.File) bool {
	var own, null unix.Stat_t
	if unix.Fstat(int(f.Fd()), &own) != nil || unix.Stat(os.DevNull, &null) != nil || own.Rdev != null.Rdev || own.Mode&unix.S_IFMT != unix.S_IFCHR {
		return false
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDWR
}
