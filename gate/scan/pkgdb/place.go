package pkgdb

import "strings"

// Foreign reports whether a path is one that no distribution installs to. A file
// there never counts as the distribution's, even if a package's list names it.
func Foreign(path string) bool {
	for _, dir := range []string{"opt/", "usr/local/", "srv/", "home/", "app/", "root/", "tmp/"} {
		if strings.HasPrefix(path, dir) {
			return true
		}
	}
	return false
}

// Reserved reports whether the distributions' own rules keep a path for their
// packages: Debian's policies for Python, Node.js, Java and Ruby, Fedora's for Ruby,
// and the vendor directories of rpm and apk.
func Reserved(path string) bool {
	for _, dir := range []string{
		"usr/lib/python3/dist-packages/", "usr/lib/python2.7/dist-packages/",
		"usr/share/nodejs/", "usr/share/java/", "usr/share/rubygems-integration/", "usr/share/maven-repo/",
		"usr/share/gems/", "usr/lib64/gems/",
	} {
		if strings.HasPrefix(path, dir) {
			return true
		}
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
	if Foreign(path) || strings.HasPrefix(path, "usr/src/") {
		return false
	}
	for _, dir := range []string{"usr/", "lib/", "lib64/", "bin/", "sbin/", "etc/"} {
		if strings.HasPrefix(path, dir) {
			return true
		}
	}
	return false
}

// Canonical is a path as it is after /usr has been merged. Package managers still
// say /bin/ls where the file is /usr/bin/ls, and the other way round.
func Canonical(path string) string {
	for _, dir := range []string{"bin/", "sbin/", "lib/", "lib32/", "lib64/", "libx32/"} {
		if strings.HasPrefix(path, dir) {
			path = "usr/" + path
			break
		}
	}
	// Fedora 42 and Alpine 3.22 merge sbin into bin as well.
	if rest, ok := strings.CutPrefix(path, "usr/sbin/"); ok {
		path = "usr/bin/" + rest
	}
	return path
}
