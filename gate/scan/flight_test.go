package scan

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

var anyLayer = layerID{diffID: "sha256:1"}

func TestFlightIsSharedByAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		var calls, led atomic.Int32
		land := make(chan struct{})
		want := &known{}
		for range 8 {
			go func() {
				k, own, from, err := f.do(t.Context(), anyLayer, "repo", func(context.Context) (*known, error) {
					calls.Add(1)
					<-land
					return want, nil
				})
				if k != want || from != "repo" || err != nil {
					t.Errorf("%v from %s, %v", k, from, err)
				}
				if own {
					led.Add(1)
				}
			}()
		}
		synctest.Wait()
		close(land)
		synctest.Wait()
		if calls.Load() != 1 || led.Load() != 1 || len(f.open) != 0 {
			t.Errorf("%d calls, %d leaders, %d flights left, want 1, 1 and 0", calls.Load(), led.Load(), len(f.open))
		}
	})
}

// The image that began a layer may give up: the others still get it. When all
// have given up, the work is told to stop, and who comes later starts afresh.
func TestFlightOutlivesWhoBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		work := func(ctx context.Context) (*known, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		first, cancelFirst := context.WithCancelCause(t.Context())
		second, cancelSecond := context.WithCancelCause(t.Context())
		ended := make(chan string, 2)
		for i, ctx := range []context.Context{first, second} {
			go func() {
				_, _, _, err := f.do(ctx, anyLayer, "repo", work)
				ended <- []string{"first", "second"}[i] + ": " + err.Error()
			}()
			synctest.Wait()
		}
		cancelFirst(errors.New("out of time"))
		if got := <-ended; got != "first: out of time" {
			t.Error(got)
		}
		if synctest.Wait(); len(f.open) != 1 {
			t.Errorf("%d flights are open, want the one that the second waits for", len(f.open))
		}
		cancelSecond(errors.New("out of time, too"))
		<-ended
		if synctest.Wait(); len(f.open) != 0 {
			t.Error("a flight that nobody waits for is still open")
		}
		_, own, _, err := f.do(t.Context(), anyLayer, "repo", func(context.Context) (*known, error) { return &known{}, nil })
		if !own || err != nil {
			t.Errorf("a new flight: own %v, %v", own, err)
		}
	})
}

func TestFlightTurnsAPanicIntoAnError(t *testing.T) {
	var f flights
	_, _, _, err := f.do(t.Context(), anyLayer, "repo", func(context.Context) (*known, error) { panic("ouch") })
	if err == nil || !strings.Contains(err.Error(), "panic: ouch") {
		t.Errorf("error = %v", err)
	}
}
