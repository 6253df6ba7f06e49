package layer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/imagegate/imagegate/gate/layer/inflate"
)

// maxWindow is the largest zstd window accepted, which is that of "zstd --long".
// The decoder allocates the window, and the author of the image chooses its size.
const maxWindow = 128 << 20

const (
	compressionNone = "none"
	compressionGzip = "gzip"
	compressionZstd = "zstd"
)

// compressionByType is what a layer's media type announces. Types that are
// not here are no file system layers, or encrypted.
func compressionByType(mediaType string) (string, bool) {
	switch mediaType {
	case "application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.foreign.diff.tar":
		return compressionNone, true
	case "application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":
		return compressionGzip, true
	case "application/vnd.oci.image.layer.v1.tar+zstd",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar.zstd":
		return compressionZstd, true
	}
	return "", false
}

// decompress detects the compression by the magic bytes of the content, as
// containerd and Docker do. Some runtimes do not decompress a layer with an
// uncompressed media type, so compressed bytes with such a type are refused.
func decompress(src *chunks, mediaType string) (*decompressor, string, error) {
	announced, ok := compressionByType(mediaType)
	if !ok {
		return nil, "", fmt.Errorf("the layer has the media type %s, which is no file system layer that can be read", quote(mediaType))
	}
	r := bufio.NewReaderSize(src, 16<<10) // larger reads pass it by
	magic, err := r.Peek(4)
	if err != nil && err != io.EOF {
		return nil, "", err
	}
	found := compressionOf(magic)
	if announced == compressionNone && found != compressionNone {
		return nil, "", fmt.Errorf("the layer has the media type %s but its bytes are %s: tools disagree about what is in it", quote(mediaType), found)
	}
	switch found {
	case compressionGzip:
		z, err := inflate.NewReader(r)
		if err != nil {
			return nil, "", fmt.Errorf("decompress gzip layer: %w", err)
		}
		return &decompressor{z, found, func() {}}, found, nil
	case compressionZstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, "", fmt.Errorf("decompress zstd layer: %w", err)
		}
		return &decompressor{reads{src.ctx, z}, found, z.Close}, found, nil
	}
	return &decompressor{reads{src.ctx, r}, found, func() {}}, found, nil
}

func compressionOf(magic []byte) string {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return compressionGzip
	case len(magic) < 4:
		return compressionNone
	}
	// 0x184D2A50 to 0x184D2A5F begin a skippable frame, with which a zstd
	// stream may begin.
	if m := binary.LittleEndian.Uint32(magic); m == 0xfd2fb528 || m&^0xf == 0x184d2a50 {
		return compressionZstd
	}
	return compressionNone
}

// decompressor adds the name of the compression to its own errors.
type decompressor struct {
	source
	name  string
	close func()
}

// Next implements source.
func (d *decompressor) Next(buf []byte) ([]byte, error) {
	data, err := d.source.Next(buf)
	if err == nil || err == io.EOF || d.name == compressionNone {
		return data, err
	}
	return data, fmt.Errorf("decompress %s layer: %w", d.name, err)
}
