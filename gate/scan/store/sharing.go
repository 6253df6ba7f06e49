package store

import (
	"context"
	"errors"
	"sync"

	"github.com/imagegate/imagegate/gate"
)

// readings makes sure that a layer which several images ask for at the same time
// is read once.
type readings struct {
	mu      sync.Mutex
	open    map[ID]*reading
	running sync.WaitGroup
}

// wait waits until all readings have returned, also those that no image waits
// for any more and that were told to end.
func (r *readings) wait() { r.running.Wait() }

// count returns how many images wait for a layer.
func (r *readings) count(id ID) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.open[id]; o != nil {
		return o.waiting
	}
	return 0
}

// reading is one layer that is being read, for one image or many. It has a
// context of its own: an image that gives up must not take the layer from the
// others, and a layer that no image waits for is not read further.
type reading struct {
	// source names the bytes that are read.
	source  string
	cancel  context.CancelCauseFunc
	waiting int
	done    chan struct{}
	layer   *Layer
	err     error
}

// result is what a reading came to.
type result struct {
	layer  *Layer
	source string // whose bytes were read
	own    bool   // the reading was begun by this call
	err    error
}

// errUnwanted ends a reading whose images have all given up.
var errUnwanted = errors.New("no image waits for the layer any more")

// do returns what work comes to, or what work that is already under way for the
// same layer comes to.
func (r *readings) do(ctx context.Context, id ID, source string, work func(context.Context) (*Layer, error)) result {
	r.mu.Lock()
	o, own := r.open[id], false
	if o == nil {
		o, own = r.start(ctx, id, source, work), true
	}
	o.waiting++
	r.mu.Unlock()
	select {
	case <-o.done:
		return result{o.layer, o.source, own, o.err}
	case <-ctx.Done():
		r.leave(id, o)
		return result{nil, source, true, context.Cause(ctx)}
	}
}

// start begins the work in a goroutine of its own. The caller holds the lock.
func (r *readings) start(ctx context.Context, id ID, source string, work func(context.Context) (*Layer, error)) *reading {
	o := &reading{source: source, done: make(chan struct{})}
	ctx, o.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if r.open == nil {
		r.open = map[ID]*reading{}
	}
	r.open[id] = o
	r.running.Go(func() {
		defer o.cancel(nil)
		o.layer, o.err = guarded(ctx, work)
		r.mu.Lock()
		r.forget(id, o)
		r.mu.Unlock()
		close(o.done)
	})
	return o
}

// guarded turns a panic of work into an error: in a goroutine of its own it
// would end the program.
func guarded(ctx context.Context, work func(context.Context) (*Layer, error)) (l *Layer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = gate.Panicked(gate.PhaseScan, p)
		}
	}()
	return work(ctx)
}

// leave removes one waiting image from a reading.
func (r *readings) leave(id ID, o *reading) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.waiting--; o.waiting == 0 {
		r.forget(id, o) // the next request starts another reading
		o.cancel(errUnwanted)
	}
}

// forget takes o out, unless another reading has replaced it.
func (r *readings) forget(id ID, o *reading) {
	if r.open[id] == o {
		delete(r.open, id)
	}
}
