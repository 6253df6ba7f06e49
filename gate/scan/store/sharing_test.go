package store

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

var anyLayer = ID{DiffID: "sha256:1"}

func TestReadingIsSharedByAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r readings
		var calls, begun atomic.Int32
		finish := make(chan struct{})
		want := &Layer{}
		for range 8 {
			go func() {
				got := r.do(t.Context(), anyLayer, "repo", func(context.Context) (*Layer, error) {
					calls.Add(1)
					<-finish
					return want, nil
				})
				if got.layer != want || got.source != "repo" || got.err != nil {
					t.Errorf("%+v", got)
				}
				if got.own {
					begun.Add(1)
				}
			}()
		}
		synctest.Wait()
		close(finish)
		synctest.Wait()
		if calls.Load() != 1 || begun.Load() != 1 || len(r.open) != 0 {
			t.Errorf("%d calls, %d images that began it, %d readings left, want 1, 1 and 0", calls.Load(), begun.Load(), len(r.open))
		}
	})
}

// The image that began a layer may give up: the others still get it. When all
// have given up, the work is told to stop, and the next request starts another.
func TestReadingOutlivesItsFirstImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r readings
		work := func(ctx context.Context) (*Layer, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		first, cancelFirst := context.WithCancelCause(t.Context())
		second, cancelSecond := context.WithCancelCause(t.Context())
		ended := make(chan string, 2)
		for i, ctx := range []context.Context{first, second} {
			go func() {
				got := r.do(ctx, anyLayer, "repo", work)
				ended <- []string{"first", "second"}[i] + ": " + got.err.Error()
			}()
			synctest.Wait()
		}
		cancelFirst(errors.New("out of time"))
		if got := <-ended; got != "first: out of time" {
			t.Error(got)
		}
		if synctest.Wait(); len(r.open) != 1 {
			t.Errorf("%d readings are open, want the one that the second waits for", len(r.open))
		}
		cancelSecond(errors.New("out of time, too"))
		<-ended
		if synctest.Wait(); len(r.open) != 0 {
			t.Error("a reading that no image waits for is still open")
		}
		got := r.do(t.Context(), anyLayer, "repo", func(context.Context) (*Layer, error) { return &Layer{}, nil })
		if !got.own || got.err != nil {
			t.Errorf("a new reading: %+v", got)
		}
	})
}

func TestReadingTurnsAPanicIntoAnError(t *testing.T) {
	var r readings
	got := r.do(t.Context(), anyLayer, "repo", func(context.Context) (*Layer, error) { panic("ouch") })
	if got.err == nil || !strings.Contains(got.err.Error(), "panic: ouch") {
		t.Errorf("error = %v", got.err)
	}
}
