package worker

import (
	"context"
	"errors"
	"slices"
	"sync"
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
				s.release()
			}()
			synctest.Wait()
		}
		s.release()
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
				s.release()
			} else if !errors.Is(err, gone) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s.free != 2 || len(s.waiting) != 0 {
		t.Errorf("%d slots are free and %d wait, want 2 and none", s.free, len(s.waiting))
	}
}
