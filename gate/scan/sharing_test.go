package scan_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
	"github.com/imagegate/imagegate/gate/scan"
	"github.com/imagegate/imagegate/gate/scan/store"
	"github.com/imagegate/imagegate/policy/evidence"
)

// traffic counts how often each layer is fetched.
type traffic struct {
	mu    sync.Mutex
	opens map[string]int
}

// watch counts on which layers of tg are fetched from now on.
func (tr *traffic) watch(tg *gate.Target) *gate.Target {
	for i := range tg.Layers {
		b := &tg.Layers[i]
		open := b.Open
		b.Open = func(ctx context.Context) (io.ReadCloser, error) {
			tr.mu.Lock()
			if tr.opens == nil {
				tr.opens = map[string]int{}
			}
			tr.opens[b.Digest]++
			tr.mu.Unlock()
			return open(ctx)
		}
	}
	return tg
}

func (tr *traffic) total() int {
	n := 0
	for _, count := range tr.opens {
		n += count
	}
	return n
}

// mapCache is a store.Cache in memory.
type mapCache struct {
	mu      sync.Mutex
	entries map[string][]byte
	fault   error
}

var errNothing = errors.New("nothing")

// Get implements store.Cache.
func (s *mapCache) Get(_ context.Context, key string, _ time.Duration) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.entries[key]; ok && s.fault == nil {
		return b, nil
	}
	return nil, errors.Join(errNothing, s.fault)
}

// Put implements store.Cache.
func (s *mapCache) Put(_ context.Context, key string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		return s.fault
	}
	if s.entries == nil {
		s.entries = map[string][]byte{}
	}
	s.entries[key] = data
	return nil
}

// Finish implements store.Cache.
func (s *mapCache) Finish() {}

// on returns a change of options that puts the cache to use.
func on(c store.Cache) func(*scan.Options) {
	return func(o *scan.Options) { o.Cache = c }
}

// must scans tg and closes the scanner, after which the cache is complete.
func must(t *testing.T, s *scan.Scanner, tg *gate.Target, need evidence.Need) *evidence.Scan {
	t.Helper()
	got, err := s.Scan(t.Context(), tg, need)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// app is an image of its own on a base that all apps share.
func app(i int) v1.Image {
	return imagetest.Image(rootfs.Alpine("3.20"), imagetest.Files(imagetest.Text(fmt.Sprintf("app/%d", i), "x")))
}

func TestSharedLayersAreReadOnce(t *testing.T) {
	for _, jobs := range []int{1, 4} {
		var tr traffic
		s := open(t, "", func(o *scan.Options) { o.Jobs = jobs })
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if _, err := s.Scan(t.Context(), tr.watch(target(t, app(i))), need); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if tr.total() != 9 || len(tr.opens) != 9 {
			t.Errorf("%d jobs: %d fetches of %d layers, want 9 of 9", jobs, tr.total(), len(tr.opens))
		}
	}
}

func TestKnownLayersAreNotFetched(t *testing.T) {
	var cache mapCache
	var cold, warm traffic
	s := open(t, "", on(&cache))
	want := must(t, s, cold.watch(target(t, app(1))), need)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got := must(t, open(t, "", on(&cache)), warm.watch(target(t, app(1))), need)
	if cold.total() != 2 || warm.total() != 0 || len(cache.entries) != 2 {
		t.Errorf("%d and then %d fetches, %d entries, want 2, 0 and 2", cold.total(), warm.total(), len(cache.entries))
	}
	want.Database, got.Database = nil, nil // every scanner of a test has its own
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("evidence (-cold +warm):\n%s", diff)
	}
}

// If an analyzer reported a fault of the machine, such as a full disk, later runs
// read the layer again.
func TestComplaintsAreNotKept(t *testing.T) {
	var cache mapCache
	var tr traffic
	s := open(t, "complaint", on(&cache))
	for range 2 {
		must(t, s, tr.watch(target(t, app(1))), need)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if tr.total() != 2 || len(cache.entries) != 0 {
		t.Errorf("%d fetches in one run and %d entries for the next, want 2 and none", tr.total(), len(cache.entries))
	}
}

// What was found for other reasons, by other analyzers, within other limits or
// by another build is not used.
func TestOtherWorkIsNotUsed(t *testing.T) {
	tests := map[string]struct {
		change func(*scan.Options)
		need   evidence.Need
	}{
		"other analyzers": {func(o *scan.Options) { o.Analyzers = everything{"2"} }, need},
		"other limits":    {func(o *scan.Options) { o.Limits.FileSize-- }, need},
		"another build":   {func(o *scan.Options) { o.Build = "imagegate 2" }, need},
		"other needs":     {func(*scan.Options) {}, need | evidence.NeedSecrets},
		"other paths":     {func(*scan.Options) {}, need | evidence.NeedSecretsAnywhere},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var cache mapCache
			var tr traffic
			s := open(t, "", on(&cache))
			must(t, s, target(t, app(1)), need)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again := open(t, "", func(o *scan.Options) { o.Cache = &cache; tt.change(o) })
			must(t, again, tr.watch(target(t, app(1))), tt.need)
			if tr.total() != 2 {
				t.Errorf("%d layers were read, want 2", tr.total())
			}
		})
	}
}

