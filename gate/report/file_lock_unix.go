//go:build unix

package report

import (
	"os"

	"golang.org/x/sys/unix"
)

const closesBeforeRename = false

// tryLock locks a new file. A file system without locks is no reason to write no
// report: its temporary files are not swept either.
func tryLock(f *os.File) bool {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != unix.EWOULDBLOCK
}

// sweepFile deletes a temporary file of this user that no process has locked.
func sweepFile(name string) {
	f, err := os.OpenFile(name, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer f.Close()
	var stat unix.Stat_t
	if unix.Fstat(int(f.Fd()), &stat) != nil || int(stat.Uid) != os.Geteuid() || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		_ = os.Remove(name)
	}
}
