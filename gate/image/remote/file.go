package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/words"
)

// kindFile is a file of a server that is no registry.
const kindFile image.Kind = "file"

// ParseFileAddress reads the address of a file for [Client.File]: https or http,
// with a host and without a password, which would be printed.
func ParseFileAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("it is no address") // err quotes it, with a password if there is one
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("it begins neither with https:// nor with http://")
	case u.Hostname() == "":
		return nil, errors.New("there is no host in it")
	case u.User != nil:
		return nil, errors.New("there is a name or a password in it, and it is printed")
	}
	return u, nil
}

// File fetches a file of at most limit bytes from an address that the user named,
// and sends no credentials. Redirects, addresses, repetitions and times have the
// bounds of requests to registries: the server may not send us to this machine or to
// a network that is more private than its own, and not to a place without TLS.
func (c *Client) File(ctx context.Context, address string, limit int64) ([]byte, error) {
	u, err := ParseFileAddress(address)
	if err != nil {
		return nil, &gate.Fault{Phase: gate.PhaseDatabase, Err: err}
	}
	// A record of its own: what a registry of the same name answered has no meaning here.
	j := &job{kind: kindFile, phase: gate.PhaseDatabase, what: "fetch the file", host: &host{name: u.Host}, budget: newBudget(c.limits.Requests)}
	ctx, cancel := context.WithTimeoutCause(ctx, c.limits.DocumentTimeout, errTooSlow)
	defer cancel()
	var file []byte
	err = c.retry(ctx, j, func() error {
		var err error
		file, err = c.fileOnce(ctx, j, u, limit)
		return err
	})
	if err != nil {
		return nil, c.failFile(ctx, j, err)
	}
	return file, nil
}

func (c *Client) fileOnce(ctx context.Context, j *job, u *url.URL, limit int64) ([]byte, error) {
	q := &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}, Host: u.Host}
	client := &http.Client{Transport: anonymous{c}, CheckRedirect: c.checkRedirect}
	resp, err := client.Do(q.WithContext(withJob(ctx, j)))
	if err != nil {
		return nil, c.problem(ctx, j, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, statusOf(resp, time.Now())
	}
	defer func() { _ = resp.Body.Close() }()
	file, err := image.ReadAll(resp.Body, limit)
	if errors.Is(err, image.ErrTooLong) {
		return nil, image.Refuse("the file has more than %s", words.BinarySize(limit))
	}
	return file, err
}

// failFile is fail without advice that is about registries.
func (c *Client) failFile(ctx context.Context, j *job, err error) error {
	what, hint := c.describe(ctx, j, err)
	switch {
	case errors.Is(err, errStalled):
		hint = "check the network; a slow server needs --limit idle-timeout=TIME"
	case errors.Is(err, errTooSlow):
		hint = "check the network; a slow server needs --limit document-timeout=TIME"
	case strings.Contains(hint, "registry"), strings.Contains(hint, "credentials"):
		hint = ""
	}
	if j.tries > 1 {
		what = fmt.Sprintf("%s (after %d tries)", what, j.tries)
	}
	return &gate.Fault{Phase: j.phase, Err: &described{text: j.scrub(c.secrets, what), cause: err}, Hint: hint}
}

// anonymous makes requests through the checks of the client, without credentials.
type anonymous struct{ client *Client }

// RoundTrip implements [http.RoundTripper].
func (a anonymous) RoundTrip(q *http.Request) (*http.Response, error) {
	j := jobOf(q.Context())
	resp, err := a.client.exchange(j, q, j.host.name)
	if err != nil {
		return nil, &exchangeError{err}
	}
	return resp, nil
}