// A manifest may claim that any blob is a layer that is known to be harmless. The
// blob is read and compared with the diffID before the result is used.
func TestForgedDiffIDIsNotBelieved(t *testing.T) {
	forge := func(t *testing.T) (honest, forged *gate.Target) {
		honest, forged = target(t, app(1)), target(t, imagetest.Image(rootfs.Alpine("3.19"), imagetest.Files(imagetest.Text("evil", "x"))))
		for i := range forged.Layers {
			forged.Layers[i].DiffID = honest.Layers[i].DiffID
		}
		return honest, forged
	}
	check := func(t *testing.T, s *scan.Scanner, forged *gate.Target) {
		t.Helper()
		got, err := s.Scan(t.Context(), forged, need)
		if err == nil || !strings.Contains(err.Error(), "diffID") {
			t.Errorf("Scan = %+v, %v; want an error about the diffID", got, err)
		}
	}
	t.Run("known in this run", func(t *testing.T) {
		honest, forged := forge(t)
		s := open(t, "", nil)
		must(t, s, honest, need)
		check(t, s, forged)
	})
	t.Run("known from an earlier run", func(t *testing.T) {
		var cache mapCache
		honest, forged := forge(t)
		s := open(t, "", on(&cache))
		must(t, s, honest, need)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		check(t, open(t, "", on(&cache)), forged)
	})
	t.Run("first of all", func(t *testing.T) {
		var cache mapCache
		honest, forged := forge(t)
		s := open(t, "", on(&cache))
		check(t, s, forged)
		if len(cache.entries) != 0 {
			t.Errorf("%d layers were kept under a name that is not theirs", len(cache.entries))
		}
		must(t, s, honest, need)
	})
}

// The same archive compressed in another way is verified, not analysed again.
func TestOtherFormOfAKnownLayerIsVerified(t *testing.T) {
	compressed := func(mediaType types.MediaType) *gate.Target {
		l := rootfs.Alpine("3.20")
		l.MediaType = mediaType
		return target(t, imagetest.Image(l))
	}
	var cache mapCache
	var tr traffic
	s := open(t, "", on(&cache))
	must(t, s, compressed(types.OCILayer), need)
	must(t, s, tr.watch(compressed(types.OCIUncompressedLayer)), need)
	if tr.total() != 1 {
		t.Errorf("%d fetches of a form that was not read before, want 1", tr.total())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(cache.entries) != 1 {
		t.Errorf("%d entries, want one for both forms", len(cache.entries))
	}
	var later traffic
	s = open(t, "", on(&cache))
	must(t, s, later.watch(compressed(types.OCILayer)), need)
	must(t, s, later.watch(compressed(types.OCIUncompressedLayer)), need)
	if later.total() != 0 {
		t.Errorf("%d fetches of forms that were read before, want none", later.total())
	}
}

// A damaged entry of a cache only makes the run slower: the layer is read again.
func TestDamagedEntriesAreReadAgain(t *testing.T) {
	var good mapCache
	s := open(t, "", on(&good))
	must(t, s, target(t, app(1)), need)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(c *mapCache){
		"empty":        func(c *mapCache) { each(c, func([]byte) []byte { return nil }) },
		"cut off":      func(c *mapCache) { each(c, func(b []byte) []byte { return b[:len(b)/2] }) },
		"garbage":      func(c *mapCache) { each(c, func([]byte) []byte { return []byte("garbage") }) },
		"out of order": swap,
		"unreachable":  func(c *mapCache) { c.fault = errors.New("connection refused") },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			c := &mapCache{entries: maps.Clone(good.entries)}
			damage(c)
			var tr traffic
			must(t, open(t, "", on(c)), tr.watch(target(t, app(1))), need)
			if tr.total() != 2 {
				t.Errorf("%d layers were read, want 2", tr.total())
			}
		})
	}
}

func each(c *mapCache, f func([]byte) []byte) {
	for key, b := range c.entries {
		c.entries[key] = f(b)
	}
}

// swap gives every entry the bytes of another one.
func swap(c *mapCache) {
	var last string
	for key := range c.entries {
		if last != "" {
			c.entries[key], c.entries[last] = c.entries[last], c.entries[key]
		}
		last = key
	}
}

// A layer that one repository cannot deliver is asked of the next one.
func TestFaultOfAnotherRepository(t *testing.T) {
	s := open(t, "", func(o *scan.Options) { o.Jobs = 2 })
	broken, sound := target(t, app(1)), target(t, app(1))
	broken.Image.Reference.Name = "registry.example.no/broken"
	waiting := make(chan struct{})
	for i := range broken.Layers {
		broken.Layers[i].Open = func(context.Context) (io.ReadCloser, error) {
			<-waiting
			return nil, errors.New("no such blob")
		}
	}
	var wg sync.WaitGroup
	// Whether this one gets the layers from the other, or none, is a matter of time.
	wg.Go(func() { _, _ = s.Scan(t.Context(), broken, need) })
	wg.Go(func() {
		if _, err := s.Scan(t.Context(), sound, need); err != nil {
			t.Errorf("the same image elsewhere: %v", err)
		}
	})
	close(waiting)
	wg.Wait()
}

// Limits count over all layers of an image, whether they are read or known.
func TestLimitsHoldForKnownLayers(t *testing.T) {
	big := func(i int) v1.Image {
		return imagetest.Image(rootfs.Alpine("3.20"), imagetest.Files(imagetest.Text("a", strings.Repeat("x", 64<<10))),
			imagetest.Files(imagetest.Text(fmt.Sprint("b", i), strings.Repeat("y", 64<<10))))
	}
	small := func(o *scan.Options) { o.Limits.ImageSize = 100 << 10 }
	s := open(t, "", small)
	for i := range 3 {
		if _, err := s.Scan(t.Context(), target(t, big(i)), need); err == nil || !strings.Contains(err.Error(), "image-size") {
			t.Errorf("image %d: %v, want an error that names the limit", i, err)
		}
	}
	if _, err := s.Scan(t.Context(), target(t, app(1)), need); err != nil {
		t.Errorf("a small image on the same base: %v", err)
	}
}
