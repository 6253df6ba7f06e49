// Package provetest makes what tests of signatures need: repositories in memory,
// keys, and a whole Sigstore on loopback.
package provetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/imagegate/imagegate/gate/promote"
)

// Types of OCI.
const (
	ManifestType = "application/vnd.oci.image.manifest.v1+json"
	EmptyType    = "application/vnd.oci.empty.v1+json"
	BundleType   = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// Repository is a repository in memory. It implements [promote.Target].
type Repository struct {
	// Fail is asked before every request, such as "manifest sha256:...", and its
	// error is that of the request. It may be nil.
	Fail func(what string) error
	// Immutable refuses to change a tag that exists.
	Immutable bool
	// InTags makes the lists of referrers documents that jobs overwrite.
	InTags bool

	name      string
	mu        sync.Mutex
	blobs     map[string][]byte
	manifests map[string]promote.Manifest
	tags      map[string]string
	listed    map[string][]promote.Descriptor
}

var _ promote.Target = (*Repository)(nil)

// NewRepository returns an empty repository.
func NewRepository(name string) *Repository {
	return &Repository{
		name: name, blobs: map[string][]byte{}, manifests: map[string]promote.Manifest{},
		tags: map[string]string{}, listed: map[string][]promote.Descriptor{},
	}
}

// DigestOf returns the digest of bytes.
func DigestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (r *Repository) ask(ctx context.Context, what string) error {
	if err := ctx.Err(); err != nil || r.Fail == nil {
		return err
	}
	return r.Fail(what)
}

// Name implements [promote.Repository].
func (r *Repository) Name() string { return r.name }

// Manifest implements [promote.Repository].
func (r *Repository) Manifest(ctx context.Context, digest string) (promote.Manifest, error) {
	if err := r.ask(ctx, "manifest "+digest); err != nil {
		return promote.Manifest{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.manifests[digest]
	if !ok {
		return promote.Manifest{}, promote.ErrNotFound
	}
	return m, nil
}

// Tag implements [promote.Repository].
func (r *Repository) Tag(ctx context.Context, tag string) (promote.Manifest, error) {
	if err := r.ask(ctx, "tag "+tag); err != nil {
		return promote.Manifest{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.manifests[r.tags[tag]]
	if !ok {
		return promote.Manifest{}, promote.ErrNotFound
	}
	return m, nil
}

// Referrers implements [promote.Repository].
func (r *Repository) Referrers(ctx context.Context, digest string) ([]promote.Descriptor, error) {
	if err := r.ask(ctx, "referrers "+digest); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]promote.Descriptor(nil), r.listed[digest]...), nil
}

// HasBlob implements [promote.Repository].
func (r *Repository) HasBlob(ctx context.Context, d promote.Descriptor) (bool, error) {
	if err := r.ask(ctx, "head "+d.Digest); err != nil {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.blobs[d.Digest] != nil, nil
}

// OpenBlob implements [promote.Repository].
func (r *Repository) OpenBlob(ctx context.Context, d promote.Descriptor) (io.ReadCloser, error) {
	if err := r.ask(ctx, "blob "+d.Digest); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	raw := r.blobs[d.Digest]
	if raw == nil {
		return nil, promote.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(raw)), nil
}

// CopyBlob implements [promote.Target].
func (r *Repository) CopyBlob(ctx context.Context, d promote.Descriptor, from promote.Repository) error {
	if err := r.ask(ctx, "upload "+d.Digest); err != nil {
		return err
	}
	body, err := from.OpenBlob(ctx, d)
	if err != nil {
		return err
	}
	defer body.Close()
	raw, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobs[d.Digest] = raw
	return nil
}

// PutManifest implements [promote.Target].
func (r *Repository) PutManifest(ctx context.Context, m promote.Manifest) error {
	if err := r.ask(ctx, "put "+m.Digest); err != nil {
		return err
	}
	r.put(m)
	return nil
}

func (r *Repository) put(m promote.Manifest) {
	var d struct {
		Subject *promote.Descriptor `json:"subject"`
	}
	_ = json.Unmarshal(m.Raw, &d)
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.manifests[m.Digest]
	r.manifests[m.Digest] = m
	if d.Subject != nil && !known {
		r.listed[d.Subject.Digest] = append(r.listed[d.Subject.Digest], m.Descriptor)
	}
}

// PutTag implements [promote.Target].
func (r *Repository) PutTag(ctx context.Context, tag string, m promote.Manifest) error {
	if err := r.ask(ctx, "put tag "+tag); err != nil {
		return err
	}
	r.mu.Lock()
	_, taken := r.tags[tag]
	r.mu.Unlock()
	if taken && r.Immutable {
		return errors.New("the tag is immutable")
	}
	r.put(m)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tags[tag] = m.Digest
	return nil
}

// ListsInTags implements [promote.Target].
func (r *Repository) ListsInTags(context.Context) (bool, error) { return r.InTags, nil }

// Layer is content with its type and annotations.
type Layer struct {
	Type        string
	Annotations map[string]string
	Raw         []byte
}

// Push stores a manifest with the layers, and returns it. subject is the digest that
// it refers to, "" for none.
func (r *Repository) Push(subject string, layers ...Layer) promote.Manifest {
	type layer struct {
		promote.Descriptor
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	d := map[string]any{"schemaVersion": 2, "mediaType": ManifestType}
	d["config"] = promote.Descriptor{MediaType: EmptyType, Digest: DigestOf([]byte("{}")), Size: 2}
	list := []layer{}
	r.mu.Lock()
	r.blobs[DigestOf([]byte("{}"))] = []byte("{}")
	for _, l := range layers {
		r.blobs[DigestOf(l.Raw)] = l.Raw
		list = append(list, layer{promote.Descriptor{MediaType: l.Type, Digest: DigestOf(l.Raw), Size: int64(len(l.Raw))}, l.Annotations})
	}
	r.mu.Unlock()
	d["layers"] = list
	if subject != "" {
		d["subject"] = promote.Descriptor{MediaType: ManifestType, Digest: subject, Size: 2}
	}
	raw, _ := json.Marshal(d)
	m := promote.Manifest{Raw: raw, Descriptor: promote.Descriptor{MediaType: ManifestType, Digest: DigestOf(raw), Size: int64(len(raw))}}
	r.put(m)
	return m
}

// PushTag stores a manifest with the layers under the tag that cosign uses for a
// digest: end is ".att" or ".sig".
func (r *Repository) PushTag(digest, end string, layers ...Layer) promote.Manifest {
	m := r.Push("", layers...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tags[strings.Replace(digest, ":", "-", 1)+end] = m.Digest
	return m
}

// List adds an entry to the list of referrers, whatever the manifest says.
func (r *Repository) List(subject string, d promote.Descriptor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listed[subject] = append(r.listed[subject], d)
}

// Bundle is the layer of a Sigstore bundle.
func Bundle(raw []byte) Layer { return Layer{Type: BundleType, Raw: raw} }
