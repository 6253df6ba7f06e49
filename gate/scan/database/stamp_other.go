//go:build !unix

package database

import "io/fs"

const lockFlags = 0

func stampOf(info fs.FileInfo) stamp {
	return stamp{Size: info.Size(), Mtime: info.ModTime().UnixNano()}
}

// FreeSpace does not know on this system: writing will tell.
func FreeSpace(string) (free int64, known bool) { return 0, false }

func noLocks(error) bool { return false }
