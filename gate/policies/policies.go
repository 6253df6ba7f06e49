// Package policies keeps policy files as artifacts in registries, so that teams can
// build on one base by its digest.
//
// An artifact is an image manifest of OCI 1.1 with the type [ArtifactType], an empty
// config and one layer: the file. It is named by its digest alone. What was read
// once is kept under that digest, and is checked again whenever it is used.
package policies

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/imagegate/imagegate/gate/promote"
)

const (
	// ArtifactType is the type of the artifacts.
	ArtifactType = "application/vnd.imagegate.policy.v1"
	layerType    = "application/yaml"
	// maxFile bounds a policy file.
	maxFile = 1 << 20
)

// Registry is what a policy is read from. *remote.Client of gate/image/remote is
// one.
type Registry interface {
	Manifest(ctx context.Context, ref string) (raw []byte, mediaType, digest string, err error)
	Blob(ctx context.Context, ref, digest string, size int64) (io.ReadCloser, error)
}

type manifest struct {
	ArtifactType string               `json:"artifactType"`
	Layers       []promote.Descriptor `json:"layers"`
}

// Read returns the policy file of the artifact repository@digest. It reads it from
// dir if it was read before, and keeps it there; "" keeps nothing. registry may be
// nil where there is no network.
func Read(ctx context.Context, registry func() (Registry, error), repository, digest, dir string) ([]byte, error) {
	if src, err := kept(dir, digest); err == nil {
		return src, nil
	}
	r, err := registry()
	if err != nil {
		return nil, err
	}
	ref := repository + "@" + digest
	raw, _, _, err := r.Manifest(ctx, ref)
	if err != nil {
		return nil, err
	}
	layer, err := layerOf(raw, digest)
	if err != nil {
		return nil, err
	}
	blob, err := r.Blob(ctx, ref, layer.Digest, layer.Size)
	if err != nil {
		return nil, err
	}
	defer func() { _ = blob.Close() }()
	src, err := io.ReadAll(io.LimitReader(blob, maxFile+1))
	if err != nil {
		return nil, err
	}
	if digestOf(src) != layer.Digest {
		return nil, fmt.Errorf("the policy in %s does not have the digest %s", ref, layer.Digest)
	}
	keep(dir, digest, raw, src)
	return src, nil
}

// layerOf returns the layer of a manifest whose bytes have the digest.
func layerOf(raw []byte, digest string) (promote.Descriptor, error) {
	var m manifest
	switch err := json.Unmarshal(raw, &m); {
	case digestOf(raw) != digest:
		return promote.Descriptor{}, fmt.Errorf("the manifest does not have the digest %s", digest)
	case err != nil:
		return promote.Descriptor{}, fmt.Errorf("the manifest cannot be read: %w", err)
	case m.ArtifactType != ArtifactType || len(m.Layers) != 1:
		return promote.Descriptor{}, errors.New("it is no policy: push one with imagegate policy push FILE REPOSITORY:TAG")
	case m.Layers[0].Size > maxFile:
		return promote.Descriptor{}, fmt.Errorf("the policy has %d bytes, more than %d", m.Layers[0].Size, maxFile)
	}
	return m.Layers[0], nil
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// place is where an artifact is kept: a directory with its manifest and its file.
func place(dir, digest string) string {
	return filepath.Join(dir, "policies", strings.Replace(digest, ":", "-", 1))
}

// kept returns the file of an artifact that was read before. Both of its parts are
// hashed again: other programs can write to the directory.
func kept(dir, digest string) ([]byte, error) {
	if dir == "" {
		return nil, os.ErrNotExist
	}
	raw, err := os.ReadFile(filepath.Join(place(dir, digest), "manifest.json"))
	if err != nil {
		return nil, err
	}
	layer, err := layerOf(raw, digest)
	if err != nil {
		return nil, err
	}
	src, err := os.ReadFile(filepath.Join(place(dir, digest), "policy.yaml"))
	if err == nil && digestOf(src) != layer.Digest {
		err = errors.New("the kept file was changed")
	}
	return src, err
}

// keep stores an artifact for runs without a network. A failure costs nothing but
// the next request.
func keep(dir, digest string, raw, src []byte) {
	if dir == "" {
		return
	}
	if err := os.MkdirAll(filepath.Join(dir, "policies"), 0o755); err != nil {
		return
	}
	tmp, err := os.MkdirTemp(filepath.Join(dir, "policies"), ".tmp-")
	if err != nil {
		return
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if os.WriteFile(filepath.Join(tmp, "manifest.json"), raw, 0o644) != nil || os.WriteFile(filepath.Join(tmp, "policy.yaml"), src, 0o644) != nil {
		return
	}
	_ = os.RemoveAll(place(dir, digest)) // kept refused what is there
	_ = os.Rename(tmp, place(dir, digest))
}

// Push stores a policy file as an artifact, lets the tag name it, and returns its
// digest.
func Push(ctx context.Context, target promote.Target, tag string, src []byte) (string, error) {
	if len(src) > maxFile {
		return "", fmt.Errorf("the policy has %d bytes, more than %d", len(src), maxFile)
	}
	return promote.PushFile(ctx, target, tag, ArtifactType, layerType, src)
}
