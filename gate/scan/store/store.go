// Package store holds what is known of layers. A layer that several images ask
// for is read once; what was found in it is kept in memory for the images that
// follow, and in a cache for later runs.
package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Options say what a store keeps. Fingerprint and JavaDatabase are required.
type Options struct {
	// Cache keeps layers from run to run. Nothing is kept if it is nil.
	Cache Cache
	// Memory is how many bytes of layers are kept for the images that follow in
	// this run.
	Memory int64
	// Fingerprint names everything but a layer's bytes that its analysis depends
	// on.
	Fingerprint func(evidence.Need) (string, error)
	// Build and Limits are part of the key of an entry of Cache: the build of this
	// program, and the limits within which a layer was read.
	Build  string
	Limits layer.Limits
	// JavaDatabase returns the hash of the Java database of this run, "" if there
	// is none.
	JavaDatabase func(context.Context) string
}

// Store holds what is known of layers. It is safe for concurrent use.
type Store struct {
	opt      Options
	memory   memory
	readings readings
	saver    saver
}

// New returns an empty store.
func New(o Options) *Store {
	return &Store{opt: o, memory: memory{limit: o.Memory}}
}

// Request is one image's request for one layer.
type Request struct {
	ID ID
	// Blob is the stored form of the layer, as the manifest announces it.
	Blob Blob
	// Repository is where the blob comes from.
	Repository string
	// Reader reads the layer for this image.
	Reader Reader
}

// Reader reads one layer for one image. Its errors do not name the layer: other
// images may get them, which call the layer by another number.
type Reader interface {
	// Read fetches, verifies and analyses the layer.
	Read(context.Context) (*Layer, error)
	// Verify reads the blob only to see that it is the archive that the request's
	// ID names.
	Verify(context.Context) (Blob, error)
}

// source names the bytes that are read for a request. An error of one source
// says nothing about another one.
func (r *Request) source() string {
	return fmt.Sprintf("%s %s %s %d", r.Repository, r.Blob.Digest, r.Blob.MediaType, r.Blob.Size)
}

// Get returns what is known of a layer: from memory, from the cache, from an
// image that is reading it right now, or by reading it.
func (s *Store) Get(ctx context.Context, r *Request) (*Layer, error) {
	for {
		if l := s.memory.get(r.ID); l != nil && l.Find(r.Blob) != nil && s.current(ctx, r.ID, l) {
			return l, nil
		}
		got := s.readings.do(ctx, r.ID, r.source(), func(ctx context.Context) (*Layer, error) {
			return s.obtain(ctx, r)
		})
		switch {
		case got.err == nil && got.layer.Find(r.Blob) != nil:
			return got.layer, nil
		case got.err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case got.err != nil && (got.own || got.source == r.source() && !isLimit(got.err)):
			return nil, got.err
		}
		// The error may be due to the image that started the reading: it may have
		// used another form of the layer, another manifest, another repository or
		// other limits. None of these is a fault of this image.
	}
}

// Waiting returns how many images wait for a layer that is being read.
func (s *Store) Waiting(id ID) int { return s.readings.count(id) }

// Close waits until no layer is read any more and what is known of layers is in
// the cache.
func (s *Store) Close() {
	s.readings.wait()
	if s.opt.Cache != nil {
		s.opt.Cache.Finish()
	}
	s.saver.wait()
}

// isLimit reports whether an image was too large. How much an image may hold is
// counted over all its layers.
func isLimit(err error) bool {
	var limit *layer.LimitError
	return errors.As(err, &limit)
}

// obtain gets one layer for all images that wait for it.
func (s *Store) obtain(ctx context.Context, r *Request) (*Layer, error) {
	l := s.memory.get(r.ID)
	if l == nil {
		l = s.cached(ctx, r.ID, r.Blob.Size)
	}
	switch {
	case l == nil || !s.current(ctx, r.ID, l):
		read, err := r.Reader.Read(ctx)
		if err != nil {
			return nil, err
		}
		l = read
	case l.Find(r.Blob) != nil:
		s.memory.put(r.ID, l)
		return l, nil
	default:
		// The archive is known and the blob is not: that the blob holds this archive
		// is only a claim of the manifest.
		blob, err := r.Reader.Verify(ctx)
		if err != nil {
			return nil, err
		}
		l = l.with(blob)
	}
	s.memory.put(r.ID, l)
	if keeps(r.ID, l) {
		s.save(ctx, r.ID, l)
	}
	return l, nil
}

// current reports whether a layer was analysed with the Java database of this
// run, or without one if this run has none.
func (s *Store) current(ctx context.Context, id ID, l *Layer) bool {
	return !l.asksJava(id) || l.JavaDatabase == s.opt.JavaDatabase(ctx)
}

// keeps reports whether a later run may use a layer. It may not if jars were not
// identified because there was no database. It may not if an analyzer reported a
// fault of the machine, because a disk that was full once would then cause a refusal
// in every later run.
func keeps(id ID, l *Layer) bool {
	return !l.Doubtful && (!l.asksJava(id) || l.JavaDatabase != "")
}
