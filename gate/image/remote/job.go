package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/words"
)

// The kinds of requests beside those of [image.Kind].
const (
	kindPing  image.Kind = "ping"
	kindToken image.Kind = "token"
	kindBlob  image.Kind = "blob"
)

// job is one thing that is wanted from a registry, and what its error messages
// need to know. It belongs to one goroutine.
type job struct {
	kind   image.Kind
	phase  gate.Phase
	what   string // "manifest of registry.example.no/app:1"
	host   *host
	repo   string   // for messages
	scopes []string // of the token, pull from the repository when empty
	budget *budget
	writes bool // go-containerregistry makes the requests
	// renewed is true after a write was refused for its token, which is renewed once.
	renewed bool
	upload  *upload // nil when no blob is uploaded

	credentials string   // where they are from, never what they are
	secrets     []string // never printed, although a registry may echo them
	at          *url.URL // what was asked last
	tries       int64
}

// budget counts the requests for one reference.
type budget struct {
	used, allowed atomic.Int64
	limit         int64
}

// perItem is how many requests each document and layer may cost: more than the
// default number of tries with a redirect in each.
const perItem = 12

func newBudget(limit int64) *budget {
	b := &budget{limit: limit}
	b.allowed.Store(limit)
	return b
}

// grant allows for one more document or layer.
func (b *budget) grant() { b.allowed.Add(perItem) }

func (b *budget) take() error {
	if b.used.Add(1) > b.allowed.Load() {
		return &image.LimitError{Name: "requests", What: "the number of requests", Limit: b.limit}
	}
	return nil
}

// statusError is an answer that is not the one we want.
type statusError struct {
	status int
	text   string // what the registry says about it
	// after is how long the registry asks us to wait, 0 if it does not.
	after time.Duration
	// expired is true when a new token may be accepted.
	expired bool
}

// Error implements error.
func (e *statusError) Error() string {
	s := strconv.Itoa(e.status)
	if t := http.StatusText(e.status); t != "" {
		s += " " + t
	}
	if e.text != "" {
		s += ", " + e.text
	}
	if e.after > 0 {
		s += fmt.Sprintf(", and asks to wait %s", words.Duration(e.after))
	}
	return s
}

// retry calls once until it succeeds, fails with a lasting error, or has no tries
// left. The pauses grow and have a random part, so that the many jobs of a
// pipeline do not repeat their requests at the same time.
func (c *Client) retry(ctx context.Context, j *job, once func() error) error {
	for j.tries = 1; ; j.tries++ {
		err := once()
		if err == nil || ctx.Err() != nil || j.tries >= c.limits.Tries || !mayHeal(err) && !j.outlasts(err) {
			return err
		}
		wait, ok := c.waitFor(ctx, j.tries, err)
		if !ok || c.pause(ctx, wait) != nil {
			return err
		}
	}
}

// firstPause is the pause after the first try; each next one is twice as long.
const firstPause = 250 * time.Millisecond

// waitFor is how long to wait after a failed try. It is no use to wait for
// longer than we may.
func (c *Client) waitFor(ctx context.Context, tries int64, err error) (time.Duration, bool) {
	wait := firstPause << min(tries-1, 6)
	wait += time.Duration(rand.Int64N(int64(wait) / 2))
	if status, ok := errors.AsType[*statusError](err); ok && status.after > 0 {
		wait = status.after
	}
	if wait > c.limits.RetryAfter {
		return 0, false
	}
	deadline, ok := ctx.Deadline()
	return wait, !ok || time.Until(deadline) > wait
}

// mayHeal reports whether err may be gone at the next try.
func mayHeal(err error) bool {
	if _, ok := errors.AsType[*gate.Fault](err); ok {
		return false // of a step before this one, which had its own tries
	}
	if status, ok := errors.AsType[*statusError](err); ok {
		switch status.status {
		case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return status.expired
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsTemporary && !dns.IsTimeout
	}
	var protocol textproto.ProtocolError // headers that were cut off, for one
	return errors.As(err, &protocol) || isBroken(err)
}

// outlasts reports whether the job is worth trying again although the other side
// took or sent nothing for a time: a blob is much work, and a registry may need longer
// to store one than we wait for an answer.
func (j *job) outlasts(err error) bool {
	if j.kind != kindBlob {
		return false
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return false
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return false
	}
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, errStalled) || ok && timeout.Timeout()
}

// isBroken reports whether a connection ended before its time. The errors of
// net/http's HTTP/2 are not exported.
func isBroken(err error) bool {
	text := err.Error()
	if strings.HasPrefix(text, "http2: ") || strings.HasPrefix(text, "stream error: ") {
		return true
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) || // the transport closes an upload whose answer it cannot read
		errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, errTruncated)
}

// statusOf makes an error of an answer and closes it.
func statusOf(resp *http.Response, now time.Time) *statusError {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxDiscard))
	_ = resp.Body.Close()
	return &statusError{status: resp.StatusCode, text: diagnosis(body), after: retryAfter(resp.Header.Get("Retry-After"), now)}
}

// retryAfter reads a Retry-After header: seconds or a date.
func retryAfter(header string, now time.Time) time.Duration {
	if header == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		// A longer time does not fit into a Duration.
		if seconds > int64(math.MaxInt64/time.Second) {
			return math.MaxInt64
		}
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
