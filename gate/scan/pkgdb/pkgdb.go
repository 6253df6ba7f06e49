// Package pkgdb reads what the databases of package managers say about the
// origin of packages and about the files that they installed, with the hashes
// that the files had then.
//
// The author of an image can write anything into these databases. The facts that
// this package reads therefore never remove a package from the report. They show
// which packages seem to be of a third party. They let a file count as installed by
// the distribution only if the file has the listed hash.
//
// The package depends neither on Trivy nor on the advisories.
package pkgdb

import "strings"

// Package is one installed package.
type Package struct {
	Name string `json:"name"`
	// Version is the full version: EPOCH:VERSION-RELEASE, without an epoch of 0.
	Version string `json:"version"`
	// Source is the name of the source package, Name where none is given.
	Source string `json:"source,omitempty"`
	// Origin is who says to have made it: the maintainer of dpkg, the vendor of rpm.
	Origin string `json:"origin,omitempty"`
	// Sign is what shows by itself that the package is of a third party, "" when
	// nothing does.
	Sign string `json:"sign,omitempty"`
	// Key is true for a signing key that rpm stores like a package.
	Key bool `json:"key,omitempty"`
	// Files are those of its files that may hold a language package; see [Holds].
	Files []File `json:"files,omitempty"`
}

// File is a file as a package manager installed it.
type File struct {
	Path string `json:"path"` // without a leading slash
	// Digest is ALGORITHM:HEX. A file without one proves nothing and is left out.
	Digest string `json:"digest"`
}

// Holds reports whether a file may hold what Trivy takes for a language package:
// metadata by its name, or a program. All other files of a package need not be
// remembered.
func Holds(path string) bool {
	base := path[strings.LastIndexByte(path, '/')+1:]
	switch base {
	case "package.json", "METADATA", "PKG-INFO", "installed.json", "pom.properties":
		return true
	case "":
		return false
	}
	if strings.Contains(path, "conda-meta/") {
		return true
	}
	ext := strings.ToLower(extension(base))
	switch ext {
	case ".jar", ".war", ".ear", ".par", ".gemspec", ".egg", ".egg-info", ".whl", ".so", ".node", ".exe", ".dll":
		return true
	}
	if strings.HasSuffix(base, ".deps.json") || strings.HasSuffix(base, "Packages.props") {
		return true
	}
	return !strings.HasPrefix(path, "usr/share/") && !plain[ext]
}

func extension(base string) string { return base[max(strings.LastIndexByte(base, '.'), 0):] }

// plain are the extensions of files that are no programs with build information.
var plain = func() map[string]bool {
	set := make(map[string]bool)
	for ext := range strings.FieldsSeq(`.a .c .cc .conf .cpp .css .csv .el .elc .gir .gz .h .hpp .html .ini .js .json
		.ko .la .list .map .md .md5sums .mjs .mo .o .pc .pem .pl .pm .png .pod .pri .prl .py .pyc .pyi .pyo .pyx .rb .rst
		.rules .service .sh .socket .sql .svg .target .tcl .tmpl .toml .ts .txt .typelib .vim .xml .xz .yaml .yml .zip`) {
		set[ext] = true
	}
	return set
}()
