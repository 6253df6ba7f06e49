package manifest

import "strings"

// StartsLikeYarnArchive reports whether a file begins like a package in the cache of
// Yarn, whatever it is called: an archive with the directory node_modules first.
// Node.js loads such packages without unpacking them (Plug'n'Play).
func StartsLikeYarnArchive(head []byte) bool {
	return strings.HasPrefix(zipName(head), "node_modules/")
}

// zipName returns the part in head of the name of an archive's first entry, "" when the
// file begins like no archive.
func zipName(head []byte) string {
	const nameAt = 30
	if len(head) < nameAt || string(head[:4]) != "PK\x03\x04" {
		return ""
	}
	return string(head[nameAt:])
}
