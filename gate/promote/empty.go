package promote

import (
	"context"
	"io"
	"strings"
)

// emptySource holds the empty blob that manifests without content name.
type emptySource struct{}

func (emptySource) Name() string { return "the empty blob" }

func (emptySource) Manifest(context.Context, string) (Manifest, error) {
	return Manifest{}, ErrNotFound
}

func (emptySource) Tag(context.Context, string) (Manifest, error) { return Manifest{}, ErrNotFound }

func (emptySource) Referrers(context.Context, string) ([]Descriptor, error) { return nil, nil }

func (emptySource) HasBlob(_ context.Context, d Descriptor) (bool, error) {
	return d.Digest == emptyDigest, nil
}

func (s emptySource) OpenBlob(ctx context.Context, d Descriptor) (io.ReadCloser, error) {
	if has, err := s.HasBlob(ctx, d); err != nil || !has {
		return nil, ErrNotFound
	}
	return io.NopCloser(strings.NewReader(emptyBlob)), nil
}
