package worker

import (
	"container/heap"
	"context"
	"sync"
)

// queue bounds how much work is done at once. When several wait, the heaviest
// goes first: a large layer that starts last would keep one processor busy
// while the others have nothing left to do.
type queue struct {
	mu      sync.Mutex
	free    int
	waiting waiters
	order   int64
}

func newQueue(n int) *queue { return &queue{free: n} }

// acquire waits for a slot. The caller has to release it.
func (q *queue) acquire(ctx context.Context, weight int64) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	q.mu.Lock()
	if q.free > 0 {
		q.free--
		q.mu.Unlock()
		return nil
	}
	q.order++
	w := &waiter{weight: weight, order: q.order, ready: make(chan struct{})}
	heap.Push(&q.waiting, w)
	q.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		q.abandon(w)
		return context.Cause(ctx)
	}
}

// abandon takes w out of the queue, or gives back the slot that it was given
// at the same moment.
func (q *queue) abandon(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.index >= 0 {
		heap.Remove(&q.waiting, w.index)
		return
	}
	q.next()
}

// release gives a slot back.
func (q *queue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next()
}

// next gives one slot to the first waiter. The caller holds the lock.
func (q *queue) next() {
	if len(q.waiting) == 0 {
		q.free++
		return
	}
	close(heap.Pop(&q.waiting).(*waiter).ready)
}

// waiter is one caller of acquire that waits.
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
