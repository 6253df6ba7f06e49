//go:build unix

package cache

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// openFlags make the opening of a pipe return at once. Another user could have put
// a pipe in the place of a file.
const openFlags = syscall.O_NONBLOCK

// trusted returns an error if another user can write to the file or directory that
// info describes. Root is not counted, because root can alter this process anyway.
// On Linux, the group's bits of the mode include the rights of access control
// lists. On macOS they do not.
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
