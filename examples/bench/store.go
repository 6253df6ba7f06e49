package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// content writes the files of a layer.
type content func(*layerWriter)

// compression of a layer.
type compression int

const (
	gzipped compression = iota // level 6, what docker and buildkit use
	zstandard
)

// recipe is how to make a layer. Layers with the same key are the same layer in
// every image.
type recipe struct {
	key     string
	pack    compression
	content content
}

// made is a layer that has been made.
type made struct {
	v1.Descriptor
	DiffID   v1.Hash
	Files    int
	Unpacked int64
}

// store is an OCI image layout with a list of the layers it holds, so that a
// second run makes nothing anew.
type store struct {
	dir    string
	mu     sync.Mutex // guards layers, images and their files
	layers map[string]made
	images map[string]v1.Descriptor
	pool   func() (*material, error) // loaded when the first layer is made
}

const layersFile = "layers.json"

func openStore(dir string) (*store, error) {
	s := &store{dir: dir, layers: map[string]made{}, images: map[string]v1.Descriptor{}, pool: sync.OnceValues(loadMaterial)}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion": "1.0.0"}`), 0o644); err != nil {
		return nil, err
	}
	if err := readJSON(filepath.Join(dir, layersFile), &s.layers); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var index v1.IndexManifest
	if err := readJSON(filepath.Join(dir, "index.json"), &index); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, d := range index.Manifests {
		s.images[d.Annotations[refName]] = d
	}
	return s, nil
}

// blobPath is the path of the blob h in the layout dir.
func blobPath(dir string, h v1.Hash) string { return filepath.Join(dir, "blobs", h.Algorithm, h.Hex) }

// layer makes a layer, or finds it made.
func (s *store) layer(r recipe) (made, error) {
	s.mu.Lock()
	m, ok := s.layers[r.key]
	s.mu.Unlock()
	if ok {
		return m, nil
	}
	m, err := s.write(r)
	if err != nil {
		return made{}, fmt.Errorf("layer %s: %w", r.key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.layers[r.key] = m
	return m, writeJSON(filepath.Join(s.dir, layersFile), s.layers)
}

// write streams a layer to a temporary file and gives it its digest as name.
func (s *store) write(r recipe) (m made, err error) {
	pool, err := s.pool()
	if err != nil {
		return made{}, err
	}
	f, err := os.CreateTemp(s.dir, "layer-")
	if err != nil {
		return made{}, err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	digest, diffID := sha256.New(), sha256.New()
	packed := &counter{Writer: io.MultiWriter(f, digest)}
	z, err := compressor(packed, r.pack)
	if err != nil {
		return made{}, err
	}
	w := &layerWriter{
		material: pool, tar: tar.NewWriter(io.MultiWriter(z, diffID)), packed: packed,
		dice: dice(r.key), dirs: map[string]bool{},
	}
	r.content(w)
	if err := errors.Join(w.err, w.tar.Close(), z.Close()); err != nil {
		return made{}, err
	}
	m = made{Files: w.files, Unpacked: w.unpacked}
	m.Size, m.MediaType = packed.n, types.OCILayer
	if r.pack == zstandard {
		m.MediaType = types.OCILayerZStd
	}
	m.Digest = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(digest.Sum(nil))}
	m.DiffID = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(diffID.Sum(nil))}
	return m, os.Rename(f.Name(), blobPath(s.dir, m.Digest))
}

// The seed of the dice is made of the key: the same key gives the same layer.
func dice(key string) *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, key) // a hash never fails
	return rand.New(rand.NewPCG(h.Sum64(), 1))
}

func compressor(w io.Writer, c compression) (io.WriteCloser, error) {
	if c == zstandard {
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	}
	return gzip.NewWriterLevel(w, 6)
}

// blob stores a document.
func (s *store) blob(body []byte) (v1.Hash, error) {
	sum := sha256.Sum256(body)
	h := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
	return h, os.WriteFile(blobPath(s.dir, h), body, 0o644)
}

// name writes an image or index into index.json.
func (s *store) name(name string, d v1.Descriptor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.Annotations = map[string]string{refName: name}
	s.images[name] = d
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for _, name := range sortedKeys(s.images) {
		index.Manifests = append(index.Manifests, s.images[name])
	}
	return writeJSON(filepath.Join(s.dir, "index.json"), index)
}

// document stores a config, a manifest or an index.
func (s *store) document(kind types.MediaType, what any) (v1.Descriptor, error) {
	body, err := json.Marshal(what)
	if err != nil {
		return v1.Descriptor{}, err
	}
	h, err := s.blob(body)
	return v1.Descriptor{MediaType: kind, Size: int64(len(body)), Digest: h}, err
}
