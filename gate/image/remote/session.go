package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/imagegate/imagegate/gate/image"
)

// host is one registry: how it is reached and how it wants to be asked.
type host struct {
	name   string      // as in addresses: index.docker.io, localhost:5000
	plain  atomic.Bool // spoken to without TLS
	inside atomic.Bool // it lies in a private network or on this machine

	// lock guards what follows. It is a channel, so that waiting for it ends
	// with the context.
	lock      chan struct{}
	known     bool // the ping has been answered
	challenge challenge
	failed    error // of the last ping
	failedAt  time.Time
	repos     map[string]*repo
}

// url is an address on the host.
func (h *host) url(path string) *url.URL {
	scheme := "https"
	if h.plain.Load() {
		scheme = "http"
	}
	return &url.URL{Scheme: scheme, Host: h.name, Path: path}
}

// named reports whether u is on the machine that the user named, at any port.
func (h *host) named(u *url.URL) bool {
	return strings.EqualFold(u.Hostname(), (&url.URL{Host: h.name}).Hostname())
}

func (h *host) acquire(ctx context.Context) error {
	select {
	case h.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (h *host) release() { <-h.lock }

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
	return &job{kind: k, phase: j.phase, what: what, host: j.host, budget: j.budget, credentials: j.credentials, secrets: j.secrets}
}

// ping asks h how it wants to be asked, once. Whoever waited while it failed
// shares the failure: the waits would else add up. The caller holds the lock,
// and has asked for it at the time began.
func (c *Client) ping(ctx context.Context, j *job, began time.Time) error {
	h := j.host
	if h.known {
		return nil
	}
	if h.failed != nil && h.failedAt.After(began) {
		return h.failed
	}
	err := c.pingHost(ctx, j)
	h.known = err == nil
	if ctx.Err() == nil {
		h.failed, h.failedAt = err, time.Now()
	}
	return err
}

// pingHost asks h, without TLS if that is right.
func (c *Client) pingHost(ctx context.Context, j *job) error {
	h := j.host
	p := j.step(kindPing, "ping "+h.name)
	ctx, cancel := context.WithTimeoutCause(ctx, c.limits.DocumentTimeout, errTooSlow)
	defer cancel()
	h.plain.Store(listed(c.plainHTTP, h.url("")))
	once := func() error { return c.pingOnce(ctx, p) }
	if !h.plain.Load() && isLoopback(h.url("")) {
		// Loopback may do without TLS, and nobody can listen in.
		if err := once(); err == nil {
			return nil
		} else if speaksNoTLS(err) {
			h.plain.Store(true)
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

func (c *Client) pingOnce(ctx context.Context, p *job) error {
	resp, err := c.follow(ctx, p, p.host.url("/v2/"), http.Header{})
	if err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		p.host.challenge = challenge{}
	case http.StatusUnauthorized:
		p.host.challenge = chooseChallenge(resp.Header.Values("WWW-Authenticate"))
	default:
		return statusOf(resp, time.Now())
	}
	// Nobody needs the body, and it may never end.
	_ = resp.Body.Close()
	return nil
}

// repo is one repository and the right to read it.
type repo struct {
	client *Client
	host   *host
	path   string
	name   string // for messages: as the user knows it

	// The host's lock guards what follows.
	credential *credential
	header     string // Authorization, "" for none
	ready      bool
}

func (c *Client) repo(ctx context.Context, registry, path string) (*repo, error) {
	h := c.host(image.APIHost(registry))
	if err := h.acquire(ctx); err != nil {
		return nil, err
	}
	defer h.release()
	r, ok := h.repos[path]
	if !ok {
		r = &repo{client: c, host: h, path: path, name: registry + "/" + path}
		h.repos[path] = r
	}
	return r, nil
}

// authorize returns the Authorization header for r, asking the registry and its
// token server on the first call. stale is a header that was answered with the
// challenge refused; nil for none.
func (r *repo) authorize(ctx context.Context, j *job, stale string, refused *challenge) (string, error) {
	began := time.Now()
	if err := r.host.acquire(ctx); err != nil {
		return "", err
	}
	defer r.host.release()
	c := r.client
	if r.credential == nil {
		credential, err := c.keys.find(ctx, r.host.name, r.path)
		if err != nil {
			return "", err
		}
		r.credential = credential
	}
	j.credentials, j.secrets = r.credential.source, r.credential.secrets()
	if err := c.ping(ctx, j, began); err != nil {
		return "", err
	}
	if r.ready && (refused == nil || r.header != stale) {
		return r.remember(j), nil // somebody else has renewed it
	}
	from := r.host.challenge
	if refused != nil && refused.scheme != "" {
		from = *refused
	}
	header, err := r.present(ctx, j, from)
	if err != nil {
		return "", err
	}
	r.header, r.ready = header, true
	return r.remember(j), nil
}

// remember keeps the header out of messages.
func (r *repo) remember(j *job) string {
	if _, token, ok := strings.Cut(r.header, " "); ok {
		j.secrets = append(j.secrets[:len(j.secrets):len(j.secrets)], token)
	}
	return r.header
}

// present turns the credentials into what the challenge asks for.
func (r *repo) present(ctx context.Context, j *job, from challenge) (string, error) {
	config := r.credential.config
	switch {
	case config.RegistryToken != "":
		return "Bearer " + config.RegistryToken, nil
	case from.scheme == "bearer":
		token, err := r.token(ctx, j, from)
		if err != nil {
			return "", err
		}
		return "Bearer " + token, nil
	case from.scheme == "basic":
		return r.credential.basic(), nil
	}
	return "", nil
}
