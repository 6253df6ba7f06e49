// Package gatetest is the home of the packages that the tests and the demo are
// made of. These are:
//
//   - imagetest builds images, layouts and archives;
//   - rootfs makes the files in them: distributions, libraries, programs;
//   - sampletest has images with a known answer;
//   - shapes has images as people ship them, with the right verdicts;
//   - disguise hides findings from a scanner;
//   - registrytest is a registry on loopback, with faults;
//   - dbtest makes advisory databases;
//   - sqlitetest writes SQLite files;
//   - evidencetest makes saved evidence;
//   - trivytest has the images of Trivy's own tests.
//
// Functions that make things in memory panic when a test asks for what cannot be
// made. Those that write files return errors, and those that take a [testing.TB] fail
// the test. Nothing in these packages needs a network or decides about an image.
package gatetest

// Must returns v. It panics with an error that only a mistake in a test, or a full
// disk, can cause.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
