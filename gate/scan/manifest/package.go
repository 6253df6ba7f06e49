package manifest

import (
	"fmt"
	"strings"
)

// Package is what a metadata file says that it describes.
type Package struct{ Name, Version string }

// check refuses names that no package can have. They would match no advisory.
func (p Package) check() error {
	switch {
	case p.Name == "" || p.Version == "":
		return fmt.Errorf("it names the package %.100q with the version %.100q", p.Name, p.Version)
	case strings.ContainsFunc(p.Name, odd) || strings.ContainsFunc(p.Version, odd):
		return fmt.Errorf("no package can be called %.100q with the version %.100q", p.Name, p.Version)
	}
	return nil
}

// odd reports whether a character is in no name and no version.
func odd(r rune) bool { return r <= ' ' || r == 0x7f }

// installedJSON is the file in which Composer lists what it has installed.
const installedJSON = "installed.json"

// ReaderOf returns the reader for a file that Trivy reads otherwise than the
// program that owns it, nil for other files. (For package.json and for jars there is
// more to do, see [ReadNPM] and [ReadPomProperties].)
func ReaderOf(file string) func([]byte) ([]Package, error) {
	base := file[strings.LastIndexByte(file, '/')+1:]
	switch {
	case IsPythonMetadata(file):
		return ReadPython
	case base == installedJSON:
		return ReadComposer
	case strings.HasSuffix(base, ".gemspec") && strings.Contains(file, "/specifications/"):
		return ReadGemspec
	}
	return nil
}
