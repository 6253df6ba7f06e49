package worker

import (
	"container/heap"
	"context"
	"slices"
	"sync"
)

// queue bounds how much work is done at once. When several wait, the heaviest
// goes first: a large layer that starts last would keep one processor busy
// while the others have nothing left to do.
//
// Its slots open one after another, as work piles up: a second worker takes 50 MiB
// and the processor time of a start, which is too much for a few small layers.
type queue struct {
	mu      sync.Mutex
	free    int
	closed  int // slots that may still open
	waiting waiters
	weight  int64   // of all that run or wait
	running []int64 // the weights of what runs
	order   int64
}

const (
	// openAt is how much work, in bytes of layers, there must be beside the largest
	// piece for each slot that is open before one more opens.
	openAt = 20 << 20
	// eachWork is what a piece of work weighs beside its bytes.
	eachWork = 256 << 10
	// heaviest bounds a weight, so that their sum does not overflow.
	heaviest = 1 << 40
)

func newQueue(n int) *queue { return &queue{free: 1, closed: n - 1} }

// acquire waits for a slot. The caller has to release it.
func (q *queue) acquire(ctx context.Context, weight int64) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	weight = weigh(weight)
	q.mu.Lock()
	q.weight += weight
	if q.free > 0 {
		q.free--
		q.running = append(q.running, weight)
		q.mu.Unlock()
		return nil
	}
	q.order++
	w := &waiter{weight: weight, order: q.order, ready: make(chan struct{})}
	heap.Push(&q.waiting, w)
	if q.closed > 0 && q.weight-max(q.waiting[0].weight, slices.Max(q.running)) >= openAt*int64(len(q.running)) {
		q.closed--
		q.next()
	}
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
		q.weight -= w.weight
		return
	}
	q.end(w.weight)
}

// release gives a slot back that was acquired with a weight.
func (q *queue) release(weight int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.end(weigh(weight))
}

// end takes a piece of work out that has ended. The caller holds the lock.
func (q *queue) end(weight int64) {
	i := slices.Index(q.running, weight)
	q.running = slices.Delete(q.running, i, i+1)
	q.weight -= weight
	q.next()
}

// next gives one slot to the first waiter. The caller holds the lock.
func (q *queue) next() {
	if len(q.waiting) == 0 {
		q.free++
		return
	}
	w := heap.Pop(&q.waiting).(*waiter)
	q.running = append(q.running, w.weight)
	close(w.ready)
}

// waiter is one caller of acquire that waits.
type waiter struct {
	weight, order int64
	index         int // in the queue, -1 when it is out
	ready         chan struct{}
}

// weigh returns what a piece of work counts for.
func weigh(bytes int64) int64 { return min(bytes, heaviest) + eachWork }

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
