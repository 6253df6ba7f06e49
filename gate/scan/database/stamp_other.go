//go:build !unix

package database

import "io/fs"

const lockFlags = 0

func stampOf(info fs.FileInfo) stamp {
	return stamp{Size: info.Size(), Mtime: info.ModTime().UnixNano()}
}

func freeSpace(string) (int64, bool) { return 0, false }

func noLocks(error) bool { return false }
