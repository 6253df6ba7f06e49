package scan_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
	"github.com/imagegate/imagegate/gate/scan"
	"github.com/imagegate/imagegate/policy/evidence"
)

// held makes tg's i-th layer wait for release before it fails with err, and
// tells when it is being read.
func held(tg *gate.Target, i int, release <-chan struct{}, err error) (reading chan struct{}) {
	reading = make(chan struct{}, 100)
	tg.Layers[i].Open = func(context.Context) (io.ReadCloser, error) {
		reading <- struct{}{}
		<-release
		return nil, err
	}
	return reading
}

// A manifest that names another blob beside a diffID must not affect the verdict on
// a valid image that waits for the same layer in the same repository.
func TestFaultOfAnotherBlob(t *testing.T) {
	s := open(t, "", func(o *scan.Options) { o.Jobs = 2 })
	liar, honest := target(t, app(1)), target(t, app(1))
	liar.Layers[0].Digest = "sha256:" + strings.Repeat("0", 64)
	release := make(chan struct{})
	reading := held(liar, 0, release, errors.New("no such blob"))
	var wg sync.WaitGroup
	wg.Go(func() {
		if got, err := s.Scan(t.Context(), liar, need); err == nil {
			t.Errorf("the false manifest was accepted: %+v", got)
		}
	})
	<-reading
	wg.Go(func() {
		if _, err := s.Scan(t.Context(), honest, need); err != nil {
			t.Errorf("the valid image: %v", err)
		}
	})
	scan.AwaitWaiting(s, honest.Layers[0].DiffID, 2)
	close(release)
	wg.Wait()
}

// An image that waited for a layer that cannot be read gets an error that calls
// the layer by its own number.
func TestSharedFaultIsToldInOnesOwnWords(t *testing.T) {
	tests := map[string]struct {
		worker string
		err    error
		want   string
	}{
		"plain":  {"", errors.New("404"), "%s (sha256:"},
		"fault":  {"", &gate.Fault{Phase: gate.PhaseFetch, Err: errors.New("404"), Hint: "log in"}, "%s: 404"},
		"worker": {"panic", nil, "%s: the scanner crashed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t, tt.worker, func(o *scan.Options) { o.Jobs = 2 })
			shared := rootfs.Alpine("3.20")
			first, second := target(t, imagetest.Image(shared)), target(t, imagetest.Image(imagetest.Layer{}, shared))
			release := make(chan struct{})
			var reading chan struct{}
			if tt.err != nil {
				reading = held(first, 0, release, tt.err)
				held(second, 1, release, tt.err)
			} else {
				open := first.Layers[0].Open
				reading = held(first, 0, release, nil)
				gateOpen := first.Layers[0].Open
				first.Layers[0].Open = func(ctx context.Context) (io.ReadCloser, error) {
					_, _ = gateOpen(ctx)
					return open(ctx)
				}
			}
			var wg sync.WaitGroup
			check := func(tg *gate.Target, layer string) {
				_, err := s.Scan(t.Context(), tg, need)
				if want := fmt.Sprintf(tt.want, layer); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v does not say %q", err, want)
				}
				var f *gate.Fault
				if !errors.As(err, &f) || tt.err != nil && errors.As(tt.err, new(*gate.Fault)) && f.Hint != "log in" {
					t.Errorf("error %v has lost its hint", err)
				}
			}
			wg.Go(func() { check(first, "layer 1 of 1") })
			<-reading
			wg.Go(func() { check(second, "layer 2 of 2") })
			scan.AwaitWaiting(s, first.Layers[0].DiffID, 2)
			close(release)
			wg.Wait()
		})
	}
}

// A panic affects the verdict on one image only. It leaks neither a process nor a
// slot.
func TestPanicsLeaveNothing(t *testing.T) {
	for _, at := range []string{"fetch", "seen", "cache"} {
		t.Run(at, func(t *testing.T) {
			var healed atomic.Bool
			ouch := func(where string) {
				if !healed.Load() && where == at {
					panic("ouch")
				}
			}
			s := open(t, "", func(o *scan.Options) {
				o.Observe = func(e gate.Event) {
					if e.LayerDone {
						ouch("seen")
					} else {
						ouch("fetch")
					}
				}
				o.Cache = hooked{func() { ouch("cache") }}
			})
			before := descriptors(t)
			for range 3 {
				got, err := s.Scan(t.Context(), target(t, alpine()), need)
				if at != "cache" && (err == nil || !strings.Contains(err.Error(), "panic: ouch")) {
					t.Errorf("Scan = %+v, %v; want an error about the panic", got, err)
				}
			}
			healed.Store(true)
			if _, err := s.Scan(t.Context(), target(t, app(7)), need); err != nil {
				t.Errorf("the next image: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if children := childProcesses(); len(children) > 0 {
				t.Errorf("still running: %v", children)
			}
			if after := descriptors(t); after > before {
				t.Errorf("%d descriptors are open, %d were", after, before)
			}
		})
	}
}

// hooked is a cache that keeps nothing and calls a function when it should.
type hooked struct{ put func() }

func (hooked) Finish() {}

func (hooked) Get(context.Context, string, time.Duration) ([]byte, error) { return nil, errNothing }

func (h hooked) Put(context.Context, string, []byte) error {
	h.put()
	return nil
}

// descriptors counts our open files, 0 where that cannot be known.
func descriptors(t *testing.T) int {
	t.Helper()
	open, _ := os.ReadDir("/proc/self/fd")
	return len(open)
}

func childProcesses() []string {
	var children []string
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range tasks {
		list, _ := os.ReadFile(name)
		children = append(children, strings.Fields(string(list))...)
	}
	return children
}

// An image may have more programs than fit into one frame.
func TestManyPrograms(t *testing.T) {
	var files []imagetest.File
	for i := range 9000 {
		files = append(files, imagetest.Program("usr/lib/"+strings.Repeat("x", 120)+"/"+strconv.Itoa(i), []byte("\x7fELF\x02\x01\x01\x00")))
	}
	got := must(t, open(t, "", nil), target(t, imagetest.Image(imagetest.Files(files...))), need)
	if got.Coverage.Executables != len(files) {
		t.Errorf("%d executables, want %d", got.Coverage.Executables, len(files))
	}
}

// A config may be larger than a frame.
func TestLargeConfig(t *testing.T) {
	tg := target(t, alpine())
	tg.RawConfig = []byte(`{"config":{"Labels":{"x":"` + strings.Repeat("x", 2<<20) + `"}}}`)
	tg.Image.Config.Layers = []evidence.Layer{{CreatedBy: strings.Repeat("y", 2<<20)}}
	must(t, open(t, "", nil), tg, need|evidence.NeedSecrets)
}

// A layer may hide all that is below it.
func TestOpaqueRoot(t *testing.T) {
	must(t, open(t, "", nil), target(t, imagetest.Image(rootfs.Alpine("3.20"), imagetest.Files(imagetest.Opaque("")))), need)
}

func TestNoLayers(t *testing.T) {
	got := must(t, open(t, "", nil), target(t, imagetest.Image()), need)
	if got.Coverage.Gaps == nil {
		t.Error("the gaps are nil, which means that no check was made")
	}
}
