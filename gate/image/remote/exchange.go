package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"time"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/words"
)

var (
	errStalled = errors.New("the connection stalled")
	errTooSlow = errors.New("the answer took too long")
)

// exchange is one request and its answer: no retry, no redirect. It decides
// whether the address may be asked at all, and watches that bytes keep coming.
// from is the registry on whose behalf we ask.
func (c *Client) exchange(ctx context.Context, j *job, q *http.Request) (*http.Response, error) {
	reach := c.reachOf(j.host, q.URL)
	if err := c.checkURL(q.URL, reach); err != nil {
		return nil, err
	}
	if err := j.budget.take(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	q = q.WithContext(httptrace.WithClientTrace(ctx, j.host.trace(c, q)))
	q.Header.Set("User-Agent", c.userAgent)
	resp, err := c.transports[reach].RoundTrip(q)
	if err != nil {
		cause := context.Cause(ctx)
		cancel(nil)
		if cause != nil {
			return nil, cause
		}
		return nil, err
	}
	resp.Body = watch(ctx, cancel, resp.Body, c.limits.IdleTimeout)
	return resp, nil
}

// reachOf decides which addresses u may resolve to: any if the user named its
// host, otherwise none that are more private than the registry's own.
func (c *Client) reachOf(h *host, u *url.URL) reach {
	switch {
	case h.named(u), listed(c.plainHTTP, u), listed(c.privateHosts, u):
		return reachAny
	case h.inside.Load():
		return reachPrivate
	}
	return reachPublic
}

// checkURL refuses what no registry may send us to.
func (c *Client) checkURL(u *url.URL, r reach) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: %s is neither https nor http", errAddress, words.Quote(u.Scheme))
	case u.Hostname() == "":
		return fmt.Errorf("%w: there is no host in it", errAddress)
	}
	// Before the next check: its hint is not one to give for an address of
	// this kind.
	if err := checkLiteral(u, r); err != nil {
		return err
	}
	if u.Scheme == "http" && !c.plainAllowed(u) {
		return &plainError{host: u.Host}
	}
	return nil
}

// plainAllowed reports whether the host of u may be spoken to without TLS.
func (c *Client) plainAllowed(u *url.URL) bool { return isLoopback(u) || listed(c.plainHTTP, u) }

// plainError is a host that shall be spoken to without TLS, and may not.
type plainError struct{ host string }

// Error implements error.
func (e *plainError) Error() string {
	return fmt.Sprintf("%s would have to be spoken to without TLS", words.Quote(e.host))
}

// trace learns in which network a registry lies, from the connection to it.
func (h *host) trace(c *Client, q *http.Request) *httptrace.ClientTrace {
	if !h.named(q.URL) {
		return &httptrace.ClientTrace{}
	}
	if proxy, err := c.proxy(q); proxy != nil || err != nil {
		return &httptrace.ClientTrace{} // the connection is the proxy's
	}
	return &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if at, err := netip.ParseAddrPort(info.Conn.RemoteAddr().String()); err == nil {
			h.inside.Store(isInside(at.Addr()))
		}
	}}
}

// watchedBody ends a body from which nothing comes.
type watchedBody struct {
	body   io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
}

func watch(ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser, idle time.Duration) *watchedBody {
	timer := time.AfterFunc(idle, func() { cancel(errStalled) })
	timer.Stop() // it runs during Read only
	return &watchedBody{body: body, ctx: ctx, cancel: cancel, timer: timer, idle: idle}
}

// Read implements io.Reader. The clock runs while we wait for the registry, not
// while the registry waits for us.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.idle)
	n, err := b.body.Read(p)
	b.timer.Stop()
	if err != nil && err != io.EOF {
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		}
	}
	return n, err
}

// Close implements io.Closer.
func (b *watchedBody) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	return b.body.Close()
}

// follow makes a request and follows its redirects. The Authorization header
// goes to the registry alone: storage has its own, in the address.
func (c *Client) follow(ctx context.Context, j *job, to *url.URL, header http.Header) (*http.Response, error) {
	origin := to
	for hops := int64(0); ; hops++ {
		q := &http.Request{Method: http.MethodGet, URL: to, Header: header.Clone(), Host: to.Host}
		if to.Scheme != origin.Scheme || to.Host != origin.Host {
			q.Header.Del("Authorization")
			q.Header.Del("Accept")
		}
		j.at = to
		resp, err := c.exchange(ctx, j, q)
		if err != nil || !isRedirect(resp.StatusCode) {
			return resp, err
		}
		discard(resp)
		if hops >= c.limits.Redirects {
			return nil, &image.LimitError{Name: "redirects", What: "the number of redirects", Limit: c.limits.Redirects}
		}
		next, err := location(resp, to)
		if err != nil {
			return nil, err
		}
		if j.kind == kindPing && (next.Host != origin.Host || next.Scheme != origin.Scheme) {
			// Whoever answers the ping decides where credentials go.
			return nil, image.Refuse("the registry says that it is at %s: name that host in the reference", words.Quote(next.Host))
		}
		to = next
	}
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// location is where a redirect leads. Its text is not printed: addresses of
// storage hold signatures.
func location(resp *http.Response, base *url.URL) (*url.URL, error) {
	header := resp.Header.Get("Location")
	if header == "" {
		return nil, image.Refuse("the answer is a redirect to nowhere")
	}
	next, err := base.Parse(header)
	if err != nil {
		return nil, image.Refuse("the answer is a redirect to something that is no address")
	}
	if next.User != nil {
		return nil, image.Refuse("the answer is a redirect to an address with a password in it")
	}
	return next, nil
}

// maxDiscard is how much of an unwanted body is read, so that the connection
// can be used again.
const maxDiscard = 64 << 10

func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxDiscard)
	_ = resp.Body.Close()
}
