//go:build !unix

package scan

// freeSpace does not know: writing will tell.
func freeSpace(string) (free int64, ok bool) { return 0, false }
