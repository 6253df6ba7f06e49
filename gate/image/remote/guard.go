package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/words"
)

var (
	errStalled = errors.New("the connection stalled")
	errTooSlow = errors.New("the answer took too long")
)

// guard makes all requests to the network. The transports of
// go-containerregistry, which add credentials and tokens, call it. The guard
// decides which addresses get a request and which of them get credentials. It
// counts requests, and ends those in which no bytes move. It implements
// [http.RoundTripper].
type guard struct{ client *Client }

type jobKey struct{}

func withJob(ctx context.Context, j *job) context.Context { return context.WithValue(ctx, jobKey{}, j) }

func jobOf(ctx context.Context) *job { return ctx.Value(jobKey{}).(*job) }

// exchangeError is the error of one request, as opposed to what
// go-containerregistry says of an answer.
type exchangeError struct{ err error }

// Error implements error.
func (e *exchangeError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *exchangeError) Unwrap() error { return e.err }

// RoundTrip implements [http.RoundTripper]. The job of a request is in its
// context; requests for a token have it from the request that needs the token.
func (g *guard) RoundTrip(q *http.Request) (*http.Response, error) {
	c, j := g.client, jobOf(q.Context())
	first := q
	for first.Response != nil && first.Response.Request != nil {
		first = first.Response.Request
	}
	known := j.host.answer.Load()
	var resp *http.Response
	var err error
	switch {
	case j.kind != kindPing && q.URL.Host == j.host.name && q.URL.Path == "/v2/":
		return known.RoundTrip(q)
	case j.kind != kindPing && known.isToken(first.URL):
		resp, err = c.requestToken(q, first, j)
	default:
		if j.upload != nil && q.Method == http.MethodPatch && q == first {
			j.upload.location = q.URL
		}
		resp, err = c.exchange(j, q, j.host.name)
		if err == nil && j.writes {
			err = j.refusal(q, resp)
		}
	}
	if err != nil {
		return nil, &exchangeError{err}
	}
	return resp, nil
}

// refusal returns the error for an answer to a write that go-containerregistry must not
// see, nil for all others. It would get a new token after a 401 and send the request
// again, with a body that was read already.
func (j *job) refusal(q *http.Request, resp *http.Response) error {
	expired := resp.StatusCode == http.StatusUnauthorized && q.Body != nil && q.Body != http.NoBody
	if !expired && !mayHeal(&statusError{status: resp.StatusCode}) {
		return nil
	}
	err := statusOf(resp, time.Now()) // with its Retry-After
	err.expired = expired && !j.renewed
	j.renewed = j.renewed || expired
	return err
}

// requestToken makes a request for a token. It reads the answer to its end, so
// that a broken one is retried, and within bounds.
func (c *Client) requestToken(q, first *http.Request, j *job) (*http.Response, error) {
	ctx := q.Context()
	t := j.step(kindToken, "token for "+j.repo)
	if first != q && q.Body != nil && (q.URL.Host != first.URL.Host || q.URL.Scheme != first.URL.Scheme) {
		return nil, c.fail(ctx, t, fmt.Errorf("%w: the token server redirects to where credentials must not go", errAddress))
	}
	var resp *http.Response
	err := c.retry(ctx, t, func() (err error) {
		if t.tries > 1 && q.GetBody != nil {
			if q.Body, err = q.GetBody(); err != nil {
				return err
			}
		}
		if resp, err = c.exchange(t, q, first.URL.Host); err != nil || isRedirect(resp.StatusCode) {
			return err
		}
		// Other refusals are go-containerregistry's: it answers a 404 to one way
		// of asking with another.
		if mayHeal(&statusError{status: resp.StatusCode}) {
			return statusOf(resp, time.Now())
		}
		body, err := image.ReadAll(resp.Body, maxToken)
		_ = resp.Body.Close()
		if errors.Is(err, image.ErrTooLong) {
			return image.Refuse("the answer is longer than %d bytes, and so no token", maxToken)
		}
		resp.Body = io.NopCloser(bytes.NewReader(body))
		return err
	})
	if err != nil {
		return nil, c.fail(ctx, t, err)
	}
	return resp, nil
}

const (
	maxToken   = 64 << 10 // of the answer of a token server
	maxDiscard = 64 << 10 // of an answer that is an error
)

// exchange is one request and its answer. Credentials go to the host trusted
// only.
func (c *Client) exchange(j *job, original *http.Request, trusted string) (*http.Response, error) {
	j.at = original.URL
	scope := c.scopeOf(j.host, original.URL)
	if err := c.checkURL(original.URL, scope); err != nil {
		return nil, err
	}
	if err := j.budget.take(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(original.Context())
	q := original.Clone(httptrace.WithClientTrace(ctx, j.host.trace(c, original)))
	if q.Body != nil && q.Body != http.NoBody {
		q.Body = newSentBody(q.Body, c.limits.IdleTimeout, cancel)
	}
	q.Header.Del("Referer") // an address of storage may hold a signature
	if q.URL.Host != trusted {
		q.Header.Del("Authorization")
		q.Header.Del("Accept")
	}
	if _, token, ok := strings.Cut(q.Header.Get("Authorization"), " "); ok {
		j.secrets = append(j.secrets[:len(j.secrets):len(j.secrets)], token) // a registry may echo it
	}
	q.Header.Set("User-Agent", c.userAgent)
	resp, err := c.transport(q.URL, scope).RoundTrip(q)
	if err != nil {
		cause := context.Cause(ctx)
		cancel(nil)
		if cause != nil {
			return nil, cause
		}
		return nil, err
	}
	if q.URL.Host != trusted {
		resp.Header.Del("WWW-Authenticate") // storage gets no credentials, and so no token
	}
	resp.Request = original
	resp.Body = watch(ctx, cancel, resp.Body, c.limits.IdleTimeout)
	return resp, nil
}

// scopeOf returns the scope of the addresses that u may resolve to. It is any
// address if the user named the host; otherwise no address may be more private
// than the registry's own.
func (c *Client) scopeOf(h *host, u *url.URL) addressScope {
	switch {
	case h.named(u), listed(c.plainHTTP, u), listed(c.privateHosts, u):
		return scopeAny
	case h.inside.Load():
		return scopePrivate
	}
	return scopePublic
}

// checkURL refuses what no registry may send us to.
func (c *Client) checkURL(u *url.URL, scope addressScope) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: %s is neither https nor http", errAddress, words.Quote(u.Scheme))
	case u.User != nil:
		return image.Refuse("the answer leads to an address with a password in it")
	case u.Hostname() == "":
		return fmt.Errorf("%w: there is no host in it", errAddress)
	}
	// Before the next check, whose hint must not be given for such an address.
	if err := checkLiteral(u, scope); err != nil {
		return err
	}
	if u.Scheme == "http" && !c.plainAllowed(u) {
		return &plainError{host: u.Host}
	}
	return nil
}

// plainAllowed reports whether the host of u may be spoken to without TLS.
func (c *Client) plainAllowed(u *url.URL) bool { return isLoopback(u) || listed(c.plainHTTP, u) }

// plainError is a host that would be spoken to without TLS, and may not be.
type plainError struct{ host string }

// Error implements error.
func (e *plainError) Error() string {
	return fmt.Sprintf("%s would have to be spoken to without TLS", words.Quote(e.host))
}

// trace learns from the connection to a registry whether it is in a private
// network.
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

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}
