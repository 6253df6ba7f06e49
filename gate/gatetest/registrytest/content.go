package registrytest

import (
	"bytes"
	"fmt"
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
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
	mediaType types.MediaType
	body      []byte
}

// content is what a repository holds.
type content struct {
	documents map[v1.Hash]document
	blobs     map[v1.Hash][]byte
	kinds     map[v1.Hash]Kind
}

func newContent() *content {
	return &content{documents: map[v1.Hash]document{}, blobs: map[v1.Hash][]byte{}, kinds: map[v1.Hash]Kind{}}
}

// contentOf sorts an image or an index by the kinds of requests that get it.
func contentOf(of *imagetest.Content) *content {
	c := newContent()
	for h, d := range of.Documents {
		kind := KindManifest
		if d.Index {
			kind = KindIndex
		}
		c.documents[h], c.kinds[h] = document{d.MediaType, d.Body}, kind
	}
	maps.Copy(c.blobs, of.Configs)
	for h := range of.Configs {
		c.kinds[h] = KindConfig
	}
	maps.Copy(c.blobs, of.Layers)
	for h := range of.Layers {
		c.kinds[h] = KindLayer
	}
	return c
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
