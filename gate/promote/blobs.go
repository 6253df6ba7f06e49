package promote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
)

// Describe returns the descriptor of a document or blob.
func Describe(mediaType string, raw []byte) Descriptor {
	sum := sha256.Sum256(raw)
	return Descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(raw))}
}

// PutBlob stores a blob that is in memory, if the target does not have it.
func PutBlob(ctx context.Context, target Target, mediaType string, raw []byte) error {
	d := Describe(mediaType, raw)
	if has, err := target.HasBlob(ctx, d); err != nil || has {
		return err
	}
	return target.CopyBlob(ctx, d, blobs{d.Digest: raw})
}

// blobs is a repository that holds only blobs, by digest.
type blobs map[string][]byte

// Name implements [Repository].
func (blobs) Name() string { return "memory" }

// Manifest implements [Repository].
func (blobs) Manifest(context.Context, string) (Manifest, error) { return Manifest{}, ErrNotFound }

// Tag implements [Repository].
func (blobs) Tag(context.Context, string) (Manifest, error) { return Manifest{}, ErrNotFound }

// Referrers implements [Repository].
func (blobs) Referrers(context.Context, string) ([]Descriptor, error) { return nil, nil }

// HasBlob implements [Repository].
func (b blobs) HasBlob(_ context.Context, d Descriptor) (bool, error) {
	_, ok := b[d.Digest]
	return ok, nil
}

// OpenBlob implements [Repository].
func (b blobs) OpenBlob(_ context.Context, d Descriptor) (io.ReadCloser, error) {
	raw, ok := b[d.Digest]
	if !ok {
		return nil, ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(raw)), nil
}
