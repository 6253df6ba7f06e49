package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/words"
)

// host is one registry.
type host struct {
	name   string                 // as in addresses: index.docker.io, localhost:5000
	inside atomic.Bool            // it is in a private network or on this machine
	answer atomic.Pointer[answer] // to the ping, nil until there is one

	// lock guards what follows. It is a channel, so that waiting for it ends
	// with the context.
	lock     chan struct{}
	failed   error // of the last ping
	failedAt time.Time
	repos    map[string]*repo
}

// answer is what a registry answers to the ping. It is asked once;
// go-containerregistry, which asks again for each repository, gets the same answer.
type answer struct {
	plain  bool // the registry is spoken to without TLS
	status int
	header http.Header
	realm  *url.URL // of the token server, nil if there is none
}

// url is an address on the host.
func (h *host) url(path string) *url.URL {
	scheme := "https"
	if a := h.answer.Load(); a != nil && a.plain {
		scheme = "http"
	}
	return &url.URL{Scheme: scheme, Host: h.name, Path: path}
}

// named reports whether u is on the machine that the user named, at any port.
func (h *host) named(u *url.URL) bool {
	return strings.EqualFold(u.Hostname(), (&url.URL{Host: h.name}).Hostname())
}

// registry is the host as go-containerregistry names it.
func (h *host) registry(plain bool) (name.Registry, error) {
	var options []name.Option
	if plain {
		options = append(options, name.Insecure)
	}
	return name.NewRegistry(h.name, options...)
}

