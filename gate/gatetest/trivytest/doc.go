// Package trivytest has the images and databases that the tests of Trivy and
// go-rpmdb use. They are in the module cache of everyone who can build imagegate.
package trivytest
