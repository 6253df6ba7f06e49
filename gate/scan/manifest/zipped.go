package manifest

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// MayHoldPackages reports whether a file may be an archive that a program loads
// packages from without unpacking it: one of Yarn, an application of Python, or a
// script with an archive behind it.
func MayHoldPackages(name string, head []byte) bool {
	return startsLikeYarnArchive(head) || IsScript(head) || isPythonArchive(name, head)
}

// startsLikeYarnArchive reports whether a file begins like a package in the cache of
// Yarn, whatever it is called: an archive with the directory node_modules first.
// Node.js loads such packages without unpacking them (Plug'n'Play).
func startsLikeYarnArchive(head []byte) bool {
	return strings.HasPrefix(zipName(head), "node_modules/")
}

// IsScript reports whether a file begins with the name of its interpreter. Archives may
// have such a line before them: zipapp, PEX and shiv write the one of Python, and Spring
// Boot a whole start script.
func IsScript(head []byte) bool { return bytes.HasPrefix(head, []byte("#!")) }

// isPythonArchive reports whether a file is called, or begins, like an application that
// Python runs as an archive.
func isPythonArchive(name string, head []byte) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".pyz", ".pyzw", ".pex":
		return bytes.HasPrefix(head, []byte(zipMagic))
	}
	first := zipName(head)
	return slices.ContainsFunc([]string{"__main__.py", "PEX-INFO", ".bootstrap/", ".deps/", "__pex__/", "_bootstrap/", "site-packages/"}, func(start string) bool {
		return strings.HasPrefix(first, start)
	})
}

// InJar reports whether a file in an archive is where only Java archives have files.
func InJar(name string) bool {
	return slices.ContainsFunc([]string{"META-INF/", "BOOT-INF/", "WEB-INF/"}, func(dir string) bool { return strings.HasPrefix(name, dir) })
}

// zipMagic is how a file in a zip archive begins, and nameAt where its name is.
const (
	zipMagic = "PK\x03\x04"
	nameAt   = 30
)

// zipName returns the part in head of the name of an archive's first entry, "" when the
// file begins like no archive.
func zipName(head []byte) string {
	if len(head) < nameAt || string(head[:4]) != zipMagic {
		return ""
	}
	return string(head[nameAt:])
}

// ArchiveFinder is written a file and finds the archive behind a script in it.
type ArchiveFinder struct {
	Any  bool // a file in an archive begins somewhere
	Jar  bool // it is one of a Java archive
	tail []byte
}

// Write implements io.Writer.
func (f *ArchiveFinder) Write(b []byte) (int, error) {
	const enough = nameAt + len("META-INF/")
	window := append(f.tail, b...)
	for at := 0; !f.Jar; at++ {
		next := bytes.Index(window[at:], []byte(zipMagic))
		if next < 0 {
			break
		}
		at += next
		f.Any = true
		f.Jar = InJar(zipName(window[at:min(len(window), at+enough)]))
	}
	f.tail = append(f.tail[:0], window[max(0, len(window)-enough+1):]...)
	return len(b), nil
}
