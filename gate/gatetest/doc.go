// Package gatetest is the home of the packages that the tests and the demo are
// made of. It is empty itself:
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
// Plain functions return errors; those that take a [testing.TB] fail the test.
// Nothing in these packages needs a network or decides about an image.
package gatetest
