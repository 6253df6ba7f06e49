package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

// ID is what makes two layers the same work: the hash of the archive, and what is
// looked for in it.
type ID struct {
	DiffID string
	Need   evidence.Need
}

// Layer is everything that an image needs of one of its layers. It is immutable
// and shared by all images that have the layer.
type Layer struct {
	Head
	Contents *layer.Contents
	// Analysis is what the worker found, in a form that only it reads.
	Analysis []byte
	// Doubtful is true when an analyzer complained of the machine.
	Doubtful bool
}

// Head is the part of a layer that decides whether the rest can be used.
type Head struct {
	DiffID string `json:"diffID"`
	// Blobs are the stored forms of the layer that were read to their last byte
	// and found to be this archive. A manifest can name any blob beside any
	// diffID; what is not on this list is read before it is believed.
	Blobs []Blob `json:"blobs"`
	// Jars is true when some of the layer's files can be identified only through
	// the Java database, and JavaDatabase is the hash of the one that was asked,
	// "" when there was none.
	Jars         bool   `json:"jars,omitempty"`
	JavaDatabase string `json:"javaDatabase,omitempty"`
}

// Blob is one stored form of a layer.
type Blob struct {
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

// Find returns the form that a manifest announces as b, nil when it was never
// read.
func (l *Layer) Find(b Blob) *Blob {
	for i := range l.Blobs {
		if f := &l.Blobs[i]; f.Digest == b.Digest && f.MediaType == b.MediaType && f.Size == b.Size {
			return f
		}
	}
	return nil
}

// with returns a copy that knows one more form.
func (l *Layer) with(b Blob) *Layer {
	c := *l
	c.Blobs = append(slices.Clone(l.Blobs), b)
	if extra := len(c.Blobs) - maxBlobs; extra > 0 {
		c.Blobs = c.Blobs[extra:]
	}
	return &c
}

// asksJava reports whether the Java database decides what is found in the layer.
func (l *Layer) asksJava(id ID) bool { return l.Jars && id.Need.Has(evidence.NeedJava) }

// cost estimates how much memory it takes.
func (l *Layer) cost() int64 {
	const perEntry = 100
	return int64(len(l.Analysis)) + perEntry*int64(l.Contents.Stats().Entries)
}

// encode writes it for the cache: head and contents, each with its length, and
// the analysis.
func (l *Layer) encode() ([]byte, error) {
	head, err := strictjson.Marshal(l.Head)
	if err != nil {
		return nil, err
	}
	contents, err := l.Contents.MarshalBinary()
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(head)+len(contents)+len(l.Analysis)+2*binary.MaxVarintLen64)
	for _, part := range [][]byte{head, contents} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return append(b, l.Analysis...), nil
}

// parse is the reverse of encode. The bytes come from a cache that others
// can write to, so nothing in them is taken for granted.
func parse(b []byte, id ID) (*Layer, error) {
	l := new(Layer)
	head, b, err := cutPart(b)
	if err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	if err := strictjson.Unmarshal(head, &l.Head); err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	if l.DiffID != id.DiffID || len(l.Blobs) == 0 || len(l.Blobs) > maxBlobs {
		return nil, errors.New("it is about another layer")
	}
	contents, b, err := cutPart(b)
	if err != nil {
		return nil, fmt.Errorf("contents: %w", err)
	}
	if l.Contents, err = layer.ParseContents(contents); err != nil {
		return nil, fmt.Errorf("contents: %w", err)
	}
	if len(b) == 0 {
		return nil, errors.New("it has no analysis")
	}
	l.Analysis = bytes.Clone(b)
	return l, nil
}

func cutPart(b []byte) (part, rest []byte, err error) {
	n, width := binary.Uvarint(b)
	if width <= 0 || n > uint64(len(b)-width) {
		return nil, nil, errors.New("it is cut off")
	}
	b = b[width:]
	return b[:n], b[n:], nil
}
