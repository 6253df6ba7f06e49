package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/imagegate/imagegate/gate/image"
)

// token exchanges the credentials for a token that may pull from r.
func (r *repo) token(ctx context.Context, j *job, from challenge) (string, error) {
	c := r.client
	t := j.step(kindToken, "token for "+r.name)
	t.tries = 1
	ctx, cancel := context.WithTimeoutCause(ctx, c.limits.DocumentTimeout, errTooSlow)
	defer cancel()
	registry, err := name.NewRegistry(r.host.name)
	if err != nil {
		return "", c.fail(ctx, t, err)
	}
	asked := &transport.Challenge{Scheme: "bearer", Parameters: from.parameters, Insecure: r.host.plain.Load()}
	scopes := []string{"repository:" + r.path + ":pull"}
	token, err := transport.Exchange(ctx, registry, r.credential.authenticator(), &tokenTransport{client: c, job: t}, scopes, asked)
	if err != nil {
		return "", c.fail(ctx, t, tokenProblem(err))
	}
	for _, s := range []string{token.AccessToken, token.Token} {
		if s != "" {
			return s, nil
		}
	}
	return "", c.fail(ctx, t, errNoToken)
}

var errNoToken = image.Refuse("the answer of the token server holds no token")

// tokenProblem is err without the text of the answer, which go-containerregistry
// quotes: it may hold a refresh token.
func tokenProblem(err error) error {
	var answer *transport.Error
	if errors.As(err, &answer) {
		e := &statusError{status: answer.StatusCode}
		if len(answer.Errors) > 0 {
			e.text = diagnosed(string(answer.Errors[0].Code), answer.Errors[0].Message)
		}
		return e
	}
	var u *url.Error
	switch {
	case !errors.As(err, &u):
	case strings.Contains(err.Error(), "refusing token-server redirect"):
		return fmt.Errorf("%w: the token server redirects to where credentials must not go", errAddress)
	case strings.Contains(err.Error(), "Location header"):
		return image.Refuse("the token server redirects to something that is no address")
	default:
		return innermost(err)
	}
	if strings.HasPrefix(err.Error(), "invalid realm") || strings.HasPrefix(err.Error(), "malformed www-authenticate") {
		return fmt.Errorf("%w: the registry names a token server that is not to be trusted with credentials", errAddress)
	}
	return errNoToken
}

// tokenTransport carries the requests of a token exchange.
type tokenTransport struct {
	client *Client
	job    *job
}

// maxToken bounds the answer of a token server; go-containerregistry's own
// bound comes too late for a retry.
const maxToken = 64 << 10

// RoundTrip implements http.RoundTripper. It reads the answer to its end, so
// that a broken one is retried.
func (t *tokenTransport) RoundTrip(q *http.Request) (*http.Response, error) {
	hops := int64(0)
	for via := q.Response; via != nil && via.Request != nil; via = via.Request.Response {
		hops++
	}
	if l := t.client.limits.Redirects; hops > l {
		return nil, &image.LimitError{Name: "redirects", What: "the number of redirects", Limit: l}
	}
	t.job.at = q.URL
	var resp *http.Response
	err := t.client.retry(q.Context(), t.job, func() error {
		var err error
		resp, err = t.once(q)
		return err
	})
	return resp, err
}

func (t *tokenTransport) once(original *http.Request) (*http.Response, error) {
	q := original.Clone(original.Context())
	if original.GetBody != nil {
		body, err := original.GetBody()
		if err != nil {
			return nil, err
		}
		q.Body = body
	}
	resp, err := t.client.exchange(original.Context(), t.job, q)
	if err != nil {
		return nil, err
	}
	// Other refusals are go-containerregistry's: it answers a 404 to one way of
	// asking with another.
	if refused := (&statusError{status: resp.StatusCode}); mayHeal(refused) {
		return nil, statusOf(resp, time.Now())
	}
	body, err := image.ReadAll(resp.Body, maxToken)
	_ = resp.Body.Close()
	if errors.Is(err, image.ErrTooLong) {
		err = image.Refuse("the answer is longer than %d bytes, and so no token", maxToken)
	}
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return resp, nil
}
