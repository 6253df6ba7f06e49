package pkgdb

import (
	"slices"
	"strings"
)

// Foreign reports whether a path is one that no distribution installs to. A file
// there never counts as the distribution's, even if a package's list names it.
func Foreign(path string) bool {
	return below(path, "opt/", "usr/local/", "srv/", "home/", "app/", "root/", "tmp/")
}

// below reports whether a path is in one of the directories.
func below(path string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(path, dir) })
}

// Reserved reports whether the distributions' own rules keep a path for their
// packages: Debian's policies for Python, Node.js, Java and Ruby, Fedora's for Ruby,
// and the vendor directories of rpm and apk.
func Reserved(path string) bool {
	if below(path, "usr/lib/python3/dist-packages/", "usr/lib/python2.7/dist-packages/",
		"usr/share/nodejs/", "usr/share/java/", "usr/share/rubygems-integration/", "usr/share/maven-repo/",
		"usr/share/gems/", "usr/lib64/gems/") {
		return true
	}
	for _, lib := range []string{"usr/lib/", "usr/lib64/"} {
		if rest, ok := strings.CutPrefix(path, lib); ok {
			version, rest, _ := strings.Cut(rest, "/")
			return (version == "python2.7" || strings.HasPrefix(version, "python3.")) && strings.HasPrefix(rest, "site-packages/")
		}
	}
	return false
}

// Possible reports whether a distribution may have installed the file at path,
// which decides whether it is worth hashing.
func Possible(path string) bool {
	return !Foreign(path) && !below(path, "usr/src/") && below(path, "usr/", "lib/", "lib64/", "bin/", "sbin/", "etc/")
}

// Canonical is a path as it is after /usr has been merged. Package managers still
// say /bin/ls where the file is /usr/bin/ls, and the other way round.
func Canonical(path string) string {
	if below(path, "bin/", "sbin/", "lib/", "lib32/", "lib64/", "libx32/") {
		path = "usr/" + path
	}
	// Fedora 42 and Alpine 3.22 merge sbin into bin as well.
	if rest, ok := strings.CutPrefix(path, "usr/sbin/"); ok {
		path = "usr/bin/" + rest
	}
	return path
}
