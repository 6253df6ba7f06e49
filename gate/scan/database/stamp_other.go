//go:build !unix

package database

import "io/fs"

const lockFlags = 0

func stampOf(info fs.FileInfo) stamp {
	return stamp{Size: info.Size(), Mtime: info.ModTime().UnixNano()}
}

// FreeSpace is not implemented on this system. A full disk is an error of the
// write.
func FreeSpace(string) (free int64, known bool) { return 0, false }

func noLocks(error) bool { return false }
