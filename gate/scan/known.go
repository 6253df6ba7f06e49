package scan

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

// layerID is what makes two layers the same work: the hash of the archive, and
// what is looked for in it.
type layerID struct {
	diffID string
	need   evidence.Need
}

// known is everything that an image needs of one of its layers. It is immutable
// and shared by all images that have the layer.
type known struct {
	knownHead
	contents *layer.Contents
	// analysis is what the worker found, in a form that only it reads.
	analysis []byte
	// doubtful is true when an analyzer complained of the machine.
	doubtful bool
}

// knownHead is the part that decides whether the rest can be used.
type knownHead struct {
	DiffID string `json:"diffID"`
	// Blobs are the stored forms of the layer that were read to their last byte
	// and found to be this archive. A manifest can name any blob beside any
	// diffID; what is not on this list is read before it is believed.
	Blobs []blobID `json:"blobs"`
	// Jars is true when some of the layer's files can be identified only through
	// the Java database, and JavaDatabase is the hash of the one that was asked,
	// "" when there was none.
	Jars         bool   `json:"jars,omitempty"`
	JavaDatabase string `json:"javaDatabase,omitempty"`
}

// blobID is one stored form of a layer.
type blobID struct {
	Digest string `json:"digest"`
	// MediaType is part of it because it decides how the bytes are read.
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"`
	// ChunkedTOC is true when the blob ends with a table of contents that some
	// runtimes read instead of the archive.
	ChunkedTOC bool `json:"chunkedTOC,omitempty"`
}

// maxBlobs is how many forms of one layer are remembered.
const maxBlobs = 16

// blob returns the form that b announces, nil when it was never read.
func (k *known) blob(b *gate.Blob) *blobID {
	for i := range k.Blobs {
		if f := &k.Blobs[i]; f.Digest == b.Digest && f.MediaType == b.MediaType && f.Size == b.Size {
			return f
		}
	}
	return nil
}

// with returns a copy that knows one more form.
func (k *known) with(b blobID) *known {
	c := *k
	c.Blobs = append(slices.Clone(k.Blobs), b)
	if extra := len(c.Blobs) - maxBlobs; extra > 0 {
		c.Blobs = c.Blobs[extra:]
	}
	return &c
}

// cost estimates how much memory it takes.
func (k *known) cost() int64 {
	const perEntry = 100
	return int64(len(k.analysis)) + perEntry*int64(k.contents.Stats().Entries)
}

// encode writes it for the cache: head and contents, each with its length, and
// the analysis.
func (k *known) encode() ([]byte, error) {
	head, err := json.Marshal(k.knownHead)
	if err != nil {
		return nil, err
	}
	contents, err := k.contents.MarshalBinary()
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(head)+len(contents)+len(k.analysis)+2*binary.MaxVarintLen64)
	for _, part := range [][]byte{head, contents} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return append(b, k.analysis...), nil
}

// parseKnown is the reverse of encode. The bytes come from a cache that others
// can write to, so nothing in them is taken for granted.
func parseKnown(b []byte, id layerID) (*known, error) {
	k := new(known)
	head, b, err := cutPart(b)
	if err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	if err := wire.Decode(head, &k.knownHead); err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	if k.DiffID != id.diffID || len(k.Blobs) == 0 || len(k.Blobs) > maxBlobs {
		return nil, errors.New("it is about another layer")
	}
	contents, b, err := cutPart(b)
	if err != nil {
		return nil, fmt.Errorf("contents: %w", err)
	}
	if k.contents, err = layer.ParseContents(contents); err != nil {
		return nil, fmt.Errorf("contents: %w", err)
	}
	if len(b) == 0 {
		return nil, errors.New("it has no analysis")
	}
	k.analysis = bytes.Clone(b)
	return k, nil
}

func cutPart(b []byte) (part, rest []byte, err error) {
	n, width := binary.Uvarint(b)
	if width <= 0 || n > uint64(len(b)-width) {
		return nil, nil, errors.New("it is cut off")
	}
	b = b[width:]
	return b[:n], b[n:], nil
}
