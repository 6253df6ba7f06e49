package gatetest

import (
	"bytes"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Kind says what a request to a registry is for.
type Kind string

// The kinds of requests. A database is an artifact of its own, so that a fault
// can be put between its manifest and its bytes.
const (
	KindPing             Kind = "ping"
	KindToken            Kind = "token"
	KindIndex            Kind = "index"
	KindManifest         Kind = "manifest"
	KindConfig           Kind = "config"
	KindLayer            Kind = "layer"
	KindDatabaseManifest Kind = "database-manifest"
	KindDatabase         Kind = "database"
	KindOther            Kind = "other"
)

// Kinds lists the kinds that a fault can be injected at.
func Kinds() []Kind {
	return []Kind{KindPing, KindToken, KindIndex, KindManifest, KindConfig, KindLayer, KindDatabaseManifest, KindDatabase}
}

// document is a manifest or an index, with its bytes.
type document struct {
	kind      Kind
	mediaType types.MediaType
	body      []byte
}

// content is everything that belongs to an image or an index. Blobs are kept
// under the digest that is claimed for them.
type content struct {
	top       v1.Hash
	documents map[v1.Hash]document
	blobs     map[v1.Hash][]byte
	kinds     map[v1.Hash]Kind
}

func newContent() *content {
	return &content{documents: map[v1.Hash]document{}, blobs: map[v1.Hash][]byte{}, kinds: map[v1.Hash]Kind{}}
}

// contradicts returns an error when both have different content under one
// digest, or different media types for one document.
func (c *content) contradicts(other *content) error {
	for h, body := range other.blobs {
		if old, ok := c.blobs[h]; ok && !bytes.Equal(old, body) {
			return fmt.Errorf("the repository has other bytes under %s", h)
		}
	}
	for h, d := range other.documents {
		if old, ok := c.documents[h]; ok && old.mediaType != d.mediaType {
			return fmt.Errorf("the repository serves %s as %s", h, old.mediaType)
		}
	}
	return nil
}

// contentOf reads a [v1.Image] or a [v1.ImageIndex] into memory.
func contentOf(what any) (*content, error) {
	c := newContent()
	top, err := c.add(what)
	c.top = top
	return c, err
}

func (c *content) add(what any) (v1.Hash, error) {
	switch w := what.(type) {
	case v1.Image:
		return c.addImage(w)
	case v1.ImageIndex:
		return c.addIndex(w)
	}
	return v1.Hash{}, fmt.Errorf("neither an image nor an index: %T", what)
}

func (c *content) addImage(img v1.Image) (v1.Hash, error) {
	p, err := TakeApart(img)
	if err != nil {
		return v1.Hash{}, err
	}
	c.addBlob(HashOf(p.ConfigJSON), p.ConfigJSON, KindConfig)
	for _, b := range p.Blobs {
		c.addBlob(b.ClaimHash, b.Content, KindLayer)
	}
	return c.addDocument(document{KindManifest, p.Type, p.ManifestJSON}), nil
}

func (c *content) addIndex(x v1.ImageIndex) (v1.Hash, error) {
	raw, err := x.RawManifest()
	if err != nil {
		return v1.Hash{}, err
	}
	mediaType, err := x.MediaType()
	if err != nil {
		return v1.Hash{}, err
	}
	for _, child := range childrenOf(x) {
		if _, err := c.add(child); err != nil {
			return v1.Hash{}, err
		}
	}
	return c.addDocument(document{KindIndex, mediaType, raw}), nil
}

// childrenOf lists what an index names and has. A child that it names but has
// not is left out: a registry can lack a child, too.
func childrenOf(x v1.ImageIndex) []any {
	var out []any
	if p, ok := x.(*IndexParts); ok {
		for _, c := range p.Children {
			if c.Image != nil {
				out = append(out, c.Image)
			} else {
				out = append(out, c.Index)
			}
		}
		return out
	}
	m, err := x.IndexManifest()
	if err != nil {
		return nil
	}
	for _, d := range m.Manifests {
		if d.MediaType.IsIndex() {
			if child, err := x.ImageIndex(d.Digest); err == nil {
				out = append(out, child)
			}
		} else if child, err := x.Image(d.Digest); err == nil {
			out = append(out, child)
		}
	}
	return out
}

func (c *content) addDocument(d document) v1.Hash {
	h := HashOf(d.body)
	c.documents[h], c.kinds[h] = d, d.kind
	return h
}

func (c *content) addBlob(h v1.Hash, body []byte, kind Kind) {
	c.blobs[h], c.kinds[h] = body, kind
}
