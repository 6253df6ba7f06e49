// Package dbtest makes databases as Trivy publishes them, from the real
// advisories in this directory.
package dbtest
