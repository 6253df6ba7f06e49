//go:build unix

package database

import (
	"errors"
	"io/fs"
	"math"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockFlags are for lock files that another user put into a shared cache. A link is
// not followed, and opening a pipe does not block.
const lockFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK

func stampOf(info fs.FileInfo) stamp {
	s := stamp{Size: info.Size(), Mtime: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Inode, s.Ctime = uint64(st.Ino), changeTime(st)
	}
	return s
}

// FreeSpace returns how many bytes an ordinary user may still write to dir's
// file system; known is false when the file system does not say.
func FreeSpace(dir string) (free int64, known bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Bsize <= 0 {
		return 0, false
	}
	blocks, size := uint64(st.Bavail), uint64(st.Bsize)
	if blocks > math.MaxInt64/size {
		return math.MaxInt64, true
	}
	return int64(blocks * size), true
}

// noLocks reports whether the file system has no locks at all, as some network
// and user-space file systems.
func noLocks(err error) bool {
	return errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.ENOTSUP) ||
		errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS)
}
