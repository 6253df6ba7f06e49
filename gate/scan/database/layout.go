package database

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// layout is an OCI image layout in an uncompressed tar archive, read as if it
// were a registry with one artifact.
type layout struct {
	file  io.ReaderAt
	files map[string]span
	root  descriptor
}

// span is the place of a file in the archive.
type span struct{ offset, size int64 }

// maxLayoutFiles is far more than a layout with one artifact has.
const maxLayoutFiles = 1000

// openLayout finds the files of the archive f.
func openLayout(f *os.File) (*layout, error) {
	l := &layout{file: f, files: map[string]span{}}
	archive := tar.NewReader(f)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("it is not a tar archive: %w", err)
		}
		if h.Typeflag != tar.TypeReg || isSparse(h) {
			continue
		}
		// archive/tar reads no further than the header, so the data is next in f.
		offset, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if len(l.files) == maxLayoutFiles {
			return nil, errors.New("it holds too many files for one database")
		}
		l.files[strings.TrimPrefix(h.Name, "./")] = span{offset, h.Size}
	}
	return l, l.readIndex()
}

// readIndex finds the one artifact.
func (l *layout) readIndex() error {
	raw, err := l.document("index.json")
	if err != nil {
		return errors.New("it is not an OCI layout: it has no index.json")
	}
	var index struct {
		Manifests []descriptor `json:"manifests"`
	}
	if err := strictjson.Unmarshal(raw, &index, strictjson.AllowUnknownKeys()); err != nil {
		return fmt.Errorf("index.json: %w", err)
	}
	if len(index.Manifests) != 1 {
		return fmt.Errorf("it holds %d artifacts instead of one", len(index.Manifests))
	}
	l.root = index.Manifests[0]
	if !isDigest(l.root.Digest) {
		return fmt.Errorf("index.json: the digest %q is not a sha256", l.root.Digest)
	}
	return nil
}

// document reads a small file.
func (l *layout) document(name string) ([]byte, error) {
	at, ok := l.files[name]
	if !ok {
		return nil, fmt.Errorf("%s is missing in it", name)
	}
	if at.size > maxManifest {
		return nil, fmt.Errorf("%s is too large: %d bytes", name, at.size)
	}
	return io.ReadAll(io.NewSectionReader(l.file, at.offset, at.size))
}

func blobName(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }

// Manifest implements Source.
func (l *layout) Manifest(context.Context, string) (raw []byte, mediaType, digest string, err error) {
	raw, err = l.document(blobName(l.root.Digest))
	if err == nil && int64(len(raw)) != l.root.Size {
		err = fmt.Errorf("the manifest has %d bytes, index.json says %d", len(raw), l.root.Size)
	}
	return raw, l.root.MediaType, l.root.Digest, err
}

// Blob implements Source.
func (l *layout) Blob(_ context.Context, _, digest string, _ int64) (io.ReadCloser, error) {
	at, ok := l.files[blobName(digest)]
	if !ok {
		return nil, fmt.Errorf("%s is missing in it", digest)
	}
	return io.NopCloser(io.NewSectionReader(l.file, at.offset, at.size)), nil
}

// layerKind guesses of which kind the database of a manifest is. parseArtifact
// checks it.
func layerKind(manifest []byte) Kind {
	for _, k := range []Kind{Vulnerability, Java} {
		if t, _ := k.traits(); bytes.Contains(manifest, []byte(t.layer)) {
			return k
		}
	}
	return 0
}
