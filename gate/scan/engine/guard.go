//go:build !goexperiment.jsonv2 || go1.27

package engine

// Trivy v0.74.0 compiles only with Go 1.26 and GOEXPERIMENT=jsonv2: it imports
// encoding/json/v2, and Go 1.27 removed json.SkipFunc. Neither go.mod nor a
// build tag can ask for an experiment, so this file makes any other build end
// in one readable line instead of a page of missing packages.
const _ int = "imagegate needs Go 1.26 and GOEXPERIMENT=jsonv2: run `make build`, or GOTOOLCHAIN=go1.26.8 GOEXPERIMENT=jsonv2 go build ./cmd/imagegate"
