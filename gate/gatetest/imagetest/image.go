package imagetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate/gatetest"
)

// Spec describes an image. The zero value is an OCI image for linux/amd64
// without layers, run by root.
type Spec struct {
	Layers     []Layer
	User       string
	Env        []string
	Entrypoint []string
	Cmd        []string
	Ports      []string // "8080/tcp"
	Labels     map[string]string
	Created    time.Time   // zero is 2026-01-02
	Platform   v1.Platform // zero is linux/amd64
	Docker     bool        // Docker schema 2 media types instead of OCI's
	// Config, when set, edits the config document last.
	Config func(*v1.ConfigFile)
}

// Image makes an image of layers, bottom first. All other properties have their
// defaults.
func Image(layers ...Layer) v1.Image { return Spec{Layers: layers}.Image() }

// Image builds the image as go-containerregistry knows images.
func (s Spec) Image() v1.Image { return s.Build() }

// Build builds the image. It panics when the spec cannot be written as a tar
// archive, which is a mistake in the test that made it.
func (s Spec) Build() *Parts {
	p := &Parts{Config: s.config(), Type: types.OCIManifestSchema1, ConfigType: types.OCIConfigJSON}
	if s.Docker {
		p.Type, p.ConfigType = types.DockerManifestSchema2, types.DockerConfigJSON
	}
	for _, l := range s.Layers {
		p.Append(p.blobOf(l), l.CreatedBy)
	}
	if s.Config != nil {
		s.Config(p.Config)
	}
	gatetest.Must(0, p.Seal())
	return p
}

// blobOf packs a layer for the image.
func (p *Parts) blobOf(l Layer) *Blob {
	if l.MediaType == "" && p.Type == types.DockerManifestSchema2 {
		l.MediaType = types.DockerLayer
	}
	return NewBlob(l.Tar(), l.MediaType)
}

func (s Spec) config() *v1.ConfigFile {
	platform := s.Platform
	if platform.OS == "" {
		platform.OS, platform.Architecture = "linux", "amd64"
	}
	created := s.Created
	if created.IsZero() {
		created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	}
	c := &v1.ConfigFile{
		OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant,
		OSVersion: platform.OSVersion, Created: v1.Time{Time: created}, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{User: s.User, Env: s.Env, Entrypoint: s.Entrypoint, Cmd: s.Cmd, Labels: s.Labels},
	}
	if len(s.Ports) > 0 {
		c.Config.ExposedPorts = map[string]struct{}{}
	}
	for _, port := range s.Ports {
		c.Config.ExposedPorts[port] = struct{}{}
	}
	return c
}

// Parts is the documents and layers of an image. A test can change each
// document and each byte before [Parts.Seal] writes config and manifest anew,
// and can change the documents again after it. It is a [v1.Image] that answers
// with exactly these bytes, even if they are inconsistent.
type Parts struct {
	Config     *v1.ConfigFile
	Blobs      []*Blob         // the layers, bottom first
	Type       types.MediaType // of the manifest
	ConfigType types.MediaType
	// ConfigJSON and ManifestJSON are what is served. Seal writes them.
	ConfigJSON   []byte
	ManifestJSON []byte
	Annotations  map[string]string
}

var _ v1.Image = (*Parts)(nil)

// TakeApart reads an image into memory as [Parts].
func TakeApart(img v1.Image) (*Parts, error) {
	if p, ok := img.(*Parts); ok {
		return p.Clone(), nil
	}
	p := &Parts{}
	var err error
	if p.ConfigJSON, err = img.RawConfigFile(); err != nil {
		return nil, err
	}
	if p.ManifestJSON, err = img.RawManifest(); err != nil {
		return nil, err
	}
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	p.Type, p.ConfigType, p.Annotations = m.MediaType, m.Config.MediaType, m.Annotations
	p.Type = cmp.Or(p.Type, types.OCIManifestSchema1)
	if p.Config, err = img.ConfigFile(); err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		b, err := readBlob(l)
		if err != nil {
			return nil, err
		}
		p.Blobs = append(p.Blobs, b)
	}
	return p.Clone(), nil
}

// Append adds a layer, its diffID and its history line.
func (p *Parts) Append(b *Blob, createdBy string) {
	p.Blobs = append(p.Blobs, b)
	p.Config.RootFS.DiffIDs = append(p.Config.RootFS.DiffIDs, b.ClaimDiff)
	createdBy = cmp.Or(createdBy, "COPY . / # buildkit")
	p.Config.History = append(p.Config.History, v1.History{CreatedBy: createdBy, Created: p.Config.Created})
}

// AddLayer puts a layer on top.
func (p *Parts) AddLayer(l Layer) error {
	p.Append(p.blobOf(l), l.CreatedBy)
	return p.Seal()
}

// Replace gives layer i another tar, with digests that are true.
func (p *Parts) Replace(i int, unpacked []byte) error {
	b := NewBlob(unpacked, p.Blobs[i].ClaimType)
	p.Blobs[i] = b
	// An earlier transform may have left fewer diffIDs than layers.
	if i < len(p.Config.RootFS.DiffIDs) {
		p.Config.RootFS.DiffIDs[i] = b.ClaimDiff
	}
	return p.Seal()
}

// Seal writes config and manifest for the parts as they are now. DiffIDs and
// layer digests are taken as claimed, not computed.
func (p *Parts) Seal() error {
	var err error
	if p.ConfigJSON, err = json.Marshal(p.Config); err != nil {
		return err
	}
	return p.SealManifest()
}

// SealManifest writes the manifest anew around a config that a test wrote by
// hand.
func (p *Parts) SealManifest() error {
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: p.Type, Annotations: p.Annotations, Layers: []v1.Descriptor{},
		Config: v1.Descriptor{MediaType: p.ConfigType, Size: int64(len(p.ConfigJSON)), Digest: HashOf(p.ConfigJSON)},
	}
	for _, l := range p.Blobs {
		m.Layers = append(m.Layers, v1.Descriptor{
			MediaType: l.ClaimType, Size: int64(len(l.Content)), Digest: l.ClaimHash, Annotations: l.Annotations, URLs: l.URLs,
		})
	}
	raw, err := json.Marshal(m)
	p.ManifestJSON = raw
	return err
}

// Clone copies everything that a transformation may write into.
func (p *Parts) Clone() *Parts {
	q := *p
	q.Config = p.Config.DeepCopy()
	q.Blobs = make([]*Blob, len(p.Blobs))
	for i, l := range p.Blobs {
		b := *l
		q.Blobs[i] = &b
	}
	return &q
}

func readBlob(l v1.Layer) (*Blob, error) {
	if b, ok := l.(*Blob); ok {
		c := *b
		return &c, nil
	}
	b := &Blob{}
	var err error
	if b.ClaimHash, err = l.Digest(); err != nil {
		return nil, err
	}
	if b.ClaimDiff, err = l.DiffID(); err != nil {
		return nil, err
	}
	if b.ClaimType, err = l.MediaType(); err != nil {
		return nil, err
	}
	if b.Content, err = readAll(l.Compressed); err != nil {
		return nil, fmt.Errorf("layer %s: %w", b.ClaimHash, err)
	}
	if b.Unpacked, err = readAll(l.Uncompressed); err != nil {
		return nil, fmt.Errorf("layer %s: %w", b.ClaimHash, err)
	}
	return b, nil
}
