package imagetest

import (
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Child is one manifest of an index.
type Child struct {
	Image    v1.Image      // nil when Index is set
	Index    v1.ImageIndex // a nested index
	Platform *v1.Platform  // nil leaves the platform out
	// Annotations are those of the descriptor.
	Annotations map[string]string
	// Descriptor, when set, edits the descriptor last, so that a test can make
	// it false.
	Descriptor func(*v1.Descriptor)
}

// For is img as the child for a platform such as "linux/arm64" or
// "linux/arm/v7". It panics on a platform that cannot be parsed.
func For(platform string, img v1.Image) Child {
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		panic(fmt.Sprintf("gatetest: platform %q: %v", platform, err))
	}
	return Child{Image: img, Platform: p}
}

// inToto is the media type of an attestation's layers.
const inToto types.MediaType = "application/vnd.in-toto+json"

// Attestation is the provenance manifest that buildx puts beside img: platform
// unknown/unknown, two annotations that say whose it is, and a layer that is no
// archive.
func Attestation(img v1.Image) Child {
	subject, err := img.Digest()
	if err != nil {
		panic(fmt.Sprintf("gatetest: attestation: %v", err))
	}
	statement := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.2",`+
		`"subject":[{"name":"pkg:docker/app","digest":{"sha256":%q}}],"predicate":{}}`, subject.Hex)
	blob := &Blob{Content: statement, Unpacked: statement, ClaimHash: HashOf(statement), ClaimDiff: HashOf(statement), ClaimType: inToto}
	p := &Parts{Type: types.OCIManifestSchema1, ConfigType: types.OCIConfigJSON, Config: &v1.ConfigFile{
		OS: "unknown", Architecture: "unknown", RootFS: v1.RootFS{Type: "layers"},
	}}
	p.Append(blob, "")
	p.Config.History = nil
	if err := p.Seal(); err != nil {
		panic(fmt.Sprintf("gatetest: attestation: %v", err))
	}
	return Child{
		Image:    p,
		Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
		Annotations: map[string]string{
			"vnd.docker.reference.type":   "attestation-manifest",
			"vnd.docker.reference.digest": subject.String(),
		},
	}
}

// IndexParts is an image index whose document can be changed: like [Parts] it
// answers with exactly the bytes of JSON.
type IndexParts struct {
	Children []Child
	Type     types.MediaType
	JSON     []byte
}

var _ v1.ImageIndex = (*IndexParts)(nil)

// Index makes an OCI index. It panics when a child cannot be read.
func Index(children ...Child) *IndexParts {
	x := &IndexParts{Children: children, Type: types.OCIImageIndex}
	if err := x.Seal(); err != nil {
		panic(fmt.Sprintf("gatetest: index: %v", err))
	}
	return x
}

// Seal writes JSON for the children as they are now.
func (x *IndexParts) Seal() error {
	m := v1.IndexManifest{SchemaVersion: 2, MediaType: x.Type, Manifests: []v1.Descriptor{}}
	for _, c := range x.Children {
		d, err := c.describe()
		if err != nil {
			return err
		}
		m.Manifests = append(m.Manifests, *d)
	}
	raw, err := json.Marshal(m)
	x.JSON = raw
	return err
}

func (c Child) describe() (*v1.Descriptor, error) {
	var from partial.Describable = c.Image
	if c.Image == nil {
		from = c.Index
	}
	d, err := partial.Descriptor(from)
	if err != nil {
		return nil, err
	}
	d.Platform, d.Annotations = c.Platform, c.Annotations
	if c.Descriptor != nil {
		c.Descriptor(d)
	}
	return d, nil
}

// MediaType returns the index's media type.
func (x *IndexParts) MediaType() (types.MediaType, error) { return x.Type, nil }

// Digest returns the digest of JSON.
func (x *IndexParts) Digest() (v1.Hash, error) { return HashOf(x.JSON), nil }

// Size returns the size of JSON.
func (x *IndexParts) Size() (int64, error) { return int64(len(x.JSON)), nil }

// RawManifest returns JSON.
func (x *IndexParts) RawManifest() ([]byte, error) { return x.JSON, nil }

// IndexManifest parses JSON.
func (x *IndexParts) IndexManifest() (*v1.IndexManifest, error) {
	var m v1.IndexManifest
	err := json.Unmarshal(x.JSON, &m)
	return &m, err
}

// Image finds a child image by its own digest.
func (x *IndexParts) Image(h v1.Hash) (v1.Image, error) {
	for _, c := range x.Children {
		if c.Image == nil {
			continue
		}
		if d, err := c.Image.Digest(); err == nil && d == h {
			return c.Image, nil
		}
	}
	return nil, fmt.Errorf("no image %s in index", h)
}

// ImageIndex finds a nested index by its own digest.
func (x *IndexParts) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	for _, c := range x.Children {
		if c.Index == nil {
			continue
		}
		if d, err := c.Index.Digest(); err == nil && d == h {
			return c.Index, nil
		}
	}
	return nil, fmt.Errorf("no index %s in index", h)
}
