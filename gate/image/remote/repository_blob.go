package remote

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/promote"
)

// HasBlob implements [promote.Repository].
func (r *Repository) HasBlob(ctx context.Context, d promote.Descriptor) (bool, error) {
	m := r.remote
	j := m.job(kindBlob, m.phase, fmt.Sprintf("blob %s of %s", d.Digest, m.repo.name))
	has := false
	err := r.client.retry(ctx, j, func() error {
		timed, cancel := context.WithTimeoutCause(ctx, r.client.limits.DocumentTimeout, errTooSlow)
		defer cancel()
		resp, err := m.request(timed, j, http.MethodHead, "blobs/"+d.Digest, http.Header{})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		has = resp.StatusCode == http.StatusOK
		switch {
		case !has && resp.StatusCode != http.StatusNotFound:
			return statusOf(resp, time.Now())
		case has && resp.ContentLength >= 0 && resp.ContentLength != d.Size:
			return image.Refuse("it has %d bytes there, and its descriptor announces %d", resp.ContentLength, d.Size)
		}
		return nil
	})
	if err != nil {
		return false, r.client.fail(ctx, j, err)
	}
	return has, nil
}

// OpenBlob implements [promote.Repository]. The last read fails if the bytes do
// not have the digest.
func (r *Repository) OpenBlob(ctx context.Context, d promote.Descriptor) (io.ReadCloser, error) {
	m := r.remote
	body, err := m.blob(ctx, m.job(kindBlob, m.phase, fmt.Sprintf("blob %s of %s", d.Digest, m.repo.name)), d.Digest, d.Size)
	if err != nil {
		return nil, orNotFound(err)
	}
	return &verifiedBlob{ReadCloser: body, descriptor: d, sum: image.NewHash(d.Digest)}, nil
}

// verifiedBlob compares what was read with the digest, at the end.
type verifiedBlob struct {
	io.ReadCloser
	descriptor promote.Descriptor
	sum        hash.Hash
}

// Read implements [io.Reader].
func (b *verifiedBlob) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.sum.Write(p[:n])
	if err == io.EOF {
		if got := image.SumOf(b.sum, b.descriptor.Digest); got != b.descriptor.Digest {
			return n, &image.MismatchError{Want: b.descriptor.Digest, Got: got, Size: b.descriptor.Size}
		}
	}
	return n, err
}

// CopyBlob implements [promote.Target].
func (r *Repository) CopyBlob(ctx context.Context, d promote.Descriptor, from promote.Repository) error {
	digest, err := v1.NewHash(d.Digest)
	if err != nil {
		return err
	}
	layer := &blob{ctx: ctx, from: from, descriptor: d, digest: digest}
	if source, ok := from.(*Repository); ok && source.remote.repo.host == r.remote.repo.host {
		err := r.mountBlob(ctx, layer, source)
		var answer *statusError
		if err == nil || !errors.As(err, &answer) || answer.status/100 != 4 {
			return err
		}
		// A token server may refuse a token for both repositories: the credentials of
		// the target need not be those of the source.
	}
	return r.writeLayer(ctx, layer, d, r.pushScopes())
}

// mountBlob lets the registry mount a blob of another of its repositories, if the
// token lets us read it there. Otherwise the blob is uploaded.
func (r *Repository) mountBlob(ctx context.Context, layer *blob, source *Repository) error {
	registry, err := r.remote.repo.host.registry(false)
	if err != nil {
		return err
	}
	scopes := append(r.pushScopes(), source.remote.repo.scope(transport.PullScope))
	mountable := &ggcr.MountableLayer{Layer: layer, Reference: registry.Repo(source.remote.repo.path).Digest(layer.descriptor.Digest)}
	return r.writeLayer(ctx, mountable, layer.descriptor, scopes)
}

func (r *Repository) writeLayer(ctx context.Context, layer v1.Layer, d promote.Descriptor, scopes []string) error {
	j := r.remote.job(kindBlob, r.remote.phase, fmt.Sprintf("copy blob %s to %s", d.Digest, r.Name()))
	return r.write(ctx, j, scopes, func(repo name.Repository, options ...ggcr.Option) error {
		return ggcr.WriteLayer(repo, layer, options...)
	})
}

// blob is a blob of another repository as go-containerregistry uploads it.
type blob struct {
	ctx        context.Context //nolint:containedctx // v1.Layer has none
	from       promote.Repository
	descriptor promote.Descriptor
	digest     v1.Hash
}

// Digest implements [v1.Layer].
func (b *blob) Digest() (v1.Hash, error) { return b.digest, nil }

// DiffID implements [v1.Layer]. It is not asked for.
func (b *blob) DiffID() (v1.Hash, error) { return v1.Hash{}, errors.ErrUnsupported }

// Compressed implements [v1.Layer].
func (b *blob) Compressed() (io.ReadCloser, error) { return b.from.OpenBlob(b.ctx, b.descriptor) }

// Uncompressed implements [v1.Layer]. It is not asked for.
func (b *blob) Uncompressed() (io.ReadCloser, error) { return nil, errors.ErrUnsupported }

// Size implements [v1.Layer].
func (b *blob) Size() (int64, error) { return b.descriptor.Size, nil }

// MediaType implements [v1.Layer].
func (b *blob) MediaType() (types.MediaType, error) {
	return types.MediaType(b.descriptor.MediaType), nil
}
