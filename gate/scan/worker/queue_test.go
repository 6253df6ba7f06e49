package worker

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// The heaviest waiter goes first, and of equal ones the first.
func TestQueueGoesByWeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQueue(1)
		if err := s.acquire(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var got []int64
		for i, weight := range []int64{5, 70, 5, 900} {
			go func() {
				if err := s.acquire(t.Context(), weight); err != nil {
					t.Error(err)
				}
				mu.Lock()
				got = append(got, weight*10+int64(i))
				mu.Unlock()
				s.release(weight)
			}()
			synctest.Wait()
		}
		s.release(1)
		synctest.Wait()
		if want := []int64{9003, 701, 50, 52}; !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
	})
}

// A caller that gives up waiting loses no slot.
func TestQueueSurvivesWaitersThatGiveUp(t *testing.T) {
	s := newQueue(2)
	gone := errors.New("gone")
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			ctx, cancel := context.WithCancelCause(t.Context())
			if i%3 == 0 {
				go cancel(gone)
			}
			defer cancel(nil)
			if err := s.acquire(ctx, int64(i)); err == nil {
				s.release(int64(i))
			} else if !errors.Is(err, gone) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s.free+s.closed != 2 || len(s.waiting) != 0 || s.weight != 0 {
		t.Errorf("%d and %d slots are free, %d wait and weigh %d, want 2 and none", s.free, s.closed, len(s.waiting), s.weight)
	}
}

// A slot opens when there is enough work for it.
func TestQueueOpensASlotForEnoughWork(t *testing.T) {
	tests := map[string]struct {
		weights []int64
		running int
	}{
		"a few small layers":          {[]int64{openAt, 100, 100, 100}, 1},
		"a small and a large layer":   {[]int64{100, 9 * openAt}, 1},
		"many small layers":           {slices.Repeat([]int64{100}, 2+openAt/eachWork), 2},
		"two large layers":            {[]int64{openAt, openAt}, 2},
		"more layers than slots":      {slices.Repeat([]int64{openAt}, 9), 3},
		"an image that can be judged": {[]int64{openAt, math.MaxInt64}, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(3)
				var running atomic.Int32
				finish := make(chan struct{})
				for _, weight := range tt.weights {
					go func() {
						if err := q.acquire(t.Context(), weight); err != nil {
							t.Error(err)
						}
						running.Add(1)
						<-finish
						q.release(weight)
					}()
					synctest.Wait()
				}
				if n := running.Load(); n != int32(tt.running) {
					t.Errorf("%d run, want %d", n, tt.running)
				}
				close(finish)
				synctest.Wait()
				if running.Load() != int32(len(tt.weights)) || q.weight != 0 {
					t.Errorf("%d of %d ran, and %d bytes wait", running.Load(), len(tt.weights), q.weight)
				}
			})
		})
	}
}
