// Package engine is the scan worker: the only code that links Trivy.
//
// It runs in a process of its own, started by gate/scan with a scrubbed
// environment and no credentials, and speaks gate/scan/wire. Trivy's parsers
// can panic in goroutines that a host cannot recover, ignore contexts and keep
// process-wide state. In a worker, each of these affects the verdict on one image
// only.
//
// Trivy's own image walk is replaced by a loop over the entries that the parent
// has already linted, for two reasons. Trivy throws away the error of a layer
// whose bytes do not match its digest (fanal/artifact/image/image.go), and it
// logs analyzer errors at debug level and drops them (fanal/analyzer). The loop
// handles both kinds of error.
package engine
