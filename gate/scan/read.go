package scan

import (
	"context"
	"errors"
	"io"

	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/gate/scan/store"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/gate/scan/worker"
)

// reader reads the i-th layer for an image. It implements [store.Reader].
type reader struct {
	*image
	i int
}

// Read fetches, verifies and lints the layer and has a worker analyse it. A blob
// that was damaged on the way is fetched once more.
func (r *reader) Read(ctx context.Context) (*store.Layer, error) {
	l, err := r.read(ctx)
	if isDamaged(err) {
		l, err = r.read(ctx)
	}
	return l, err
}

func isDamaged(err error) bool {
	var damaged *layer.DamagedError
	return errors.As(err, &damaged)
}

func (r *reader) read(ctx context.Context) (*store.Layer, error) {
	s, b := r.scanner, &r.target.Layers[r.i]
	if err := s.Open(ctx); err != nil {
		return nil, err
	}
	var l *store.Layer
	err := s.pool.Do(ctx, b.Size, func(w *worker.Worker) error {
		t, err := newTransfer(w, s.opt.Limits, s.opt.Analyzers, r.need)
		if err != nil {
			return err
		}
		if err := w.BeginLayer(wire.Analyse{Need: r.need, DiffID: b.DiffID}); err != nil {
			return err
		}
		blob, stats, err := r.stream(ctx, t.entry)
		if werr := w.Failure(); werr != nil {
			return werr // what happened to the stream after it is only the consequence
		}
		if err != nil {
			return err
		}
		err = r.readLinks(ctx, t)
		if werr := w.Failure(); werr != nil {
			return werr
		}
		if err != nil {
			return err
		}
		l = &store.Layer{Head: store.Head{DiffID: b.DiffID, Blobs: []store.Blob{blob}, Jars: t.jars}, Contents: t.recorder.Finish(stats)}
		return r.analysis(ctx, w, l, t.leftOut)
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// analysis ends the layer in the worker and adds what was found to l.
func (r *reader) analysis(ctx context.Context, w *worker.Worker, l *store.Layer, leftOut int) error {
	if l.Jars && r.wantsJava() {
		l.JavaDatabase = r.scanner.databases.javaHash(ctx)
	}
	var err error
	l.Analysis, l.Doubtful, err = w.EndLayer(wire.LayerEnd{JavaDatabase: l.JavaDatabase != "", SecretsLeftOut: leftOut})
	if err != nil || l.JavaDatabase == "" {
		return err
	}
	// It is kept under the hash of the database, so it must be of that one.
	return r.scanner.databases.verify(ctx, database.Java)
}

// Verify reads the layer only to see that it is the archive that its diffID
// names.
func (r *reader) Verify(ctx context.Context) (store.Blob, error) {
	if err := r.scanner.Open(ctx); err != nil { // without it there is no verdict
		return store.Blob{}, err
	}
	var blob store.Blob
	verify := func() (err error) {
		blob, _, err = r.stream(ctx, func(*layer.Entry, io.Reader) error { return nil })
		return err
	}
	err := r.scanner.pool.Wait(ctx, r.target.Layers[r.i].Size, func() error {
		err := verify()
		if isDamaged(err) {
			err = verify()
		}
		return err
	})
	return blob, err
}

// stream reads the layer to its last byte, within the limits of this image.
func (r *reader) stream(ctx context.Context, visit func(*layer.Entry, io.Reader) error) (store.Blob, layer.Stats, error) {
	body, err := r.target.Layers[r.i].Open(ctx)
	if err != nil {
		return store.Blob{}, layer.Stats{}, err
	}
	defer body.Close()
	r.charged[r.i] = true
	stats, err := layer.Read(ctx, r.progress(r.i, body), r.spec(r.i), r.budget, visit)
	blob := r.blob(r.i)
	blob.ChunkedTOC = stats.ChunkedTOC
	return blob, stats, err
}
