//go:build unix

package scan

import "golang.org/x/sys/unix"

// freeSpace returns how many bytes an ordinary user may still write below dir;
// ok is false when the file system does not say.
func freeSpace(dir string) (free int64, ok bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Bsize <= 0 {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}
