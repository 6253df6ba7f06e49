//go:build goexperiment.jsonv2 && !go1.27 && !linux

package engine

// limitMemory does nothing here: the soft limit of the Go runtime has to do.
func limitMemory(int64) error { return nil }
