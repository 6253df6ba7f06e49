package remote

import (
	"context"
	"io"
	"time"
)

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

// sentBody ends a request whose body the registry does not take.
type sentBody struct {
	io.ReadCloser
	timer *time.Timer
	idle  time.Duration
}

func newSentBody(body io.ReadCloser, idle time.Duration, cancel context.CancelCauseFunc) *sentBody {
	timer := time.AfterFunc(idle, func() { cancel(errStalled) })
	timer.Stop()
	return &sentBody{ReadCloser: body, timer: timer, idle: idle}
}

// Read implements io.Reader. The clock runs between two reads: in that time the
// bytes are sent.
func (b *sentBody) Read(p []byte) (int, error) {
	b.timer.Stop()
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		b.timer.Reset(b.idle)
	}
	return n, err
}

// Close implements io.Closer.
func (b *sentBody) Close() error {
	b.timer.Stop()
	return b.ReadCloser.Close()
}
