package manifest

import (
	"path"
	"strings"
)

// PackageAt names the package whose metadata or archive is at the path, as far as
// the path tells; "" when it does not.
func PackageAt(file string) string {
	if name, ok := NPMPlace(file); ok {
		return name
	}
	dir, base := path.Split(file)
	dir = path.Base(dir)
	for _, ending := range []string{".dist-info", ".egg-info"} {
		if name, ok := strings.CutSuffix(dir, ending); ok {
			return name
		}
	}
	for _, ending := range []string{".egg-info", ".egg", ".gemspec", ".jar", ".war", ".ear", ".par", ".deps.json"} {
		if name, ok := strings.CutSuffix(base, ending); ok {
			return name
		}
	}
	return ""
}
