//go:build !unix

package tempdir

import "os"

// isOurs reports whether path is a directory. The temp directory of these
// systems belongs to one user.
func isOurs(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}
