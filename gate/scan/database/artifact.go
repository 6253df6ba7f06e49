package database

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// maxManifest limits the size of a manifest. A real one has 600 bytes.
const maxManifest = 1 << 20

// artifact is a database in a registry.
type artifact struct {
	digest string // of the manifest
	layer  descriptor
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Layers        []descriptor `json:"layers"`
	Manifests     []descriptor `json:"manifests"`
}

// parseArtifact checks the manifest raw, which a repository sent as mediaType. As
// in Trivy, the layer tells that it is a database: tools that copy artifacts put
// configs of several media types into manifests, or none.
func parseArtifact(raw []byte, mediaType string, t traits, limits Limits) (*artifact, error) {
	a, err := parseLayer(raw, mediaType, "a Trivy database", limits.Artifact)
	if err != nil {
		return nil, err
	}
	if a.layer.MediaType != t.layer {
		return nil, fmt.Errorf("not a %s: the layer is %q instead of %q", t.name, a.layer.MediaType, t.layer)
	}
	return a, nil
}

// parseLayer checks a manifest with one layer of at most limit bytes. what is what it
// should be.
func parseLayer(raw []byte, mediaType, what string, limit int64) (*artifact, error) {
	if len(raw) > maxManifest {
		return nil, fmt.Errorf("the manifest is too large: %d bytes", len(raw))
	}
	var m manifest
	if err := strictjson.Unmarshal(raw, &m, strictjson.AllowUnknownKeys()); err != nil {
		return nil, fmt.Errorf("the manifest is not valid: %w", err)
	}
	if err := m.checkType(mediaType, what); err != nil {
		return nil, err
	}
	if len(m.Layers) != 1 {
		return nil, fmt.Errorf("not %s: %d layers instead of one", what, len(m.Layers))
	}
	l := m.Layers[0]
	switch {
	case !isDigest(l.Digest):
		return nil, fmt.Errorf("the layer's digest %q is not a sha256", l.Digest)
	case l.Size <= 0:
		return nil, fmt.Errorf("the layer has an impossible size: %d bytes", l.Size)
	case l.Size > limit:
		return nil, fmt.Errorf("the layer is too large: %d bytes, the limit is %d", l.Size, limit)
	}
	return &artifact{digest: sumOf(raw), layer: l}, nil
}

// checkType checks that the header and the document have the same media type, and
// that it is one of an image manifest.
func (m *manifest) checkType(header, what string) error {
	for _, t := range []string{header, m.MediaType} {
		if types.MediaType(t).IsIndex() {
			return fmt.Errorf("an index of images, not %s", what)
		}
	}
	switch {
	case m.SchemaVersion != 2:
		return fmt.Errorf("not an image manifest: schemaVersion is %d", m.SchemaVersion)
	case len(m.Manifests) > 0:
		return errors.New("the manifest is an index as well: what it means is ambiguous")
	case m.MediaType != "" && m.MediaType != header:
		return fmt.Errorf("the manifest calls itself %q, the repository calls it %q", m.MediaType, header)
	case !types.MediaType(header).IsImage():
		return fmt.Errorf("not an image manifest but %q", header)
	}
	return nil
}

// isDigest reports whether s is a sha256 digest in its one canonical form.
func isDigest(s string) bool {
	sum, ok := strings.CutPrefix(s, "sha256:")
	if !ok || len(sum) != 64 || strings.ToLower(sum) != sum {
		return false
	}
	_, err := hex.DecodeString(sum)
	return err == nil
}

// pinned returns the digest that ref demands, "" when it is a tag.
func pinned(ref string) string {
	_, digest, _ := strings.Cut(ref, "@")
	return digest
}
