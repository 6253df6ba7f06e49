// Package local reads images from files and directories on this machine.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Options are what the sources on this machine need.
type Options struct {
	// Limits bounds what an archive may cost; zero fields have their defaults.
	Limits image.Limits
	// TempDir returns the directory for archives that can be read only once. The
	// caller removes it.
	TempDir func() (string, error)
	// Stdin is what tar:- reads.
	Stdin io.Reader
	// Getenv looks up where engines are, os.Getenv when nil.
	Getenv func(string) string
}

// opener opens the image that a reference names.
type opener func(ctx context.Context, ref evidence.Reference, o *Options) (*image.Root, error)

// openers holds what opens each source. The file of a source registers it.
var openers = map[evidence.Source]opener{}

func register(s evidence.Source, open opener) opener {
	openers[s] = open
	return open
}

// Sources returns the sources on this machine.
func Sources(o Options) map[evidence.Source]image.Source {
	o.Limits = o.Limits.Filled()
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	sources := map[evidence.Source]image.Source{}
	for s, open := range openers {
		sources[s] = source{open, &o}
	}
	return sources
}

type source struct {
	open    opener
	options *Options
}

// Open implements [image.Source].
func (s source) Open(ctx context.Context, ref evidence.Reference) (*image.Root, error) {
	return s.open(ctx, ref, s.options)
}

// fault is an error about one document of an image.
func fault(name, what string, err error) error {
	f := &gate.Fault{Phase: gate.PhaseResolve, Err: fmt.Errorf("%s of %s: %w", what, name, err)}
	if limit, ok := errors.AsType[*image.LimitError](err); ok {
		f.Hint = limit.Hint()
	}
	return f
}

// store finds blobs on this machine.
type store interface {
	// blob opens the content with a digest and returns its size.
	blob(digest string) (io.ReadCloser, int64, error)
}

// local reads an image from a layout or an archive.
type local struct {
	store  store
	limits *image.Limits
	name   string // for messages
}

// Document implements [image.Origin].
func (l *local) Document(ctx context.Context, k image.Kind, d *image.Descriptor) (*image.Content, error) {
	limit, name := l.limits.ManifestSize, "manifest-size"
	if k == image.KindConfig {
		limit, name = l.limits.ConfigSize, "config-size"
	}
	if d.Size > limit {
		return nil, l.fault(gate.PhaseResolve, k, d, &image.LimitError{Name: name, What: "its size", Limit: limit})
	}
	r, err := l.reader(ctx, d)
	if err != nil {
		return nil, l.fault(gate.PhaseResolve, k, d, err)
	}
	defer r.Close()
	raw, err := image.ReadAll(r, d.Size)
	if err != nil {
		return nil, l.fault(gate.PhaseResolve, k, d, err)
	}
	got, err := image.NewContent(raw, d.Digest, d.Size)
	if err != nil {
		return nil, l.fault(gate.PhaseResolve, k, d, err)
	}
	return got, nil
}

// Layer implements [image.Origin].
func (l *local) Layer(d *image.Descriptor) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		r, err := l.reader(ctx, d)
		if err != nil {
			return nil, l.fault(gate.PhaseFetch, image.KindLayer, d, err)
		}
		return r, nil
	}
}

// reader opens a blob of the size that its descriptor gives it.
func (l *local) reader(ctx context.Context, d *image.Descriptor) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	r, size, err := l.store.blob(d.Digest)
	if err != nil {
		return nil, err
	}
	if size != d.Size {
		_ = r.Close()
		return nil, image.Refuse("it has %d bytes, and its descriptor announces %d", size, d.Size)
	}
	return &untilDone{ctx: ctx, ReadCloser: r}, nil
}

func (l *local) fault(phase gate.Phase, k image.Kind, d *image.Descriptor, err error) error {
	f := &gate.Fault{Phase: phase, Err: fmt.Errorf("%s %s of %s: %w", k, d.Digest, l.name, err)}
	var limit *image.LimitError
	switch {
	case errors.As(err, &limit):
		f.Hint = limit.Hint()
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
