// Package trivytest reads what Trivy found and has the images and databases that
// Trivy's own tests use.
package trivytest
