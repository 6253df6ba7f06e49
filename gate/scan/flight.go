package scan

import (
	"context"
	"errors"
	"sync"
)

// flights makes sure that a layer which several images ask for at the same time
// is read once.
type flights struct {
	mu   sync.Mutex
	open map[layerID]*flight
	air  sync.WaitGroup // those whose work has not returned yet
}

// wait waits until all work has returned, also the one that nobody waits for any
// more and that was told to end.
func (f *flights) wait() { f.air.Wait() }

// flight is one layer being read, for one image or many. It has a context of
// its own: an image that gives up must not take the layer away from the others,
// and a layer that nobody waits for any more is not read further.
type flight struct {
	// owner names the bytes that are read and the repository that they come from:
	// their faults are no others'.
	owner   string
	cancel  context.CancelCauseFunc
	waiting int
	done    chan struct{}
	known   *known
	err     error
}

// errNobodyWaits ends a flight whose images have all given up.
var errNobodyWaits = errors.New("no image waits for the layer any more")

// do returns what work comes to, or what work that is already under way for the
// same layer comes to. It tells whether that was work's own doing, and whose
// bytes were read.
func (f *flights) do(ctx context.Context, id layerID, owner string, work func(context.Context) (*known, error)) (k *known, own bool, from string, err error) {
	f.mu.Lock()
	fl := f.open[id]
	if fl == nil {
		fl, own = f.start(ctx, id, owner, work), true
	}
	fl.waiting++
	f.mu.Unlock()
	select {
	case <-fl.done:
		return fl.known, own, fl.owner, fl.err
	case <-ctx.Done():
		f.leave(id, fl)
		return nil, true, owner, context.Cause(ctx)
	}
}

// start begins the work in a goroutine of its own. The caller holds the lock.
func (f *flights) start(ctx context.Context, id layerID, owner string, work func(context.Context) (*known, error)) *flight {
	fl := &flight{owner: owner, done: make(chan struct{})}
	ctx, fl.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if f.open == nil {
		f.open = map[layerID]*flight{}
	}
	f.open[id] = fl
	f.air.Go(func() {
		defer fl.cancel(nil)
		fl.known, fl.err = guarded(func() (*known, error) { return work(ctx) })
		f.mu.Lock()
		f.forget(id, fl)
		f.mu.Unlock()
		close(fl.done)
	})
	return fl
}

// leave ends one image's interest in a layer.
func (f *flights) leave(id layerID, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl.waiting--; fl.waiting == 0 {
		f.forget(id, fl) // whoever asks from now on starts afresh
		fl.cancel(errNobodyWaits)
	}
}

// forget takes fl out, unless another flight stands in its place.
func (f *flights) forget(id layerID, fl *flight) {
	if f.open[id] == fl {
		delete(f.open, id)
	}
}
