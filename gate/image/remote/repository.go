package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	kindReferrers image.Kind = "referrers"
	// maxPages bounds the pages of a list of referrers.
	maxPages = 100
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
	var status *statusError
	if errors.As(err, &status) && status.status == http.StatusNotFound {
		return fmt.Errorf("%w: %w", promote.ErrNotFound, err)
	}
	return err
}

// Referrers implements [promote.Repository]. A registry without the API keeps
// the list in a tag.
func (r *Repository) Referrers(ctx context.Context, digest string) ([]promote.Descriptor, error) {
	pages, listed, err := r.referrers(ctx, digest)
	if err != nil || listed {
		return pages, err
	}
	got, err := r.Tag(ctx, strings.Replace(digest, ":", "-", 1))
	if errors.Is(err, promote.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return manifestsOf(got.Raw)
}

// ListsInTags implements [promote.Target].
func (r *Repository) ListsInTags(ctx context.Context) (bool, error) {
	if r.api.Load() {
		return false, nil
	}
	_, listed, err := r.referrers(ctx, "sha256:"+strings.Repeat("0", 64))
	return !listed, err
}

// referrers asks the API for all pages. listed is false where there is no API.
func (r *Repository) referrers(ctx context.Context, digest string) (list []promote.Descriptor, listed bool, err error) {
	path, seen := "referrers/"+digest, map[string]bool{}
	for range maxPages {
		seen[path] = true
		page, next, err := r.page(ctx, path, digest)
		var status *statusError
		if errors.As(err, &status) && !listed {
			switch status.status {
			case http.StatusNotFound, http.StatusBadRequest, http.StatusNotAcceptable, http.StatusMethodNotAllowed:
				return nil, false, nil
			}
		}
		if err != nil {
			return nil, listed, err
		}
		list, listed = append(list, page...), true
		r.api.Store(true)
		switch {
		case next == "":
			return list, true, nil
		case seen[next]:
			// What is on the other pages is not known.
			return nil, true, fmt.Errorf("referrers of %s in %s: the pages of the list go round in a circle", digest, r.Name())
		}
		path = next
	}
	return nil, true, fmt.Errorf("referrers of %s in %s: the list has more than %d pages", digest, r.Name(), maxPages)
}

func (r *Repository) page(ctx context.Context, path, digest string) (list []promote.Descriptor, next string, err error) {
	m := r.remote
	j := m.job(kindReferrers, m.phase, "referrers of "+digest+" in "+m.repo.name)
	var raw []byte
	var header http.Header
	err = r.client.retry(ctx, j, func() error {
		timed, cancel := context.WithTimeoutCause(ctx, r.client.limits.DocumentTimeout, errTooSlow)
		defer cancel()
		resp, err := m.get(timed, j, path, http.Header{"Accept": {string(types.OCIImageIndex)}})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return statusOf(resp, time.Now())
		}
		header = resp.Header
		raw, err = image.ReadAll(resp.Body, r.client.limits.ManifestSize)
		return err
	})
	switch {
	case err != nil:
		return nil, "", r.client.fail(ctx, j, err)
	case image.MediaTypeOf(header.Get("Content-Type")) != string(types.OCIImageIndex):
		return nil, "", r.client.fail(ctx, j, &statusError{status: http.StatusNotAcceptable}) // a web page, for one
	}
	if list, err = manifestsOf(raw); err == nil {
		next, err = r.nextPage(path, header)
	}
	if err != nil {
		return nil, "", r.client.fail(ctx, j, err)
	}
	return list, next, nil
}

// nextPage reads a Link header: the path of the next page within the repository, ""
// after the last. A page that cannot be asked for is an error: what it lists would be
// lost without a word.
func (r *Repository) nextPage(path string, header http.Header) (string, error) {
	link := strings.TrimSpace(header.Get("Link"))
	address, rest, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !strings.Contains(strings.ReplaceAll(rest, `"`, ""), "rel=next") {
		return "", nil
	}
	prefix := "/v2/" + r.remote.repo.path + "/"
	here := r.remote.repo.host.url(prefix + path)
	here.Path, here.RawQuery, _ = strings.Cut(here.Path, "?")
	u, err := here.Parse(address)
	// The host of the address is not used: a registry behind a proxy may know itself
	// by another name.
	if err != nil || !strings.HasPrefix(u.Path, prefix) {
		return "", image.Refuse("the next page of the list is not in the repository: %s", words.Quote(address))
	}
	return strings.TrimPrefix(u.Path, prefix) + "?" + u.RawQuery, nil
}

func manifestsOf(raw []byte) ([]promote.Descriptor, error) {
	var index struct {
		Manifests []promote.Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, image.Refuse("the list of referrers is not an index")
	}
	return index.Manifests, nil
}

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
		return ggcr.Put(ref(repo), document{m}, options...)
	})
}

// makeList makes an empty list for the referrers of m's subject where the registry
// answers with something that is no list. GitLab's takes the tag of the list for the
// digest of the subject, and answers with the subject itself
// (https://github.com/oras-project/oras-go/issues/1396): go-containerregistry would
// add the referrer to a copy of that.
func (r *Repository) makeList(ctx context.Context, m promote.Manifest) error {
	var doc struct {
		Subject *promote.Descriptor `json:"subject"`
	}
	if json.Unmarshal(m.Raw, &doc) != nil || doc.Subject == nil || r.api.Load() {
		return nil
	}
	if _, known := r.lists.Load(doc.Subject.Digest); known {
		return nil
	}
	_, api, err := r.referrers(ctx, doc.Subject.Digest)
	if err != nil || api {
		return err
	}
	tag := strings.Replace(doc.Subject.Digest, ":", "-", 1)
	now, err := r.Tag(ctx, tag)
	if errors.Is(err, promote.ErrNotFound) || err == nil && now.Digest != doc.Subject.Digest {
		r.lists.Store(doc.Subject.Digest, true)
		return nil
	}
	if err != nil {
		return err
	}
	cure := fmt.Errorf("%s cannot list what refers to %s: it has no API for that, and answers its tag %s with the image itself. "+
		"Keep signatures there under the tags of cosign, or promote with --attachments none", r.Name(), doc.Subject.Digest, tag)
	raw := []byte(`{"schemaVersion":2,"mediaType":"` + string(types.OCIImageIndex) + `","manifests":[]}`)
	list := promote.Manifest{Raw: raw, Descriptor: promote.Descriptor{MediaType: string(types.OCIImageIndex), Digest: image.DigestOf(raw, doc.Subject.Digest), Size: int64(len(raw))}}
	if err := r.PutTag(ctx, tag, list); err != nil {
		return fmt.Errorf("%w: %w", cure, err)
	}
	if now, err = r.Tag(ctx, tag); err == nil && now.Digest == doc.Subject.Digest {
		return cure
	}
	return err
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
		return r.writeProblem(ctx, j, do(registry.Repo(r.remote.repo.path),
			ggcr.WithTransport(t), ggcr.WithContext(withJob(ctx, j)), ggcr.WithRetryBackoff(ggcr.Backoff{Steps: 1})))
	})
	if err != nil {
		return r.client.fail(ctx, j, err)
	}
	return nil
}

// writeProblem is err without the text of the answer.
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
