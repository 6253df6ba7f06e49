package plan

import (
	"regexp"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

// vendorDirs are where only the package managers of distributions install packages
// of languages: pip and npm install elsewhere, so an upgrade by them leaves the old
// files where they are.
var vendorDirs = []string{"usr/lib/python3/dist-packages/", "usr/lib/python2.7/dist-packages/", "usr/share/nodejs/", "usr/share/java/", "usr/share/maven-repo/", "usr/share/rubygems-integration/"}

// sharedDir is where rpm and apk install Python packages, and pip with some settings.
var sharedDir = regexp.MustCompile(`^usr/lib(64)?/python[0-9.]+/site-packages/`)

// vendored reports whether a distribution's package manager installed all of the
// packages, as far as their paths tell. only is false where others could have.
func vendored(packages []evidence.Package) (yes, only bool) {
	only = true
	for i := range packages {
		path := strings.TrimPrefix(packages[i].Path, "/")
		inVendor := false
		for _, dir := range vendorDirs {
			inVendor = inVendor || strings.HasPrefix(path, dir)
		}
		if !inVendor && !sharedDir.MatchString(path) {
			return false, false
		}
		only = only && inVendor
	}
	return len(packages) > 0, only
}

// fromVendor adjusts what to do about a package of a language that a distribution
// installed.
func fromVendor(s *Step, command, advice string) (string, string) {
	switch yes, only := vendored(s.Packages); {
	case only && yes:
		return "", "update the distribution's package that installs " + s.Packages[0].Path + ", or take a newer base image; delete the files if they were copied there"
	case yes:
		return command, advice + "; if the distribution's package manager installed it, update its package instead"
	}
	return command, advice
}
