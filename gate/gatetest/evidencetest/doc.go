// Package evidencetest makes saved evidence of many images, for benchmarks.
package evidencetest