func acquire(ctx context.Context, lock chan struct{}) error {
	select {
	case lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// host returns the one record of a registry.
func (c *Client) host(name string) *host {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.hosts[name]
	if !ok {
		h = &host{name: name, lock: make(chan struct{}, 1), repos: map[string]*repo{}}
		c.hosts[name] = h
	}
	return h
}

// step is a job that has to be done before j can be.
func (j *job) step(k image.Kind, what string) *job {
	return &job{kind: k, phase: j.phase, what: what, host: j.host, repo: j.repo, budget: j.budget, credentials: j.credentials, secrets: j.secrets}
}

// ping asks the registry how it wants to be asked, once. Those that waited while
// it failed, since the time began, share the failure: otherwise the waits would
// add up.
func (c *Client) ping(ctx context.Context, j *job, began time.Time) error {
	h := j.host
	if err := acquire(ctx, h.lock); err != nil {
		return err
	}
	defer func() { <-h.lock }()
	if h.answer.Load() != nil {
		return nil
	}
	if h.failed != nil && h.failedAt.After(began) {
		return h.failed
	}
	err := c.pingHost(ctx, j)
	if ctx.Err() == nil {
		h.failed, h.failedAt = err, time.Now()
	}
	return err
}

// pingHost asks h, without TLS if that is right.
func (c *Client) pingHost(ctx context.Context, j *job) error {
	p := j.step(kindPing, "ping "+j.host.name)
	ctx, cancel := context.WithTimeoutCause(ctx, c.limits.DocumentTimeout, errTooSlow)
	defer cancel()
	at := j.host.url("/v2/")
	if listed(c.plainHTTP, at) {
		at.Scheme = "http"
	}
	once := func() error { return c.pingOnce(ctx, p, at) }
	if at.Scheme == "https" && isLoopback(at) {
		// Loopback may do without TLS: no other machine can listen.
		if err := once(); err == nil {
			return nil
		} else if speaksNoTLS(err) {
			at.Scheme = "http"
		}
	}
	if err := c.retry(ctx, p, once); err != nil {
		return c.fail(ctx, p, err)
	}
	return nil
}

// speaksNoTLS reports whether a handshake failed because the other side does
// not take part in it.
func speaksNoTLS(err error) bool {
	var record tls.RecordHeaderError
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &record) ||
		errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

func (c *Client) pingOnce(ctx context.Context, p *job, at *url.URL) error {
	resp, err := c.do(ctx, p, http.DefaultTransport, (&http.Request{Method: http.MethodGet, URL: at, Header: http.Header{}, Host: at.Host}))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusUnauthorized {
		return statusOf(resp, time.Now())
	}
	_ = resp.Body.Close() // it is not needed, and it may never end
	return c.learn(ctx, p, &answer{plain: at.Scheme == "http", status: resp.StatusCode, header: resp.Header})
}

// learn keeps an answer, and finds out whether it names a token server.
func (c *Client) learn(ctx context.Context, j *job, a *answer) error {
	registry, err := j.host.registry(a.plain)
	if err != nil {
		return err
	}
	challenge, err := transport.Ping(ctx, registry, a)
	if err != nil {
		return err
	}
	if strings.EqualFold(challenge.Scheme, "bearer") {
		a.realm, _ = url.Parse(challenge.Parameters["realm"])
	}
	j.host.answer.Store(a)
	return nil
}

// relearn learns from the answer to a request how the registry wants to be
// asked: some ask for no credentials at the ping, and for a token later. It
// reports whether it is worth to ask again.
func (r *repo) relearn(ctx context.Context, j *job, resp *http.Response) bool {
	a := r.host.answer.Load()
	if resp.StatusCode != http.StatusUnauthorized || a.realm != nil || j.at.Host != r.host.name || acquire(ctx, r.lock) != nil {
		return false
	}
	defer func() { <-r.lock }()
	if r.client.learn(ctx, j, &answer{plain: a.plain, status: resp.StatusCode, header: resp.Header}) != nil || r.host.answer.Load().realm == nil {
		return false
	}
	clear(r.transports)
	_ = resp.Body.Close()
	return true
}

// RoundTrip answers a ping of go-containerregistry.
func (a *answer) RoundTrip(q *http.Request) (*http.Response, error) {
	if a == nil || a.plain != (q.URL.Scheme == "http") {
		return nil, errors.New("the registry is spoken to by another scheme")
	}
	return &http.Response{StatusCode: a.status, Header: a.header.Clone(), Body: http.NoBody, Request: q}, nil
}

// isToken reports whether u is the token server's address.
func (a *answer) isToken(u *url.URL) bool {
	return a != nil && a.realm != nil && a.realm.Host != "" && u.Scheme == a.realm.Scheme && u.Host == a.realm.Host && u.Path == a.realm.Path
}

// repo is one repository and the right to use it.
type repo struct {
	client *Client
	host   *host
	path   string
	name   string // for messages: as the user knows it

	// lock guards what follows.
	lock       chan struct{}
	credential *credential
	transports map[string]http.RoundTripper // by scopes; each has a token
}

func (c *Client) repo(registry, path string) *repo {
	h := c.host(image.APIHost(registry))
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := h.repos[path]
	if !ok {
		r = &repo{
			client: c, host: h, path: path, name: registry + "/" + path,
			lock: make(chan struct{}, 1), transports: map[string]http.RoundTripper{},
		}
		h.repos[path] = r
	}
	return r
}

// scope is what a token for the repository has to allow.
func (r *repo) scope(actions string) string { return "repository:" + r.path + ":" + actions }

// open returns a transport that presents the credentials, or a token for the
// job's scopes. The first call asks the registry and its token server.
func (r *repo) open(ctx context.Context, j *job) (http.RoundTripper, error) {
	began := time.Now()
	if err := acquire(ctx, r.lock); err != nil {
		return nil, err
	}
	defer func() { <-r.lock }()
	c := r.client
	if r.credential == nil {
		credential, err := c.keys.find(ctx, r.host.name, r.path)
		if err != nil {
			return nil, err
		}
		r.credential = credential
	}
	j.credentials, j.secrets = r.credential.source, r.credential.secrets()
	if err := c.ping(ctx, j, began); err != nil {
		return nil, err
	}
	scopes := j.scopes
	if len(scopes) == 0 {
		scopes = []string{r.scope(transport.PullScope)}
	}
	key := strings.Join(scopes, " ")
	if t := r.transports[key]; t != nil {
		return t, nil
	}
	t, err := r.authorize(ctx, j, scopes)
	if err != nil {
		return nil, c.fail(ctx, j.step(kindToken, "token for "+r.name), err)
	}
	r.transports[key] = t
	return t, nil
}

// forget drops the token for scopes, so that the next call of open asks for a new one.
func (r *repo) forget(ctx context.Context, scopes []string) {
	if acquire(ctx, r.lock) == nil {
		delete(r.transports, strings.Join(scopes, " "))
		<-r.lock
	}
}

func (r *repo) authorize(ctx context.Context, j *job, scopes []string) (http.RoundTripper, error) {
	ctx, cancel := context.WithTimeoutCause(withJob(ctx, j), r.client.limits.DocumentTimeout, errTooSlow)
	defer cancel()
	registry, err := r.host.registry(r.host.answer.Load().plain)
	if err != nil {
		return nil, err
	}
	t, err := transport.NewWithContext(ctx, registry, r.credential.authenticator(), &guard{r.client}, slices.Clone(scopes))
	if err != nil {
		return nil, tokenProblem(err)
	}
	return t, nil
}

var errNoToken = image.Refuse("the answer of the token server holds no token")

// tokenProblem is err without the text of the answer, which go-containerregistry
// quotes: it may hold a refresh token.
func tokenProblem(err error) error {
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		e := &statusError{status: answer.StatusCode}
		if len(answer.Errors) > 0 {
			e.text = diagnosed(string(answer.Errors[0].Code), answer.Errors[0].Message)
		}
		return e
	}
	var exchange *exchangeError
	switch text := err.Error(); {
	case errors.As(err, &exchange):
		return exchange.err
	case strings.Contains(text, "refusing token-server redirect"):
		return fmt.Errorf("%w: the token server redirects to where credentials must not go", errAddress)
	case strings.Contains(text, "Location header"):
		return image.Refuse("the token server redirects to something that is no address")
	case strings.HasPrefix(text, "invalid realm"), strings.HasPrefix(text, "malformed www-authenticate"):
		return fmt.Errorf("%w: the registry names a token server that is not to be trusted with credentials", errAddress)
	}
	return errNoToken
}

// checkRedirect follows the registry's redirects within the limits. The ping's
// must stay on their host: the answer decides where credentials go.
func (c *Client) checkRedirect(q *http.Request, via []*http.Request) error {
	first := via[0]
	switch j := jobOf(q.Context()); {
	case int64(len(via)) > c.limits.Redirects:
		return &image.LimitError{Name: "redirects", What: "the number of redirects", Limit: c.limits.Redirects}
	case j.kind == kindPing && (q.URL.Host != first.URL.Host || q.URL.Scheme != first.URL.Scheme):
		return image.Refuse("the registry says that it is at %s: name that host in the reference", words.Quote(q.URL.Host))
	}
	return nil
}

// do makes a request and follows its redirects. t presents the credentials; it
// is ignored for a ping, which has none.
func (c *Client) do(ctx context.Context, j *job, t http.RoundTripper, q *http.Request) (*http.Response, error) {
	if j.kind == kindPing {
		t = &guard{c}
	}
	client := &http.Client{Transport: t, CheckRedirect: c.checkRedirect}
	resp, err := client.Do(q.WithContext(withJob(ctx, j)))
	if err == nil {
		return resp, nil
	}
	return nil, c.problem(ctx, j, err)
}

// problem takes the wrapping of net/http off an error, whose address may hold a
// signature.
func (c *Client) problem(ctx context.Context, j *job, err error) error {
	var exchange *exchangeError
	var limit *image.LimitError
	var refused *image.Refusal
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &exchange):
		return exchange.err
	case errors.As(err, &limit), errors.As(err, &refused):
		return innermost(err)
	case strings.Contains(err.Error(), "Location header"):
		return image.Refuse("the answer is a redirect to something that is no address")
	case j.kind == kindPing, j.kind == kindFile:
		return innermost(err)
	}
	return c.fail(ctx, j.step(kindToken, "token for "+j.repo), tokenProblem(err))
}
