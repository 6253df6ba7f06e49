package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/evidence"
)

// remote is one repository, as the place where an image is read from.
type remote struct {
	client *Client
	repo   *repo
	budget *budget
	phase  gate.Phase
}

// Open implements [image.Source].
func (c *Client) Open(ctx context.Context, ref evidence.Reference) (*image.Root, error) {
	from := c.remote(ref.Registry, ref.Repository, gate.PhaseResolve)
	content, err := from.root(ctx, image.TagOf(ref), ref.Digest)
	if err != nil {
		return nil, err
	}
	return &image.Root{From: from, Name: ref.Asked, Content: content, Descriptor: image.Descriptor{Digest: content.Digest}}, nil
}

func (c *Client) remote(registry, path string, phase gate.Phase) *remote {
	return &remote{client: c, repo: c.repo(registry, path), budget: newBudget(c.limits.Requests), phase: phase}
}

func (r *remote) job(k image.Kind, phase gate.Phase, what string) *job {
	r.budget.grant()
	return &job{kind: k, phase: phase, what: what, host: r.repo.host, repo: r.repo.name, budget: r.budget}
}

// root reads what a tag or a digest names. For a tag this is the only request
// that is ever made: from here on only digests count. digest is what the
// reference demands, "" if it demands none.
func (r *remote) root(ctx context.Context, tag, digest string) (*image.Content, error) {
	name, separator := tag, ":"
	if digest != "" {
		name, separator = digest, "@"
	}
	j := r.job(image.KindManifest, r.phase, "manifest of "+r.repo.name+separator+name)
	return r.document(ctx, j, "manifests/"+name, r.client.limits.ManifestSize, "manifest-size", digest, 0)
}

// Document reads a document that a descriptor names.
func (r *remote) Document(ctx context.Context, k image.Kind, d *image.Descriptor) (*image.Content, error) {
	class, limit, name := "manifests/", r.client.limits.ManifestSize, "manifest-size"
	if k == image.KindConfig {
		class, limit, name = "blobs/", r.client.limits.ConfigSize, "config-size"
	}
	j := r.job(k, r.phase, fmt.Sprintf("%s %s of %s", k, d.Digest, r.repo.name))
	got, err := r.document(ctx, j, class+d.Digest, limit, name, d.Digest, d.Size)
	if err != nil {
		return nil, err
	}
	if k == image.KindConfig {
		got.MediaType = "" // registries call every blob a stream of octets
	}
	return got, nil
}

// document reads a document to its end and compares it with the digest and the
// size that are expected of it; "" and 0 expect nothing.
func (r *remote) document(ctx context.Context, j *job, path string, limit int64, limitName, digest string, size int64) (*image.Content, error) {
	c := r.client
	tooLarge := &image.LimitError{Name: limitName, What: "its size", Limit: limit}
	if size > limit {
		return nil, c.fail(ctx, j, tooLarge)
	}
	if size > 0 {
		limit = size
	}
	var body []byte
	var header http.Header
	err := c.retry(ctx, j, func() error {
		timed, cancel := context.WithTimeoutCause(ctx, c.limits.DocumentTimeout, errTooSlow)
		defer cancel()
		resp, err := r.get(timed, j, path, http.Header{"Accept": {strings.Join(image.AcceptedTypes(), ", ")}})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return statusOf(resp, time.Now())
		}
		raw, err := image.ReadAll(resp.Body, limit)
		header, body = resp.Header, raw
		return err
	})
	if err == image.ErrTooLong {
		err = tooLarge
		if size > 0 {
			err = image.Refuse("%s sent more than the %d bytes that its descriptor announces", r.repo.host.name, size)
		}
	}
	var got *image.Content
	if err == nil {
		got, err = image.NewContent(body, digest, size)
	}
	if err == nil && j.kind != image.KindConfig {
		got.MediaType, err = checkHeader(got, header)
	}
	if err != nil {
		return nil, c.fail(ctx, j, err)
	}
	return got, nil
}

// checkHeader compares a document with the headers of its answer. If they differ,
// the registry is broken or a proxy changed the answer.
func checkHeader(g *image.Content, header http.Header) (contentType string, err error) {
	if claimed := header.Get("Docker-Content-Digest"); claimed != "" {
		if err := image.CheckDigest(claimed); err != nil {
			return "", image.Refuse("the registry's header Docker-Content-Digest: %v", err)
		}
		if got := image.DigestOf(g.Raw, claimed); got != claimed {
			return "", &image.MismatchError{Want: claimed, Got: got, Size: int64(len(g.Raw))}
		}
	}
	return image.MediaTypeOf(header.Get("Content-Type")), nil
}

// get asks for one path of the repository.
func (r *remote) get(ctx context.Context, j *job, path string, header http.Header) (*http.Response, error) {
	return r.request(ctx, j, http.MethodGet, path, header)
}

func (r *remote) request(ctx context.Context, j *job, method, path string, header http.Header) (*http.Response, error) {
	for first := true; ; first = false {
		t, err := r.repo.open(ctx, j)
		if err != nil {
			return nil, err
		}
		path, query, _ := strings.Cut(path, "?")
		u := r.repo.host.url("/v2/" + r.repo.path + "/" + path)
		u.RawQuery = query
		resp, err := r.client.do(ctx, j, t, &http.Request{Method: method, URL: u, Header: header.Clone(), Host: u.Host})
		if err != nil || !first || !r.repo.relearn(ctx, j, resp) {
			return resp, err
		}
	}
}

// Manifest reads the manifest or index that ref names, for the advisory
// database: NAME[:TAG|@DIGEST]. It is verified against a digest in ref, and its
// media type against its content; what it names is not looked at.
func (c *Client) Manifest(ctx context.Context, ref string) (raw []byte, mediaType, digest string, err error) {
	parsed, err := image.ParseRegistryReference(ref)
	if err != nil {
		return nil, "", "", err
	}
	r := c.remote(parsed.Registry, parsed.Repository, gate.PhaseDatabase)
	got, err := r.root(ctx, image.TagOf(parsed), parsed.Digest)
	if err != nil {
		return nil, "", "", err
	}
	d, err := image.ParseDocument(got.Raw, got.MediaType)
	if err != nil {
		return nil, "", "", &gate.Fault{Phase: gate.PhaseDatabase, Err: fmt.Errorf("manifest of %s: %w", ref, err)}
	}
	return got.Raw, d.MediaType(got.MediaType), got.Digest, nil
}

// Blob reads a blob of ref's repository, for the advisory database. The bytes
// are not verified, beyond that there are size of them: the caller must hash
// them to the end. A connection that breaks is taken up again where it broke.
func (c *Client) Blob(ctx context.Context, ref, digest string, size int64) (io.ReadCloser, error) {
	parsed, err := image.ParseRegistryReference(ref)
	if err != nil {
		return nil, err
	}
	if err := image.CheckDigest(digest); err != nil {
		return nil, err
	}
	r := c.remote(parsed.Registry, parsed.Repository, gate.PhaseDatabase)
	return r.blob(ctx, r.job(kindBlob, gate.PhaseDatabase, fmt.Sprintf("blob %s of %s", digest, r.repo.name)), digest, size, 0)
}

// Layer implements [image.Origin].
func (r *remote) Layer(d *image.Descriptor) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		return r.blob(ctx, r.job(image.KindLayer, gate.PhaseFetch, fmt.Sprintf("layer %s of %s", d.Digest, r.repo.name)), d.Digest, d.Size, 0)
	}
}
