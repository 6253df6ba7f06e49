package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/promote"
)

// Repository is a repository as a promotion reads and writes it. It implements
// [promote.Target].
type Repository struct {
	client *Client
	remote *remote
	// api is true when the registry has answered once that it has the API for
	// referrers.
	api atomic.Bool
	// lists holds the subjects whose list in a tag needs no look before a referrer is
	// put.
	lists sync.Map
}

var _ promote.Target = (*Repository)(nil)

// Repository returns the repository that ref names: REGISTRY/REPOSITORY.
func (c *Client) Repository(ref string) (*Repository, error) {
	parsed, err := image.ParseRegistryReference(ref)
	if err != nil {
		return nil, err
	}
	return &Repository{client: c, remote: c.remote(parsed.Registry, parsed.Repository, gate.PhaseFetch)}, nil
}

// Name implements [promote.Repository].
func (r *Repository) Name() string { return r.remote.repo.name }

// Manifest implements [promote.Repository].
func (r *Repository) Manifest(ctx context.Context, digest string) (promote.Manifest, error) {
	return r.manifest(ctx, "", digest)
}

// Tag implements [promote.Repository].
func (r *Repository) Tag(ctx context.Context, tag string) (promote.Manifest, error) {
	return r.manifest(ctx, tag, "")
}

func (r *Repository) manifest(ctx context.Context, tag, digest string) (promote.Manifest, error) {
	got, err := r.remote.root(ctx, tag, digest)
	if err != nil {
		return promote.Manifest{}, orNotFound(err)
	}
	return promote.Manifest{
		Descriptor: promote.Descriptor{MediaType: mediaTypeOf(got), Digest: got.Digest, Size: int64(len(got.Raw))},
		Raw:        got.Raw,
	}, nil
}

// mediaTypeOf is what a document says that it is, otherwise what the registry says.
func mediaTypeOf(c *image.Content) string {
	var d struct {
		MediaType string `json:"mediaType"`
	}
	if json.Unmarshal(c.Raw, &d) == nil && d.MediaType != "" {
		return d.MediaType
	}
	return c.MediaType
}

// orNotFound is err, or [promote.ErrNotFound] for a 404.
func orNotFound(err error) error {
	if status, ok := errors.AsType[*statusError](err); ok && status.status == http.StatusNotFound {
		return fmt.Errorf("%w: %w", promote.ErrNotFound, err)
	}
	return err
}

// document is a manifest as go-containerregistry puts it.
type document struct{ promote.Manifest }

// RawManifest implements [ggcr.Taggable].
func (d document) RawManifest() ([]byte, error) { return d.Raw, nil }

// MediaType is the Content-Type of the request.
func (d document) MediaType() (types.MediaType, error) {
	return types.MediaType(d.Manifest.MediaType), nil
}

// PutManifest implements [promote.Target].
func (r *Repository) PutManifest(ctx context.Context, m promote.Manifest) error {
	if err := r.makeList(ctx, m); err != nil {
		return err
	}
	return r.put(ctx, m, "manifest "+m.Digest, func(repo name.Repository) name.Reference { return repo.Digest(m.Digest) })
}

// PutTag implements [promote.Target].
func (r *Repository) PutTag(ctx context.Context, tag string, m promote.Manifest) error {
	return r.put(ctx, m, "tag "+tag, func(repo name.Repository) name.Reference { return repo.Tag(tag) })
}

func (r *Repository) put(ctx context.Context, m promote.Manifest, what string, ref func(name.Repository) name.Reference) error {
	j := r.remote.job(image.KindManifest, r.remote.phase, fmt.Sprintf("put %s in %s", what, r.Name()))
	ctx, cancel := context.WithTimeoutCause(ctx, r.client.limits.DocumentTimeout, errTooSlow)
	defer cancel()
	return r.write(ctx, j, r.pushScopes(), func(repo name.Repository, options ...ggcr.Option) error {
		return r.writeProblem(ctx, j, ggcr.Put(ref(repo), document{m}, options...))
	})
}

func (r *Repository) pushScopes() []string {
	return []string{r.remote.repo.scope(transport.PushScope)}
}

// write lets go-containerregistry write, as often as it is worth to try. Each
// try begins anew: an upload that broke is not known to the registry.
func (r *Repository) write(ctx context.Context, j *job, scopes []string, do func(name.Repository, ...ggcr.Option) error) error {
	j.scopes, j.writes = scopes, true
	err := r.client.retry(ctx, j, func() error {
		t, err := r.remote.repo.open(ctx, j)
		if err != nil {
			return err
		}
		registry, err := r.remote.repo.host.registry(r.remote.repo.host.answer.Load().plain)
		if err != nil {
			return err
		}
		err = do(registry.Repo(r.remote.repo.path),
			ggcr.WithTransport(t), ggcr.WithContext(withJob(ctx, j)), ggcr.WithRetryBackoff(ggcr.Backoff{Steps: 1}))
		if fault, ok := errors.AsType[*gate.Fault](err); ok {
			return fault // of the source, without the words of net/http around it
		}
		if status, ok := errors.AsType[*statusError](err); ok && status.expired {
			r.remote.repo.forget(ctx, scopes)
		}
		return err
	})
	if err != nil {
		return r.client.fail(ctx, j, err)
	}
	return nil
}

// writeProblem is the error of go-containerregistry without the text of the answer.
func (r *Repository) writeProblem(ctx context.Context, j *job, err error) error {
	var answer *transport.Error
	var fault *gate.Fault
	var mismatch *image.MismatchError
	switch {
	case err == nil, errors.As(err, &fault):
		return err
	case errors.As(err, &mismatch):
		return mismatch
	case errors.As(err, &answer):
		return tokenProblem(err)
	}
	return r.client.problem(ctx, j, err)
}
