package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate/promote"
)

// blob is a blob of another repository as go-containerregistry uploads it.
type blob struct {
	ctx        context.Context //nolint:containedctx // v1.Layer has none
	from       promote.Repository
	descriptor promote.Descriptor
	digest     v1.Hash
	upload     *upload
}

// upload is what is known of the last upload of a blob, to go on with it when it breaks.
type upload struct {
	location *url.URL      // where the bytes were sent, nil when none were
	sent     *verifiedBlob // the bytes, nil when they cannot be read again from the middle
	furthest int64         // how much the registry had when it had most
}

// Digest implements [v1.Layer].
func (b *blob) Digest() (v1.Hash, error) { return b.digest, nil }

// DiffID implements [v1.Layer]. It is not asked for.
func (b *blob) DiffID() (v1.Hash, error) { return v1.Hash{}, errors.ErrUnsupported }

// Compressed implements [v1.Layer]. A new upload begins with it.
func (b *blob) Compressed() (io.ReadCloser, error) {
	body, err := b.from.OpenBlob(b.ctx, b.descriptor)
	if err != nil {
		return nil, err
	}
	b.upload.location = nil
	b.upload.sent, _ = body.(*verifiedBlob)
	return body, nil
}

// Uncompressed implements [v1.Layer]. It is not asked for.
func (b *blob) Uncompressed() (io.ReadCloser, error) { return nil, errors.ErrUnsupported }

// Size implements [v1.Layer].
func (b *blob) Size() (int64, error) { return b.descriptor.Size, nil }

// MediaType implements [v1.Layer].
func (b *blob) MediaType() (types.MediaType, error) {
	return types.MediaType(b.descriptor.MediaType), nil
}

// writeLayer uploads a blob, or lets the registry mount it where layer says so. An
// upload that broke is resumed where the registry knows how far it came.
func (r *Repository) writeLayer(ctx context.Context, b *blob, layer v1.Layer, scopes []string) error {
	j := r.remote.job(kindBlob, r.remote.phase, fmt.Sprintf("copy blob %s to %s", b.descriptor.Digest, r.Name()))
	j.upload = b.upload
	return r.write(ctx, j, scopes, func(repo name.Repository, options ...ggcr.Option) error {
		if done, err := r.resume(ctx, j, b); done || err != nil {
			return err
		}
		return r.writeProblem(ctx, j, ggcr.WriteLayer(repo, layer, options...))
	})
}

// resume goes on with an upload that broke, as the distribution specification says. It
// is not done where the registry does not keep a part, or does not say how much it has:
// the upload then begins anew. A registry that names more than it has does no harm: it
// compares the whole with the digest when the upload ends.
func (r *Repository) resume(ctx context.Context, j *job, b *blob) (done bool, err error) {
	marks, have := r.progress(ctx, j, b)
	if len(marks) == 0 {
		return false, nil
	}
	r.remote.budget.grant()
	if have-b.upload.furthest >= progressMade {
		b.upload.furthest, j.tries = have, 1
	}
	if have < b.descriptor.Size {
		if done, err := r.sendRest(ctx, j, b, marks, have); !done {
			return false, err
		}
	}
	commit := *b.upload.location
	query := commit.Query()
	query.Set("digest", b.descriptor.Digest)
	commit.RawQuery = query.Encode()
	resp, err := r.send(ctx, j, &http.Request{Method: http.MethodPut, URL: &commit, Body: http.NoBody})
	if err != nil {
		return false, err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return false, nil
	}
	has, err := r.HasBlob(ctx, b.descriptor) // compares the size
	return has, err
}

// progress asks the registry how much it has of an upload that broke. It returns the
// marks before that, none when the upload has to begin anew.
func (r *Repository) progress(ctx context.Context, j *job, b *blob) (marks []mark, have int64) {
	up := b.upload
	if up.location == nil || up.sent == nil {
		return nil, 0
	}
	resp, err := r.send(ctx, j, &http.Request{Method: http.MethodGet, URL: up.location})
	if err != nil {
		return nil, 0 // the next request meets the same problem, if it lasts
	}
	_ = resp.Body.Close()
	next, err := resp.Location()
	if resp.StatusCode != http.StatusNoContent || err != nil {
		return nil, 0
	}
	last, ok := strings.CutPrefix(strings.TrimPrefix(resp.Header.Get("Range"), "bytes="), "0-")
	end, err := strconv.ParseInt(last, 10, 64)
	// Registries write 0-0 for no byte and for one.
	if !ok || err != nil || end < 1 || end >= b.descriptor.Size {
		return nil, 0
	}
	up.location = next
	return up.sent.marksBefore(end + 1), end + 1
}

// sendRest sends the bytes from have on. The blob is read from the last mark before.
func (r *Repository) sendRest(ctx context.Context, j *job, b *blob, marks []mark, have int64) (done bool, err error) {
	source, ok := b.from.(*Repository)
	if !ok {
		return false, nil
	}
	rest, err := source.openBlob(ctx, b.descriptor, marks)
	if err != nil {
		return false, err
	}
	if _, err := io.CopyN(io.Discard, rest, have-rest.offset); err != nil {
		_ = rest.Close()
		return false, err
	}
	size := b.descriptor.Size
	b.upload.sent = rest
	resp, err := r.send(ctx, j, &http.Request{
		Method: http.MethodPatch, URL: b.upload.location, Body: rest, ContentLength: size - have,
		Header: http.Header{"Content-Range": {fmt.Sprintf("%d-%d", have, size-1)}},
	})
	if err != nil {
		return false, err
	}
	_ = resp.Body.Close()
	next, err := resp.Location()
	if resp.StatusCode/100 != 2 || err != nil {
		return false, nil
	}
	b.upload.location = next
	return true, nil
}

// send makes one request about an upload.
func (r *Repository) send(ctx context.Context, j *job, q *http.Request) (*http.Response, error) {
	t, err := r.remote.repo.open(ctx, j)
	if err != nil {
		return nil, err
	}
	q.Host = q.URL.Host
	if q.Header == nil {
		q.Header = http.Header{}
	}
	if q.Method != http.MethodGet {
		q.Header.Set("Content-Type", "application/octet-stream")
	}
	return r.client.do(ctx, j, t, q)
}
