package manifest

import (
	"bytes"
	"path"
	"strings"
)

// JarAttribute is one attribute of a jar's manifest, with its name as written.
type JarAttribute struct{ Name, Value string }

// ReadJarManifest reads the main section of a META-INF/MANIFEST.MF as
// java.util.jar.Manifest does: names are the same in capitals and small letters,
// which they are not for Trivy, and of two equal names the last one counts. The
// attributes are found by their names in small letters.
func ReadJarManifest(data []byte) map[string]JarAttribute {
	found := map[string]JarAttribute{}
	var line []byte
	end := func() {
		name, value, ok := strings.Cut(string(line), ": ")
		if line = nil; !ok || name == "" {
			return
		}
		found[strings.ToLower(name)] = JarAttribute{name, value}
	}
	for len(data) > 0 {
		var text []byte
		text, data = cutLine(data)
		switch {
		case len(text) == 0:
			end()
			return found
		case text[0] == ' ':
			line = append(line, text[1:]...)
		default:
			end()
			line = bytes.Clone(text)
		}
	}
	end()
	return found
}

// HasMainSection reports whether the main section of a manifest ends in data.
func HasMainSection(data []byte) bool {
	for len(data) > 0 {
		var line []byte
		if line, data = cutLine(data); len(line) == 0 {
			return true
		}
	}
	return false
}

// cutLine cuts off the first line, which ends in LF, CR or both.
func cutLine(data []byte) (line, rest []byte) {
	n := bytes.IndexAny(data, "\r\n")
	switch {
	case n < 0:
		return data, nil
	case bytes.HasPrefix(data[n:], []byte("\r\n")):
		return data[:n], data[n+2:]
	}
	return data[:n], data[n+1:]
}

// IsJar reports whether the name is that of a file that Trivy takes for a Java
// archive (fanal/analyzer/language/java/jar).
func IsJar(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".jar", ".war", ".ear", ".par":
		return true
	}
	return false
}

// ArchiveHead is how many bytes of a file [StartsLikeJar] and [MayHoldPackages] look
// at.
const ArchiveHead = 64

// StartsLikeJar reports whether a file begins like a Java archive, whatever it is
// called: java runs an archive under every name. The jar tool writes META-INF first,
// and programs that are made for one loader begin with its directory.
func StartsLikeJar(head []byte) bool { return InJar(zipName(head)) }
