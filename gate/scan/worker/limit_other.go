//go:build !linux

package worker

// addressSpace returns 0: other systems have no such limit, or do not keep it.
func addressSpace() int64 { return 0 }
