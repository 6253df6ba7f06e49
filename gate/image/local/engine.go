package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/evidence"
)

// The engine's API has two requests that are needed: one for the ID of an image
// and one for its archive. Docker's client would bring its own reading of the
// environment, and 30 packages.
var (
	_ = register(evidence.SourceDocker, func(ctx context.Context, ref evidence.Reference, o *Options) (*image.Root, error) {
		return openEngine(ctx, ref, o, dockerEndpoint)
	})
	_ = register(evidence.SourcePodman, func(ctx context.Context, ref evidence.Reference, o *Options) (*image.Root, error) {
		return openEngine(ctx, ref, o, podmanEndpoint)
	})
)

const (
	maxEngineAnswer = 1 << 20 // of an answer that is no archive
	connectTimeout  = 10 * time.Second
	answerTimeout   = 2 * time.Minute // an engine packs an image before it sends the first byte
)

// openEngine asks an engine for the image's ID and then for the archive of that
// ID, so that a tag that moves in between changes nothing.
func openEngine(ctx context.Context, ref evidence.Reference, o *Options, where func(func(string) string) (*endpoint, error)) (*image.Root, error) {
	at, err := where(o.Getenv)
	if err != nil {
		return nil, &gate.Fault{Phase: gate.PhaseResolve, Err: fmt.Errorf("%s: %w", ref.Asked, err), Hint: hintOf(err)}
	}
	e := &engine{endpoint: at, client: at.httpClient()}
	defer e.client.CloseIdleConnections()
	root, err := e.open(ctx, ref, o)
	if err == nil {
		return root, nil
	}
	if _, ok := errors.AsType[*gate.Fault](err); ok {
		return nil, err
	}
	f := &gate.Fault{Phase: gate.PhaseResolve, Err: fmt.Errorf("%s in the engine at %s: %w", ref.Asked, at.name, err), Hint: hintOf(err)}
	if limit, ok := errors.AsType[*image.LimitError](err); ok {
		f.Hint = limit.Hint()
	}
	return nil, f
}

type engine struct {
	endpoint *endpoint
	client   *http.Client
}

func (e *engine) open(ctx context.Context, ref evidence.Reference, o *Options) (*image.Root, error) {
	name := image.Path(ref)
	if ref.Tag != "" {
		name += ":" + ref.Tag
	}
	id, err := e.id(ctx, name)
	if err != nil {
		return nil, err
	}
	resp, err := e.get(ctx, "/images/"+id+"/get")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a, err := spool(ctx, resp.Body, o)
	if err != nil {
		return nil, err
	}
	inArchiveOf := ref
	inArchiveOf.Tag = "" // the archive of an ID may hold no tags
	root, err := inArchive(ctx, inArchiveOf, a, &o.Limits)
	if err != nil {
		return nil, err
	}
	if got := root.Descriptor.Digest; got != id && configOf(root.Content) != id {
		return nil, image.Refuse("the engine sent the image %s instead of %s", got, id)
	}
	root.Endpoint = e.endpoint.name
	return root, nil
}

// configOf is the digest of a manifest's config: the ID of the image, unless
// the engine keeps images in containerd, where it is that of the manifest.
func configOf(manifest *image.Content) string {
	if manifest == nil {
		return ""
	}
	d, err := image.ParseDocument(manifest.Raw)
	if err != nil || d.Config == nil {
		return ""
	}
	return d.Config.Digest
}

// id asks for the ID of an image.
func (e *engine) id(ctx context.Context, name string) (string, error) {
	resp, err := e.get(ctx, "/images/"+name+"/json")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	raw, err := image.ReadAll(resp.Body, maxEngineAnswer)
	if err != nil {
		return "", fmt.Errorf("read its answer: %w", err)
	}
	var answer struct {
		ID string `json:"Id"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return "", image.Refuse("its answer is not that of an engine")
	}
	id := answer.ID
	if !strings.Contains(id, ":") {
		id = "sha256:" + id // podman
	}
	if err := image.CheckDigest(id); err != nil {
		return "", image.Refuse("its answer has no image ID: %v", err)
	}
	return id, nil
}

// get makes a request. Names hold slashes and colons, which engines take as they are.
func (e *engine) get(ctx context.Context, path string) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, (&url.URL{Scheme: e.endpoint.scheme(), Host: e.endpoint.host(), Path: path}).String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := e.client.Do(q)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return nil, &hinted{err: err, hint: "check that the engine runs and that this user may use its socket; " + e.endpoint.change}
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxEngineAnswer))
	var answer struct{ Message string }
	_ = json.Unmarshal(raw, &answer)
	if resp.StatusCode == http.StatusNotFound {
		return nil, &hinted{
			err:  errors.New("there is no such image"),
			hint: "build or pull it first, or leave out the prefix for the image in its registry (the image named docker is docker.io/library/docker)",
		}
	}
	return nil, image.Refuse("it answered %s: %s", resp.Status, image.Printable(answer.Message))
}

// httpClient returns a client that connects to the endpoint only. It uses no
// proxy and follows no redirect.
func (e *endpoint) httpClient() *http.Client {
	dialer := &net.Dialer{Timeout: connectTimeout}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSClientConfig: e.tls, TLSHandshakeTimeout: connectTimeout, ResponseHeaderTimeout: answerTimeout, DisableCompression: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, e.network, e.address)
			},
		},
	}
}

// hinted is an error with a cure.
type hinted struct {
	err  error
	hint string
}

// Error implements error.
func (h *hinted) Error() string { return h.err.Error() }

// Unwrap returns the cause.
func (h *hinted) Unwrap() error { return h.err }

func hintOf(err error) string {
	if h, ok := errors.AsType[*hinted](err); ok {
		return h.hint
	}
	return ""
}
