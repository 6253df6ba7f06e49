package scan_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/imagegate/imagegate/gate/scan"
)

// An image that is cancelled in any phase does not affect others that wait for the
// same layer, and no child process is left.
func TestGivingUpTakesNothingFromOthers(t *testing.T) {
	for _, phase := range []string{"fetch", "body"} {
		t.Run(phase, func(t *testing.T) {
			s := open(t, "", func(o *scan.Options) { o.Jobs = 2 })
			first, second := target(t, alpine()), target(t, alpine())
			release := make(chan struct{})
			reading := make(chan struct{}, 10)
			inner := first.Layers[0].Open
			first.Layers[0].Open = func(ctx context.Context) (io.ReadCloser, error) {
				r, err := inner(ctx)
				if phase == "fetch" {
					reading <- struct{}{}
					<-release
					return r, err
				}
				return slow{r, reading, release}, err
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				if got, err := s.Scan(ctx, first, need); err == nil || !strings.Contains(err.Error(), "out of time") {
					t.Errorf("the image that gave up: %+v, %v", got, err)
				}
			})
			<-reading
			wg.Go(func() {
				if _, err := s.Scan(t.Context(), second, need); err != nil {
					t.Errorf("the other image: %v", err)
				}
			})
			scan.AwaitWaiting(s, first.Layers[0].DiffID, 2)
			cancel(errors.New("out of time"))
			scan.AwaitWaiting(s, first.Layers[0].DiffID, 1)
			close(release)
			wg.Wait()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if children := childProcesses(); len(children) > 0 {
				t.Errorf("still running: %v", children)
			}
		})
	}
}

// slow is a body that waits before its first byte.
type slow struct {
	io.ReadCloser
	reading chan<- struct{}
	release <-chan struct{}
}

func (s slow) Read(b []byte) (int, error) {
	select {
	case <-s.release:
	default:
		s.reading <- struct{}{}
		<-s.release
	}
	return s.ReadCloser.Read(b)
}
