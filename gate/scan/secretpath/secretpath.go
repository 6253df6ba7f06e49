// Package secretpath tells in which files of an image secrets are looked for.
//
// Trivy skips many paths and does not report that: .git, README files, tests,
// examples, lock files. Such files of an application often contain forgotten
// credentials, so this package skips only files that others made: the
// distribution's files, installed dependencies, and media.
package secretpath

import (
	"regexp"
	"strings"
)

// Out reports whether the file at path may be left out: it belongs to the
// distribution or to an installed dependency, or it is no text.
func Out(path string) bool {
	for _, dir := range []string{
		"usr/share/", "usr/include/", "usr/lib/", "usr/lib64/", "usr/local/go/", "usr/local/include/", "usr/local/share/",
		"lib/", "lib64/", "var/log/anaconda/", "usr/src/wordpress/",
	} {
		if strings.HasPrefix(path, dir) && !ofApplication(path) {
			return true
		}
	}
	if Public(path) {
		return true
	}
	rest, parent := path, ""
	for {
		part, more, ok := strings.Cut(rest, "/")
		if !ok {
			break
		}
		if rest = more; dependencies(part) || part == "test" && ofPython(parent) || moduleOfGo(parent, part, rest) || crate(parent, part, rest) || ofErlang(parent, part, rest) {
			return true
		}
		parent = part
	}
	return media(rest)
}

// ofApplication reports whether a file below a directory of the distribution is the
// application's: what nginx and Caddy serve in their official images, and the
// configuration that the image of WordPress starts with.
func ofApplication(path string) bool {
	return strings.HasPrefix(path, "usr/share/nginx/html/") || strings.HasPrefix(path, "usr/share/caddy/") || path == "usr/src/wordpress/wp-config.php"
}

// Public reports whether the file holds a key that protects nothing: the one that
// Debian's package ssl-cert makes when it is installed. It belongs to a certificate
// that no program trusts, and is in every image with PostgreSQL or Apache from packages.
func Public(path string) bool { return path == "etc/ssl/private/ssl-cert-snakeoil.key" }

// ofPython reports whether a directory holds the standard library of a version
// of Python. Its own tests, in the directory test, come with private keys.
func ofPython(dir string) bool { return standardLibrary.MatchString(dir) }

var standardLibrary = regexp.MustCompile(`^(python|pypy)[23]\.[0-9]+t?$`)

// moduleOfGo reports whether the directory pkg/mod, with rest below it, holds a module
// that the go command has fetched: its directory ends with a version. The tests of many
// modules come with private keys. An application may have a directory pkg/mod too.
func moduleOfGo(parent, dir, rest string) bool {
	if parent != "pkg" || dir != "mod" {
		return false
	}
	_, version, ok := strings.Cut(rest, "@v")
	return ok && strings.Contains(version, "/")
}

// ofErlang reports whether the directory erlang/lib, with rest below it, holds examples of
// an application of Erlang, APPLICATION-VERSION/examples. Some have servers with keys.
func ofErlang(parent, dir, rest string) bool {
	if parent != "erlang" || dir != "lib" {
		return false
	}
	application, rest, _ := strings.Cut(rest, "/")
	return strings.HasPrefix(rest, "examples/") && strings.ContainsAny(application, "0123456789") && strings.Contains(application, "-")
}

// crate reports whether the directory registry/src, with rest below it, holds a crate
// that cargo has fetched: NAME-HASH of the registry, with 16 digits, and a directory.
func crate(parent, dir, rest string) bool {
	if parent != "registry" || dir != "src" {
		return false
	}
	index, _, ok := strings.Cut(rest, "/")
	host, hash := index[:max(strings.LastIndexByte(index, '-'), 0)], index[strings.LastIndexByte(index, '-')+1:]
	return ok && host != "" && len(hash) == 16 && strings.Trim(hash, "0123456789abcdef") == ""
}

// dependencies reports whether a directory holds what package managers install.
func dependencies(dir string) bool {
	switch dir {
	case "node_modules", "bower_components", "site-packages", "dist-packages", "vendor", "gems":
		return true
	}
	return strings.HasSuffix(dir, ".dist-info") || strings.HasSuffix(dir, ".egg-info") || strings.HasPrefix(dir, "yarn-v")
}

// media reports whether a file is no text by its name.
func media(base string) bool {
	dot := strings.LastIndexByte(base, '.')
	if dot < 0 {
		return false
	}
	switch strings.ToLower(base[dot:]) {
	case ".jpg", ".jpeg", ".png", ".gif", ".doc", ".pdf", ".bin", ".svg", ".socket", ".deb", ".rpm", ".zip", ".gz", ".gzip", ".tar":
		return true
	}
	return false
}
