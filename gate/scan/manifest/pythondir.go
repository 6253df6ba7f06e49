package manifest

import (
	"path"
	"regexp"
	"strings"
)

// PythonDirectory returns the directory by which Python knows that a package
// is installed, if file is directly in it: NAME-VERSION.dist-info, NAME-VERSION.egg-info,
// NAME-VERSION.egg/EGG-INFO. importlib.metadata finds packages by the names of these
// directories, whatever is in them.
func PythonDirectory(file string) (dir string, ok bool) {
	dir = path.Dir(file)
	lower := strings.ToLower(dir)
	return dir, strings.HasSuffix(lower, ".dist-info") || strings.HasSuffix(lower, ".egg-info") || strings.HasSuffix(lower, ".egg/egg-info")
}

// pythonVersion is the version in the name of a directory: in front of it are no other
// hyphens, because hyphens in names are written as underscores. Behind it, eggs have the
// version of Python and the platform.
var pythonVersion = regexp.MustCompile(`^([^-]+)-(v?[0-9][^-]*)(?:-py[0-9].*)?$`)

// NamedByDirectory returns the package that the name of a [PythonDirectory], or of an egg
// that is an archive, names. It is for packages without the file that describes them.
func NamedByDirectory(dir string) (Package, bool) {
	base := path.Base(dir)
	if strings.EqualFold(base, "egg-info") {
		base = path.Base(path.Dir(dir))
	}
	m := pythonVersion.FindStringSubmatch(base[:max(0, strings.LastIndexByte(base, '.'))])
	if m == nil || !pythonName.MatchString(m[1]) {
		return Package{}, false
	}
	p := Package{m[1], strings.ReplaceAll(m[2], "_", "-")}
	return p, p.check() == nil
}
