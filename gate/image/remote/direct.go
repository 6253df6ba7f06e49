package remote

import (
	"fmt"
	"net/http"

	"github.com/imagegate/imagegate/gate"
)

// Direct returns a transport for services that the user named by their address and
// that are no registries. It has the certificates and proxies of the client. The
// requests carry tokens, so no service may send them elsewhere.
func (c *Client) Direct() http.RoundTripper { return direct{c} }

type direct struct{ client *Client }

// RoundTrip implements [http.RoundTripper].
func (d direct) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.URL.Scheme == "http" && !d.client.plainAllowed(q.URL) {
		return nil, &gate.Fault{Err: &plainError{host: q.URL.Host}, Hint: "if its network is trusted, allow it with --plain-http " + q.URL.Host}
	}
	q = q.Clone(q.Context())
	q.Header.Set("User-Agent", d.client.userAgent)
	resp, err := d.client.transport(q.URL, scopeAny).RoundTrip(q)
	if err == nil && isRedirect(resp.StatusCode) {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s redirects the request to another place, and no credentials may go there", q.URL.Host)
	}
	return resp, err
}
