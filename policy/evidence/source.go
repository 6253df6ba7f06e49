package evidence

import "strings"

// Source is the kind of place that an image is read from. The user chooses it
// in the reference, and no source falls back to another. The zero value is no
// source.
type Source string

// The sources.
const (
	SourceRegistry Source = "registry" // a registry
	SourceOCI      Source = "oci"      // the directory of an OCI image layout
	SourceTar      Source = "tar"      // an archive of docker save or an OCI archive
)

// sourceFacts is what the program knows about a source.
type sourceFacts struct {
	source Source
	syntax string // of a reference
	place  string // where the image is, for help texts
}

// sources lists every source, in the order of help texts.
func sources() []sourceFacts {
	return []sourceFacts{
		{SourceRegistry, "REGISTRY/REPOSITORY[:TAG][@DIGEST]", "in a registry"},
		{SourceOCI, "oci:DIR[:TAG|@DIGEST]", "in an OCI image layout"},
		{SourceTar, "tar:FILE[:TAG|@DIGEST]", "in an archive of docker save or an OCI archive"},
	}
}

// Sources returns every source.
func Sources() []Source {
	var list []Source
	for _, f := range sources() {
		list = append(list, f.source)
	}
	return list
}

// SourceOf returns the source that a reference chooses by its prefix, and the
// rest of the reference. A reference without such a prefix is one to a registry.
func SourceOf(reference string) (Source, string) {
	for _, s := range Sources() {
		if rest, ok := strings.CutPrefix(reference, s.Prefix()); ok && s.Local() {
			return s, rest
		}
	}
	return SourceRegistry, reference
}

func (s Source) facts() sourceFacts {
	for _, f := range sources() {
		if f.source == s {
			return f
		}
	}
	return sourceFacts{}
}

// Known reports whether s is one of [Sources].
func (s Source) Known() bool { return s.facts().source != "" }

// Local reports whether images of s are read on this machine. Such an image has
// no name and no tags in a registry: policies match its [Reference.Name], which
// begins with the prefix of s and is what the user wrote.
func (s Source) Local() bool { return s.Known() && s != SourceRegistry }

// Prefix is what references to images of s begin with, "" for a registry.
func (s Source) Prefix() string {
	if !s.Local() {
		return ""
	}
	return string(s) + ":"
}

// Syntax is the form of references to images of s.
func (s Source) Syntax() string { return s.facts().syntax }

// Place says where the images of s are: "in a registry".
func (s Source) Place() string { return s.facts().place }
