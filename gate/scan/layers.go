package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/scan/store"
	"github.com/imagegate/imagegate/gate/scan/wire"
)

// layers returns what is known of every layer of the image. Those that are not
// known are read side by side, the largest first.
func (im *image) layers(ctx context.Context) ([]*store.Layer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	order := make([]int, len(im.target.Layers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return int(min(max(im.target.Layers[b].Size-im.target.Layers[a].Size, -1), 1))
	})
	all, failed := make([]*store.Layer, len(order)), make([]error, len(order))
	var wg sync.WaitGroup
	for _, i := range order {
		wg.Go(func() {
			if all[i], failed[i] = im.layer(ctx, i); failed[i] != nil {
				cancel(errOtherLayer) // without this layer there is no verdict
			}
		})
	}
	wg.Wait()
	return all, firstCause(failed)
}

// layer returns what is known of the i-th layer.
func (im *image) layer(ctx context.Context, i int) (l *store.Layer, err error) {
	defer func() {
		if p := recover(); p != nil {
			l, err = nil, gate.Panicked(gate.PhaseScan, p)
		}
	}()
	l, err = im.scanner.layers.Get(ctx, &store.Request{
		ID:         store.ID{DiffID: im.target.Layers[i].DiffID, Need: im.need & wire.AnalysisNeeds},
		Blob:       im.blob(i),
		Repository: im.target.Image.Reference.Name,
		Reader:     &reader{im, i},
	})
	switch {
	case err == nil:
		im.observeDone(i)
		return l, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, im.layerFault(i, err)
}

// blob is the stored form of the i-th layer that the manifest announces.
func (im *image) blob(i int) store.Blob {
	b := &im.target.Layers[i]
	return store.Blob{Digest: b.Digest, MediaType: b.MediaType, Size: b.Size}
}

// errOtherLayer ends the reading of layers whose image cannot be judged any
// more.
var errOtherLayer = errors.New("another layer of the image could not be read")

// firstCause returns the first error that is not only the consequence of another
// one.
func firstCause(errs []error) error {
	var consequence error
	for _, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, errOtherLayer):
			consequence = err
		default:
			return err
		}
	}
	return consequence
}

// layerFault says in which layer and why the reading stopped.
func (im *image) layerFault(i int, err error) error {
	n := len(im.target.Layers)
	var fault *gate.Fault
	switch {
	case errors.As(err, &fault) && fault.Phase == gate.PhaseDatabase:
		return err // of no layer
	case fault != nil:
		return fmt.Errorf("layer %d of %d: %w", i+1, n, err)
	}
	return &gate.Fault{Phase: gate.PhaseFetch,
		Err: fmt.Errorf("layer %d of %d (%s): %w", i+1, n, im.target.Layers[i].Digest, err)}
}
