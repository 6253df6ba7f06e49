package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/imagegate/imagegate/gate"
)

// store finds blobs on this machine.
type store interface {
	// blob opens what lies under a digest, with its size.
	blob(digest string) (io.ReadCloser, int64, error)
}

// local is an image layout or an archive, as the place where an image is read
// from.
type local struct {
	store  store
	limits *Limits
	name   string // for messages
}

// describedDocument implements origin.
func (l *local) describedDocument(ctx context.Context, k kind, d *descriptor) (*reading, error) {
	limit, name := l.limits.ManifestSize, "manifest-size"
	if k == kindConfig {
		limit, name = l.limits.ConfigSize, "config-size"
	}
	if d.Size > limit {
		return nil, l.fault(gate.PhaseResolve, k, d, &LimitError{Name: name, What: "its size", Limit: limit})
	}
	r, err := l.reader(ctx, d)
	if err != nil {
		return nil, l.fault(gate.PhaseResolve, k, d, err)
	}
	defer r.Close()
	raw, err := readAll(r, d.Size)
	if err != nil {
		return nil, l.fault(gate.PhaseResolve, k, d, err)
	}
	got := &reading{raw: raw, digest: digestOf(raw, d.Digest)}
	if err := got.check(d.Digest, d.Size); err != nil {
		return nil, l.fault(gate.PhaseResolve, k, d, err)
	}
	return got, nil
}

// open implements origin.
func (l *local) open(d *descriptor) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		r, err := l.reader(ctx, d)
		if err != nil {
			return nil, l.fault(gate.PhaseFetch, kindLayer, d, err)
		}
		return r, nil
	}
}

// reader opens a blob of the size that its descriptor gives it.
func (l *local) reader(ctx context.Context, d *descriptor) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	r, size, err := l.store.blob(d.Digest)
	if err != nil {
		return nil, err
	}
	if size != d.Size {
		_ = r.Close()
		return nil, refuse("it has %d bytes, and its descriptor announces %d", size, d.Size)
	}
	return &untilDone{ctx: ctx, ReadCloser: r}, nil
}

func (l *local) fault(phase gate.Phase, k kind, d *descriptor, err error) error {
	f := &gate.Fault{Phase: phase, Err: fmt.Errorf("%s %s of %s: %w", k, d.Digest, l.name, err)}
	var limit *LimitError
	switch {
	case errors.As(err, &limit):
		f.Hint = limit.hint()
	case errors.Is(err, fs.ErrNotExist):
		f.Hint = "the image is not complete there: save it again, or ask for the platforms that are there with --platform"
	}
	return f
}

// untilDone ends a file's reading with its context: a network file system can
// be as slow as a registry.
type untilDone struct {
	io.ReadCloser
	ctx context.Context
}

// Read implements io.Reader.
func (u *untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.ReadCloser.Read(p)
}
