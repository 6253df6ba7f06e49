package image

import (
	"fmt"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// NamedInDocument returns the reference for an image that a manifest, a Compose
// file or a Dockerfile names. Container runtimes look for it in a registry always:
// docker:24 is the image "docker" of Docker Hub there, and not an image of the
// Docker Engine as on the command line.
func NamedInDocument(s string) (string, error) {
	if err := checkCharacters(s); err != nil {
		return "", fmt.Errorf("image reference %s: %w", words.Quote(s), err)
	}
	ref := s
	if word, _, ok := strings.Cut(s, ":"); ok && !strings.Contains(word, "/") && sourceWord(word) {
		ref = DockerHub + "/" + officialPrefix + s
	}
	if _, err := ParseReference(ref); err != nil {
		return "", err
	}
	return ref, nil
}

// sourceWord reports whether a reference on the command line chooses a source with
// this word.
func sourceWord(word string) bool {
	source, _ := evidence.SourceOf(word + ":")
	return source.Local() || otherSources[word]
}
