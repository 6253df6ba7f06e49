package imagetest

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/imagegate/imagegate/gate/gatetest"
)

// Media types that go-containerregistry has no public name for, or not under
// a name one would look for.
const (
	MediaTypeOCITar  = types.OCIUncompressedLayer
	MediaTypeOCIGzip = types.OCILayer
	MediaTypeOCIZstd = types.OCILayerZStd
)

// Layer describes one layer. The zero value is an empty gzip layer.
type Layer struct {
	Files []File // in the order of the archive
	// Raw, when set, is the uncompressed tar, and Files are ignored.
	Raw []byte
	// MediaType also chooses the compression; "" is an OCI gzip layer.
	MediaType types.MediaType
	// CreatedBy becomes the layer's history line.
	CreatedBy string
}

// File is one entry of a tar archive.
type File struct {
	Path string // as written into the header, without cleaning
	Body []byte
	Mode int64 // permission bits; 0 is 0644, and 0755 for directories
	Type byte  // tar type flag; 0 is a regular file
	Link string
	UID  int
	GID  int
	PAX  map[string]string
}

// Files makes a layer of regular files in the given order.
func Files(files ...File) Layer { return Layer{Files: files} }

// Text is a regular file.
func Text(name, body string) File { return File{Path: name, Body: []byte(body)} }

// Program is an executable file.
func Program(name string, body []byte) File { return File{Path: name, Body: body, Mode: 0o755} }

// Dir is a directory.
func Dir(name string) File {
	return File{Path: strings.TrimSuffix(name, "/") + "/", Type: tar.TypeDir}
}

// Symlink is a symbolic link.
func Symlink(name, target string) File {
	return File{Path: name, Type: tar.TypeSymlink, Link: target, Mode: 0o777}
}

// Hardlink is a hard link to a file of the same layer.
func Hardlink(name, target string) File {
	return File{Path: name, Type: tar.TypeLink, Link: target}
}

// Whiteout deletes name from the layers below.
func Whiteout(name string) File {
	return File{Path: path.Join(path.Dir(name), ".wh."+path.Base(name))}
}

// Opaque hides everything that the layers below have in dir.
func Opaque(dir string) File { return File{Path: path.Join(dir, ".wh..wh..opq")} }

// Tar returns the layer's uncompressed archive. It panics when the files cannot be
// written as one, which is a mistake in the test that made them.
func (l Layer) Tar() []byte {
	if l.Raw != nil {
		return l.Raw
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range l.Files {
		if err := w.WriteHeader(f.header()); err != nil {
			panic(fmt.Errorf("gatetest: tar entry %q: %w", f.Path, err))
		}
		gatetest.Must(w.Write(f.Body))
	}
	gatetest.Must(0, w.Close())
	return buf.Bytes()
}

// header is the entry's tar header. The time is fixed: digests must not change
// from run to run.
func (f File) header() *tar.Header {
	h := &tar.Header{
		Name: f.Path, Size: int64(len(f.Body)), Mode: f.Mode, Typeflag: f.Type,
		Linkname: f.Link, Uid: f.UID, Gid: f.GID, PAXRecords: f.PAX,
		ModTime: time.Unix(1_600_000_000, 0), Format: tar.FormatPAX,
	}
	h.Typeflag = cmp.Or(h.Typeflag, tar.TypeReg)
	switch {
	case h.Mode != 0:
	case h.Typeflag == tar.TypeDir:
		h.Mode = 0o755
	default:
		h.Mode = 0o644
	}
	return h
}

// Blob is a layer as a registry stores it. Digest, DiffID and size are claims:
// NewBlob makes them true, and a test may make them false.
type Blob struct {
	Content   []byte // as stored
	Unpacked  []byte // the tar, nil when it was never known
	ClaimHash v1.Hash
	ClaimDiff v1.Hash
	ClaimType types.MediaType
	// Annotations and URLs are those of the manifest's descriptor.
	Annotations map[string]string
	URLs        []string
}

var _ v1.Layer = (*Blob)(nil)

// NewBlob compresses a tar as its media type says.
func NewBlob(unpacked []byte, mediaType types.MediaType) *Blob {
	mediaType = cmp.Or(mediaType, MediaTypeOCIGzip)
	content := Compress(unpacked, mediaType)
	return &Blob{
		Content: content, Unpacked: unpacked, ClaimHash: HashOf(content),
		ClaimDiff: HashOf(unpacked), ClaimType: mediaType,
	}
}

// Digest returns the digest the manifest names.
func (b *Blob) Digest() (v1.Hash, error) { return b.ClaimHash, nil }

// DiffID returns the diffID the config names.
func (b *Blob) DiffID() (v1.Hash, error) { return b.ClaimDiff, nil }

// Compressed returns the bytes as stored.
func (b *Blob) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.Content)), nil
}

// Uncompressed returns the tar.
func (b *Blob) Uncompressed() (io.ReadCloser, error) {
	if b.Unpacked != nil {
		return io.NopCloser(bytes.NewReader(b.Unpacked)), nil
	}
	unpacked, err := decompress(b.Content)
	return io.NopCloser(bytes.NewReader(unpacked)), err
}

// Size returns the number of stored bytes.
func (b *Blob) Size() (int64, error) { return int64(len(b.Content)), nil }

// MediaType returns the media type the manifest names.
func (b *Blob) MediaType() (types.MediaType, error) { return b.ClaimType, nil }

// HashOf is the sha256 of b as a digest.
func HashOf(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// Compress packs b as the media type says; b itself for a type without compression.
func Compress(b []byte, mediaType types.MediaType) []byte {
	var buf bytes.Buffer
	var w io.WriteCloser
	switch {
	case mediaType == MediaTypeOCIZstd:
		w = gatetest.Must(zstd.NewWriter(&buf))
	case strings.HasSuffix(string(mediaType), "gzip"):
		w = gatetest.Must(gzip.NewWriterLevel(&buf, gzip.BestSpeed))
	default:
		return b
	}
	gatetest.Must(w.Write(b))
	gatetest.Must(0, w.Close())
	return buf.Bytes()
}

// decompress undoes Compress by looking at the first bytes, so that it also
// works on layers with a false media type.
func decompress(b []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		r, err := zstd.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	return b, nil
}
