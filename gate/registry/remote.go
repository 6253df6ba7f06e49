package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
)

// reading is what is known of a document once its bytes are here.
type reading struct {
	raw         []byte
	digest      string // of raw
	contentType string // as the registry calls it, "" if it does not
}

// remote is one repository, as the place where an image is read from.
type remote struct {
	client *Client
	repo   *repo
	budget *budget
	phase  gate.Phase
}

func (c *Client) remote(ctx context.Context, registry, path string, phase gate.Phase) (*remote, error) {
	r, err := c.repo(ctx, registry, path)
	if err != nil {
		return nil, err
	}
	return &remote{client: c, repo: r, budget: newBudget(c.limits.Requests), phase: phase}, nil
}

func (r *remote) job(k kind, phase gate.Phase, what string) *job {
	r.budget.grant()
	return &job{kind: k, phase: phase, what: what, host: r.repo.host, budget: r.budget, secrets: nil}
}

// root reads what a tag or a digest names. For a tag this is the only request
// that is ever made: from here on only digests count. digest is what the
// reference demands, "" if it demands none.
func (r *remote) root(ctx context.Context, tag, digest string) (*reading, error) {
	name, separator := tag, ":"
	if digest != "" {
		name, separator = digest, "@"
	}
	j := r.job(kindManifest, r.phase, "manifest of "+r.repo.name+separator+name)
	got, err := r.document(ctx, j, "manifests/"+name, r.client.limits.ManifestSize, "manifest-size", digest, 0)
	if err != nil {
		return nil, err
	}
	return got, nil
}

// describedDocument reads a document that a descriptor names.
func (r *remote) describedDocument(ctx context.Context, k kind, d *descriptor) (*reading, error) {
	class, limit, name := "manifests/", r.client.limits.ManifestSize, "manifest-size"
	if k == kindConfig {
		class, limit, name = "blobs/", r.client.limits.ConfigSize, "config-size"
	}
	j := r.job(k, r.phase, fmt.Sprintf("%s %s of %s", k, d.Digest, r.repo.name))
	got, err := r.document(ctx, j, class+d.Digest, limit, name, d.Digest, d.Size)
	if err != nil {
		return nil, err
	}
	if k == kindConfig {
		got.contentType = "" // registries call every blob a stream of octets
	}
	return got, nil
}

// document reads a document to its end and compares it with the digest and the
// size that are expected of it; "" and 0 expect nothing.
func (r *remote) document(ctx context.Context, j *job, path string, limit int64, limitName, digest string, size int64) (*reading, error) {
	c := r.client
	tooLarge := &LimitError{Name: limitName, What: "its size", Limit: limit}
	if size > limit {
		return nil, c.fail(ctx, j, tooLarge)
	}
	if size > 0 {
		limit = size
	}
	var got *reading
	var header http.Header
	err := c.retry(ctx, j, func() error {
		timed, cancel := context.WithTimeoutCause(ctx, c.limits.DocumentTimeout, errTooSlow)
		defer cancel()
		resp, err := r.get(timed, j, path, http.Header{"Accept": {strings.Join(acceptedTypes(), ", ")}})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return statusOf(resp, time.Now())
		}
		raw, err := readAll(resp.Body, limit)
		header, got = resp.Header, &reading{raw: raw, digest: digestOf(raw, digest)}
		return err
	})
	if err == errTooLong {
		err = tooLarge
		if size > 0 {
			err = refuse("%s sent more than the %d bytes that its descriptor announces", r.repo.host.name, size)
		}
	}
	if err == nil {
		err = got.check(digest, size)
	}
	if err == nil && j.kind != kindConfig {
		got.contentType, err = checkHeader(got, header)
	}
	if err != nil {
		return nil, c.fail(ctx, j, err)
	}
	return got, nil
}

// check compares the bytes with what they should be.
func (g *reading) check(digest string, size int64) error {
	if digest != "" && g.digest != digest {
		return &mismatchError{want: digest, got: g.digest, size: int64(len(g.raw))}
	}
	if size > 0 && int64(len(g.raw)) != size {
		return refuse("it has %d bytes, and its descriptor announces %d", len(g.raw), size)
	}
	return nil
}

// mismatchError is content that is not what its digest says.
type mismatchError struct {
	want, got string
	size      int64
}

