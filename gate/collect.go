package gate

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/imagegate/imagegate/policy/evidence"
)

// scanKey is what makes two scans the same work: a manifest digest pins every
// byte that is read, so however many names an image has, it is read once.
type scanKey struct {
	digest string
	need   evidence.Need
	users  string // that are looked up, one in each line
	// name is the repository for a second attempt, see [run.collect].
	name string
}

// wanted is what documents need of an image besides what the image itself needs.
type wanted struct {
	need  evidence.Need
	users []string
}

// scanned is a scan and the repository that the layers were read from.
type scanned struct {
	scan *evidence.Scan
	from string
}

// collect scans t if the policy needs evidence from its layers.
func (r *run) collect(ctx context.Context, ref string, t *Target) (*evidence.Scan, error) {
	if err := stopped(ctx, nil); err != nil {
		return nil, fault(ctx, PhaseScan, err)
	}
	more := r.gate.more[ref]
	need := r.gate.Policy.NeedsFor(t.Image.Reference) | more.need
	if !need.Layers() {
		return nil, nil
	}
	if len(more.users) > 0 {
		asked := *t // resolutions are shared by equal references
		asked.Users = more.users
		t = &asked
	}
	key := scanKey{digest: t.Image.ID(), need: need, users: strings.Join(t.Users, "\n")}
	name := t.Image.Reference.Name
	work := func() (scanned, error) {
		scan, err := r.scan(ctx, ref, t, need)
		return scanned{scan, name}, err
	}
	got, err := r.scans.do(PhaseScan, key, work)
	if err != nil && got.from != name {
		// The same image could not be read from another repository. That
		// repository's fault is no reason to have no verdict here.
		key.name = name
		got, err = r.scans.do(PhaseScan, key, work)
	}
	return got.scan, err
}

// scan reads the layers of t, in one of the slots for workers.
func (r *run) scan(ctx context.Context, ref string, t *Target, need evidence.Need) (*evidence.Scan, error) {
	if r.gate.Scanner == nil {
		return nil, internal(PhaseScan, "the policy needs a scan and the gate has no scanner")
	}
	if err := acquire(ctx, r.workers); err != nil {
		return nil, fault(ctx, PhaseScan, err)
	}
	defer release(r.workers)
	r.observe(Event{Image: ref, Platform: t.Image.Platform, Phase: PhaseScan, Layers: len(t.Layers)})
	scan, err := r.gate.Scanner.Scan(ctx, t, need)
	if err = stopped(ctx, err); err != nil {
		return nil, fault(ctx, PhaseScan, err)
	}
	if scan == nil {
		return nil, internal(PhaseScan, "the scanner returned neither evidence nor an error")
	}
	if !scan.Need.Has(need) {
		return nil, internal(PhaseScan, fmt.Sprintf("the scanner collected %b where the policy needs %b", scan.Need, need))
	}
	return scan, nil
}

// memo runs the work for each key once and gives its result to every caller. The zero
// value is ready.
type memo[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*call[V]
}

type call[V any] struct {
	once  sync.Once
	value V
	err   error
}

// do returns the result of f for key. A panic of f becomes the error of every
// caller. Otherwise the other callers would wait for ever, or would take the zero
// value for a result.
func (m *memo[K, V]) do(phase Phase, key K, f func() (V, error)) (V, error) {
	m.mu.Lock()
	if m.calls == nil {
		m.calls = make(map[K]*call[V])
	}
	c, ok := m.calls[key]
	if !ok {
		c = new(call[V])
		m.calls[key] = c
	}
	m.mu.Unlock()
	c.once.Do(func() {
		defer func() {
			if p := recover(); p != nil {
				c.err = Panicked(phase, p)
			}
		}()
		c.value, c.err = f()
	})
	return c.value, c.err
}
