package scan

import (
	"container/heap"
	"context"
	"sync"
)

// slots bounds how many workers work at once. When several wait, the heaviest
// goes first: a large layer that starts last would keep one processor busy
// while the others have nothing left to do.
type slots struct {
	mu      sync.Mutex
	free    int
	waiting waiters
	order   int64
}

func newSlots(n int) *slots { return &slots{free: n} }

// acquire waits for a slot. The caller has to release it.
func (s *slots) acquire(ctx context.Context, weight int64) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return nil
	}
	s.order++
	w := &waiter{weight: weight, order: s.order, ready: make(chan struct{})}
	heap.Push(&s.waiting, w)
	s.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		s.abandon(w)
		return context.Cause(ctx)
	}
}

// abandon takes w out of the queue, or gives back the slot that it was given
// at the same moment.
func (s *slots) abandon(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.index >= 0 {
		heap.Remove(&s.waiting, w.index)
		return
	}
	s.next()
}

// release gives a slot back.
func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next()
}

// next hands one slot to whoever is first in the queue.
func (s *slots) next() {
	if len(s.waiting) == 0 {
		s.free++
		return
	}
	close(heap.Pop(&s.waiting).(*waiter).ready)
}

// waiter is somebody who waits for a slot.
type waiter struct {
	weight, order int64
	index         int // in the queue, -1 when it is out
	ready         chan struct{}
}

// waiters implements heap.Interface.
type waiters []*waiter

func (q waiters) Len() int { return len(q) }

func (q waiters) Less(i, j int) bool {
	if q[i].weight != q[j].weight {
		return q[i].weight > q[j].weight
	}
	return q[i].order < q[j].order
}

func (q waiters) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *waiters) Push(x any) {
	w := x.(*waiter)
	w.index = len(*q)
	*q = append(*q, w)
}

// Pop implements heap.Interface.
func (q *waiters) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last], *q = nil, (*q)[:last]
	w.index = -1
	return w
}
