package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// maxFailures is how many operations in a row may fail before a server is not
// asked any more: each of them may have waited for a timeout.
const maxFailures = 3

var (
	errOff  = errors.New("it is off for the rest of this run")
	errLate = errors.New("it did not answer in time")
)

// breaker stops the use of a server that does not work.
type breaker struct {
	mu       sync.Mutex
	failures int   // in a row
	last     error // of any failure that was not reported
	off      bool
}

// allow reports whether the server may be asked.
func (b *breaker) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.off
}

// succeeded notes that the server works.
func (b *breaker) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures = 0
}

// failed notes a failure and reports whether it switched the server off.
func (b *breaker) failed(err error, forGood bool) (off bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	b.last = err
	if b.off || b.failures < maxFailures && !forGood {
		return false
	}
	b.off = true
	b.last = nil
	return true
}

// untold returns the last failure, if the server was not switched off.
func (b *breaker) untold() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.off {
		return nil
	}
	return b.last
}

// await runs f and returns when it or ctx ends: go-redis looks at the deadline
// of a context, but not at its end, so it would keep a cancelled run waiting. A
// panic in f is returned as an error, because a cache must not prevent a verdict.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if r := recover(); r != nil {
				a.err = fmt.Errorf("panic: %v", r)
			}
			done <- a
		}()
		a.value, a.err = f()
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
