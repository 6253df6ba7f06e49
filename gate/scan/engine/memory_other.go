//go:build goexperiment.jsonv2 && !go1.27 && !linux

package engine

// limitMemory does nothing on this system. Only the soft limit of the Go runtime
// applies.
func limitMemory(int64) error { return nil }
