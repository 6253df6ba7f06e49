package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

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

// OpenBlob implements [promote.Repository]. The last bytes are returned only if all
// of them have the digest.
func (r *Repository) OpenBlob(ctx context.Context, d promote.Descriptor) (io.ReadCloser, error) {
	b, err := r.openBlob(ctx, d, nil)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// openBlob opens a blob at the last of the marks, at its begin when there are none.
func (r *Repository) openBlob(ctx context.Context, d promote.Descriptor, marks []mark) (*verifiedBlob, error) {
	m, b := r.remote, newVerifiedBlob(d, marks)
	body, err := m.blob(ctx, m.job(kindBlob, m.phase, fmt.Sprintf("blob %s of %s", d.Digest, m.repo.name)), d.Digest, d.Size, b.offset)
	if err != nil {
		return nil, orNotFound(err)
	}
	b.ReadCloser = body
	return b, nil
}

// CopyBlob implements [promote.Target].
func (r *Repository) CopyBlob(ctx context.Context, d promote.Descriptor, from promote.Repository) error {
	digest, err := v1.NewHash(d.Digest)
	if err != nil {
		return err
	}
	layer := &blob{ctx: ctx, from: from, descriptor: d, digest: digest, upload: &upload{}}
	if source, ok := from.(*Repository); ok && source.remote.repo.host == r.remote.repo.host {
		err := r.mountBlob(ctx, layer, source)
		var answer *statusError
		if err == nil || !errors.As(err, &answer) || answer.status/100 != 4 {
			return err
		}
		// A token server may refuse a token for both repositories: the credentials of
		// the target need not be those of the source.
	}
	return r.writeLayer(ctx, layer, layer, r.pushScopes())
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
	return r.writeLayer(ctx, layer, mountable, scopes)
}
