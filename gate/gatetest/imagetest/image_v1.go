package imagetest

import (
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// readAll reads what open opens.
func readAll(open func() (io.ReadCloser, error)) ([]byte, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// Size returns the size of the manifest.
func (p *Parts) Size() (int64, error) { return int64(len(p.ManifestJSON)), nil }

// Digest returns the manifest's digest.
func (p *Parts) Digest() (v1.Hash, error) { return HashOf(p.ManifestJSON), nil }

// ConfigName returns the config's digest.
func (p *Parts) ConfigName() (v1.Hash, error) { return HashOf(p.ConfigJSON), nil }

// ConfigFile parses the config.
func (p *Parts) ConfigFile() (*v1.ConfigFile, error) { return partial.ConfigFile(p) }

// Manifest parses the manifest.
func (p *Parts) Manifest() (*v1.Manifest, error) { return partial.Manifest(p) }

// RawConfigFile returns the config's bytes.
func (p *Parts) RawConfigFile() ([]byte, error) { return p.ConfigJSON, nil }

// LayerByDigest finds a layer by the digest the manifest claims.
func (p *Parts) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	for _, l := range p.Blobs {
		if l.ClaimHash == h {
			return l, nil
		}
	}
	if h == HashOf(p.ConfigJSON) {
		return partial.ConfigLayer(p)
	}
	return nil, fmt.Errorf("no layer with digest %s", h)
}

// LayerByDiffID finds a layer by the diffID the config claims.
func (p *Parts) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	for _, l := range p.Blobs {
		if l.ClaimDiff == h {
			return l, nil
		}
	}
	return nil, fmt.Errorf("no layer with diffID %s", h)
}

// RawManifest returns the manifest's bytes.
func (p *Parts) RawManifest() ([]byte, error) { return p.ManifestJSON, nil }

// MediaType returns the manifest's media type.
func (p *Parts) MediaType() (types.MediaType, error) { return p.Type, nil }

// Layers returns the layers, bottom first.
func (p *Parts) Layers() ([]v1.Layer, error) {
	layers := make([]v1.Layer, len(p.Blobs))
	for i, b := range p.Blobs {
		layers[i] = b
	}
	return layers, nil
}
