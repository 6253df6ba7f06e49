//go:build unix

package cache

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// openFlags keep a planted pipe from stopping this process.
const openFlags = syscall.O_NONBLOCK

// trusted says why what info describes may hold what another user wrote. Root
// does not count: it can change what this process believes in easier ways. What
// access control lists add to the mode shows in the group's bits on Linux, and
// not at all on macOS.
func trusted(info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("its owner is not known")
	}
	if uid := os.Geteuid(); int(stat.Uid) != uid && stat.Uid != 0 {
		return fmt.Errorf("it belongs to user %d, and this is user %d", stat.Uid, uid)
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return fmt.Errorf("others can write to it (mode %04o)", perm)
	}
	return nil
}
