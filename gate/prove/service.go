package prove

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	serviceTries   = 3
	serviceTimeout = 30 * time.Second
	maxAnswer      = 4 << 20
)

// service makes the requests to one service: a certificate authority, a log, a
// timestamp authority or an issuer of tokens. A request that may heal is repeated.
// The libraries do not pass on the context that they are given, and so the service
// has its own.
type service struct {
	ctx  context.Context //nolint:containedctx // see above
	next http.RoundTripper
	// wait waits between two tries; nil sleeps.
	wait func(ctx context.Context, d time.Duration) error
}

// RoundTrip implements [http.RoundTripper]. The answer is read to its end.
func (s *service) RoundTrip(q *http.Request) (*http.Response, error) {
	var body []byte
	if q.Body != nil {
		var err error
		body, err = io.ReadAll(q.Body)
		if err = errors.Join(err, q.Body.Close()); err != nil {
			return nil, err
		}
	}
	for try := 1; ; try++ {
		resp, err := s.once(q, body)
		heals := err == nil && (resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests) || mayHeal(err)
		if !heals || try == serviceTries {
			return resp, err
		}
		if err := s.pause(time.Duration(try) * time.Second); err != nil {
			return nil, err
		}
	}
}

// mayHeal reports whether a request can succeed at another time. A wrong certificate
// or an address that may not be used stays wrong.
func mayHeal(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func (s *service) once(q *http.Request, body []byte) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(s.ctx, serviceTimeout)
	defer cancel()
	q = q.Clone(ctx)
	if q.Body != nil {
		q.Body = io.NopCloser(bytes.NewReader(body))
		q.ContentLength = int64(len(body))
	}
	resp, err := s.next.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if len(answer) > maxAnswer {
		return nil, fmt.Errorf("the answer of %s has more than %d bytes", q.URL.Host, maxAnswer)
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	return resp, nil
}

func (s *service) pause(d time.Duration) error {
	if s.wait != nil {
		return s.wait(s.ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}
