package promote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// memory is a repository in memory. It behaves as differently as registries do.
type memory struct {
	mu        sync.Mutex
	name      string
	blobs     map[string][]byte
	manifests map[string]Manifest
	tags      map[string]string
	listed    map[string][]string // referrers by subject
	// lossy makes the list of referrers a document that is read, changed and
	// written: of two jobs at the same time one loses.
	lossy bool
	// immutable refuses to set a tag that exists.
	immutable bool
	// late is how many reads a new tag takes to be seen.
	late int
	// children lists the platforms of an index as its referrers, as GitLab does.
	children bool
	// allowForeign takes manifests whose foreign layers are missing.
	allowForeign bool
	// at is told of every request before it is done, and may fail it.
	at func(what string) error

	pending map[string]int
}

func newMemory(name string) *memory {
	return &memory{name: name, blobs: map[string][]byte{}, manifests: map[string]Manifest{}, tags: map[string]string{}, listed: map[string][]string{}, pending: map[string]int{}}
}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (m *memory) ask(ctx context.Context, what string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.at != nil {
		return m.at(m.name + " " + what)
	}
	return nil
}

func (m *memory) ListsInTags(context.Context) (bool, error) { return m.lossy, nil }

func (m *memory) Name() string { return m.name }

func (m *memory) Manifest(ctx context.Context, digest string) (Manifest, error) {
	if err := m.ask(ctx, "get "+digest); err != nil {
		return Manifest{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	got, ok := m.manifests[digest]
	if !ok {
		return Manifest{}, ErrNotFound
	}
	return got, nil
}

func (m *memory) Tag(ctx context.Context, tag string) (Manifest, error) {
	if err := m.ask(ctx, "tag "+tag); err != nil {
		return Manifest{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	digest, ok := m.tags[tag]
	if m.pending[tag] > 0 {
		m.pending[tag]--
		ok = false
	}
	if !ok {
		return Manifest{}, ErrNotFound
	}
	return m.manifests[digest], nil
}

func (m *memory) Referrers(ctx context.Context, digest string) ([]Descriptor, error) {
	if err := m.ask(ctx, "referrers "+digest); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Descriptor
	for _, d := range m.listed[digest] {
		listed := m.manifests[d].Descriptor
		listed.Digest = d // also where the manifest was deleted
		out = append(out, listed)
	}
	if m.children {
		if d, err := (&Manifest{Raw: m.manifests[digest].Raw}).parse(); err == nil {
			for _, c := range d.Manifests {
				out = append(out, c.Descriptor)
			}
		}
	}
	return out, nil
}

func (m *memory) HasBlob(ctx context.Context, d Descriptor) (bool, error) {
	if err := m.ask(ctx, "head "+d.Digest); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.blobs[d.Digest]
	return ok, nil
}

func (m *memory) OpenBlob(ctx context.Context, d Descriptor) (io.ReadCloser, error) {
	if err := m.ask(ctx, "open "+d.Digest); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	raw, ok := m.blobs[d.Digest]
	if !ok {
		return nil, ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(raw)), nil
}

func (m *memory) CopyBlob(ctx context.Context, d Descriptor, from Repository) error {
	if err := m.ask(ctx, "upload "+d.Digest); err != nil {
		return err
	}
	r, err := from.OpenBlob(ctx, d)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if digestOf(raw) != d.Digest {
		return fmt.Errorf("wrong bytes")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[d.Digest] = raw
	return nil
}

func (m *memory) PutManifest(ctx context.Context, x Manifest) error {
	if err := m.ask(ctx, "put "+x.Digest); err != nil {
		return err
	}
	d, err := x.parse()
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, part := range slices.Concat(d.Layers, d.Blobs) {
		if _, ok := m.blobs[part.Digest]; !ok && !(m.allowForeign && foreign(part)) {
			return fmt.Errorf("blob unknown: %s", part.Digest)
		}
	}
	for _, part := range d.Manifests {
		if _, ok := m.manifests[part.Digest]; !ok {
			return fmt.Errorf("manifest unknown: %s", part.Digest)
		}
	}
	m.manifests[x.Digest] = x
	if d.Subject == nil {
		return nil
	}
	list := slices.Clone(m.listed[d.Subject.Digest])
	if m.lossy {
		m.mu.Unlock() // another job reads the same list now
		err = m.ask(ctx, "list "+d.Subject.Digest)
		m.mu.Lock()
		if err != nil {
			return err
		}
	}
	if !slices.Contains(list, x.Digest) {
		list = append(list, x.Digest)
	}
	m.listed[d.Subject.Digest] = list
	return nil
}

func (m *memory) PutTag(ctx context.Context, tag string, x Manifest) error {
	if err := m.ask(ctx, "set "+tag); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.tags[tag]; ok && m.immutable {
		return fmt.Errorf("tag is immutable")
	}
	if _, ok := m.manifests[x.Digest]; !ok {
		return fmt.Errorf("manifest unknown: %s", x.Digest)
	}
	if m.tags[tag] != x.Digest {
		m.tags[tag], m.pending[tag] = x.Digest, m.late
	}
	return nil
}

// blob stores a blob and returns its descriptor.
func (m *memory) blob(content string) Descriptor {
	d := Descriptor{"application/octet-stream", digestOf([]byte(content)), int64(len(content))}
	m.blobs[d.Digest] = []byte(content)
	return d
}

// image stores an image manifest.
func (m *memory) image(content string, subject *Descriptor) Descriptor {
	config := m.blob("config of " + content)
	return m.put("application/vnd.oci.image.manifest.v1+json", map[string]any{"config": config, "layers": []Descriptor{m.blob(content)}, "subject": subject})
}

func (m *memory) index(children ...Descriptor) Descriptor {
	return m.put("application/vnd.oci.image.index.v1+json", map[string]any{"manifests": children})
}

func (m *memory) put(mediaType string, doc map[string]any) Descriptor {
	doc["schemaVersion"], doc["mediaType"] = 2, mediaType
	raw, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	d := Descriptor{mediaType, digestOf(raw), int64(len(raw))}
	m.manifests[d.Digest] = Manifest{d, raw}
	if s, ok := doc["subject"].(*Descriptor); ok && s != nil {
		m.listed[s.Digest] = append(m.listed[s.Digest], d.Digest)
	}
	return d
}

// signature stores a signature of cosign under its tag.
func (m *memory) signature(of Descriptor, end string, by ...string) string {
	var layers []map[string]any
	for _, b := range by {
		payload := m.blob("payload")
		layers = append(layers, map[string]any{"mediaType": payload.MediaType, "digest": payload.Digest, "size": payload.Size, "annotations": map[string]string{"signature": b}})
	}
	d := m.put("application/vnd.oci.image.manifest.v1+json", map[string]any{"config": m.blob("config " + strings.Join(by, ",")), "layers": layers})
	tag := strings.Replace(of.Digest, ":", "-", 1) + end
	m.tags[tag] = d.Digest
	return tag
}