// Error implements error.
func (e *mismatchError) Error() string {
	return fmt.Sprintf("the content is not what its digest says: %d bytes with the digest %s came instead of %s", e.size, e.got, e.want)
}

// checkHeader compares a document with what the registry says of it: a registry
// that contradicts itself is broken, or there is somebody between us.
func checkHeader(g *reading, header http.Header) (contentType string, err error) {
	if claimed := header.Get("Docker-Content-Digest"); claimed != "" {
		if err := checkDigest(claimed); err != nil {
			return "", refuse("the registry's header Docker-Content-Digest: %v", err)
		}
		if got := digestOf(g.raw, claimed); got != claimed {
			return "", &mismatchError{want: claimed, got: got, size: int64(len(g.raw))}
		}
	}
	return mediaTypeOf(header.Get("Content-Type")), nil
}

// get asks for one path of the repository, with a fresh token if the one we
// have is not accepted any more.
func (r *remote) get(ctx context.Context, j *job, path string, header http.Header) (*http.Response, error) {
	stale, refused := "", (*challenge)(nil)
	for {
		authorization, err := r.repo.authorize(ctx, j, stale, refused)
		if err != nil {
			return nil, err
		}
		header.Del("Authorization")
		if authorization != "" {
			header.Set("Authorization", authorization)
		}
		to := r.repo.host.url("/v2/" + r.repo.path + "/" + path)
		resp, err := r.client.follow(ctx, j, to, header)
		if err != nil || resp.StatusCode != http.StatusUnauthorized || refused != nil || j.at != to {
			return resp, err
		}
		again := chooseChallenge(resp.Header.Values("WWW-Authenticate"))
		if again.scheme == "" || again.scheme == "basic" && authorization == r.repo.credential.basic() {
			return resp, nil // there is nothing new to show
		}
		discard(resp)
		stale, refused = authorization, &again
	}
}

// errTooLong is a body that goes on after its limit.
var errTooLong = errors.New("the answer is too long")

// readAll reads a body to its end. A body that is longer than limit is an
// error, whatever length it announces.
func readAll(body io.Reader, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(body, limit+1))
	if int64(len(raw)) > limit {
		return nil, errTooLong
	}
	return raw, err
}

// Manifest reads the manifest or index that ref names, for the advisory
// database: NAME[:TAG|@DIGEST]. It is verified against a digest in ref, and its
// media type against its content; what it names is not looked at.
func (c *Client) Manifest(ctx context.Context, ref string) (raw []byte, mediaType, digest string, err error) {
	parsed, err := parseRegistryReference(ref)
	if err != nil {
		return nil, "", "", err
	}
	r, err := c.remote(ctx, parsed.Registry, parsed.Repository, gate.PhaseDatabase)
	if err != nil {
		return nil, "", "", err
	}
	got, err := r.root(ctx, tagOf(parsed), parsed.Digest)
	if err != nil {
		return nil, "", "", err
	}
	d, err := parseDocument(got.raw, got.contentType)
	if err != nil {
		return nil, "", "", &gate.Fault{Phase: gate.PhaseDatabase, Err: fmt.Errorf("manifest of %s: %w", ref, err)}
	}
	return got.raw, d.mediaType(got.contentType), got.digest, nil
}

// Blob reads a blob of ref's repository, for the advisory database. The bytes
// are not verified, beyond that there are size of them: the caller must hash
// them to the end. A connection that breaks is taken up again where it broke.
func (c *Client) Blob(ctx context.Context, ref, digest string, size int64) (io.ReadCloser, error) {
	parsed, err := parseRegistryReference(ref)
	if err != nil {
		return nil, err
	}
	if err := checkDigest(digest); err != nil {
		return nil, err
	}
	r, err := c.remote(ctx, parsed.Registry, parsed.Repository, gate.PhaseDatabase)
	if err != nil {
		return nil, err
	}
	return r.blob(ctx, r.job(kindBlob, gate.PhaseDatabase, fmt.Sprintf("blob %s of %s", digest, r.repo.name)), digest, size)
}

// open implements origin.
func (r *remote) open(d *descriptor) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		return r.blob(ctx, r.job(kindLayer, gate.PhaseFetch, fmt.Sprintf("layer %s of %s", d.Digest, r.repo.name)), d.Digest, d.Size)
	}
}
