package manifest

import (
	"path"
	"strings"
)

// UnpackedJar reports whether a file is metadata of an archive of Java that was unpacked,
// and returns the directory that it was unpacked into: META-INF/MANIFEST.MF, or a
// pom.properties or pom.xml below META-INF/maven.
func UnpackedJar(file string) (root string, ok bool) {
	dir, base := path.Split(file)
	switch base {
	case "pom.properties", "pom.xml":
		at := strings.LastIndex("/"+dir, "/META-INF/maven/")
		if at < 0 {
			return "", false
		}
		return strings.TrimSuffix(("/" + dir)[1:max(at, 1)], "/"), true
	}
	if !strings.EqualFold(base, "MANIFEST.MF") {
		return "", false
	}
	dir = strings.TrimSuffix(dir, "/")
	if !strings.EqualFold(path.Base(dir), "META-INF") {
		return "", false
	}
	return strings.TrimSuffix(dir[:len(dir)-len("META-INF")], "/"), true
}
