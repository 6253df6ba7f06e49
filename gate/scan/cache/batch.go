package cache

import (
	"sync"
	"time"
)

const (
	// gathering is how long the first operation of a batch waits for others. The
	// layers of an image are asked for at the same moment.
	gathering = time.Millisecond
	// maxBatch and maxBatchBytes bound one exchange with a server, which has to end
	// within Options.Timeout.
	maxBatch      = 64
	maxBatchBytes = 4 << 20
	// maxBatches is how many exchanges go on at the same time.
	maxBatches = 4
)

// batcher collects operations that are asked for at about the same time, so that
// a server that is far away is asked once for all layers of an image.
type batcher[T any] struct {
	run  func([]T)
	size func(T) int // in bytes

	mu      sync.Mutex
	waiting []T
	running int
}

// add has an operation run soon, in a goroutine of the batcher.
func (b *batcher[T]) add(operation T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, operation)
	if b.running < maxBatches {
		b.running++
		go b.work()
	}
}

func (b *batcher[T]) work() {
	time.Sleep(gathering)
	for batch := b.next(); batch != nil; batch = b.next() {
		b.run(batch)
	}
}

// next takes the operations that go into one exchange. When it returns none, the
// calling goroutine has ended its work.
func (b *batcher[T]) next() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.running--
		return nil
	}
	n, bytes := 0, 0
	for n < len(b.waiting) && n < maxBatch && (n == 0 || bytes+b.size(b.waiting[n]) <= maxBatchBytes) {
		bytes += b.size(b.waiting[n])
		n++
	}
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	return batch
}
