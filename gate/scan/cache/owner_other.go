//go:build !unix

package cache

import "io/fs"

const openFlags = 0

// trusted accepts every directory. Permission bits have no meaning on these systems,
// and their cache directories are in the user's profile.
func trusted(fs.FileInfo) error { return nil }
