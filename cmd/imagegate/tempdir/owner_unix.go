//go:build unix

package tempdir

import (
	"os"
	"syscall"
)

// isOurs reports whether path is a directory that belongs to this user, without
// permissions for others.
func isOurs(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
