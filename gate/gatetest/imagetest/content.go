package imagetest

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Document is a manifest or an index, with its bytes.
type Document struct {
	MediaType types.MediaType
	Body      []byte
	Index     bool
}

// Content is everything that belongs to an image or an index. Blobs are kept
// under the digest that is claimed for them.
type Content struct {
	Top       v1.Hash
	Documents map[v1.Hash]Document
	Configs   map[v1.Hash][]byte
	Layers    map[v1.Hash][]byte
}

// ContentOf reads a [v1.Image] or a [v1.ImageIndex] into memory.
func ContentOf(what any) (*Content, error) {
	c := &Content{Documents: map[v1.Hash]Document{}, Configs: map[v1.Hash][]byte{}, Layers: map[v1.Hash][]byte{}}
	top, err := c.add(what)
	c.Top = top
	return c, err
}

func (c *Content) add(what any) (v1.Hash, error) {
	switch w := what.(type) {
	case v1.Image:
		return c.addImage(w)
	case v1.ImageIndex:
		return c.addIndex(w)
	}
	return v1.Hash{}, fmt.Errorf("neither an image nor an index: %T", what)
}

func (c *Content) addImage(img v1.Image) (v1.Hash, error) {
	p, err := TakeApart(img)
	if err != nil {
		return v1.Hash{}, err
	}
	c.Configs[HashOf(p.ConfigJSON)] = p.ConfigJSON
	for _, b := range p.Blobs {
		c.Layers[b.ClaimHash] = b.Content
	}
	return c.addDocument(Document{MediaType: p.Type, Body: p.ManifestJSON}), nil
}

func (c *Content) addIndex(x v1.ImageIndex) (v1.Hash, error) {
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
	return c.addDocument(Document{MediaType: mediaType, Body: raw, Index: true}), nil
}

func (c *Content) addDocument(d Document) v1.Hash {
	h := HashOf(d.Body)
	c.Documents[h] = d
	return h
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
