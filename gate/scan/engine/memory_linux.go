//go:build goexperiment.jsonv2 && !go1.27

package engine

import "golang.org/x/sys/unix"

// limitMemory bounds the memory of this process. RLIMIT_DATA counts private
// writable memory only, so the mapped database does not count; RLIMIT_AS would
// count it and Go's reserved address space as well.
func limitMemory(bytes int64) error {
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)})
}
