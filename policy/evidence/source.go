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
	SourceDocker   Source = "docker"   // a Docker Engine
	SourcePodman   Source = "podman"   // podman, by its socket
)

// sourceFacts is what the program knows about a source.
type sourceFacts struct {
	source Source
	syntax string // of a reference
	place  string // where the image is, for help texts
	engine bool   // images have names and IDs there, and no paths
}

// sources lists every source, in the order of help texts.
func sources() []sourceFacts {
	return []sourceFacts{
		{SourceRegistry, "REGISTRY/REPOSITORY[:TAG][@DIGEST]", "in a registry", false},
		{SourceOCI, "oci:DIR[:TAG|@DIGEST]", "in an OCI image layout", false},
		{SourceTar, "tar:FILE[:TAG|@DIGEST]", "in an archive of docker save or an OCI archive; tar:- is standard input", false},
		{SourceDocker, "docker:NAME[:TAG] or docker:ID", "in the Docker Engine of DOCKER_HOST or of the current context", true},
		{SourcePodman, "podman:NAME[:TAG] or podman:ID", "in podman, by its socket (CONTAINER_HOST)", true},
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

// Engine reports whether images of s are named as in a registry, or by an ID,
// and not by a path.
func (s Source) Engine() bool { return s.facts().engine }

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
