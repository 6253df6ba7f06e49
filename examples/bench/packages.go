package main

import (
	_ "embed"
	"strings"
)

// The names and versions are those of real systems and real, old releases, so
// that any advisory database has something to say about them.
var (
	//go:embed data/debian12.tsv
	debianList string
	//go:embed data/libraries.tsv
	libraryList string
)

// slimPackages is how many packages at the head of the list a slim image has.
const slimPackages = 96

// debPackage is a package of Debian 12.
type debPackage struct{ name, version, source, section, arch string }

// library is a package of a programming language.
type library struct{ name, version string }

// debianPackages returns the first n packages: 96 of a slim image, 304 others.
func debianPackages(n int) []debPackage {
	var out []debPackage
	for line := range strings.Lines(debianList) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(out) < n {
			out = append(out, debPackage{f[0], f[1], f[2], f[3], f[4]})
		}
	}
	return out
}

// libraries returns the packages of one kind: npm, pip, go or maven.
func libraries(kind string) []library {
	var out []library
	for line := range strings.Lines(libraryList) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if f[0] == kind {
			out = append(out, library{f[1], f[2]})
		}
	}
	return out
}
