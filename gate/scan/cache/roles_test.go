package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

func roles() map[string]func(args []string) error {
	all := map[string]func(args []string) error{"hammer": hammer, "write": writeForever}
	for name, play := range systemRoles() {
		all[name] = play
	}
	return all
}

const (
	hammerKeys  = 64
	hammerSteps = 400
)

// hammer does everything to one cache at random, and finds each answer wrong
// that is neither the truth nor a miss. args: place, seed.
func hammer(args []string) error {
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	var n notes
	o := Options{Warn: n.add, DialTimeout: time.Minute, Timeout: time.Minute} // the machine may be busy
	if secret := os.Getenv("IMAGEGATE_CACHE_KEY"); secret != "" {
		o.Key = []byte(secret)
	}
	ctx := context.Background()
	s, err := Open(ctx, args[0], o)
	if err != nil {
		return err
	}
	defer s.Close()
	r := rand.New(rand.NewPCG(seed, 0))
	hits := 0
	for step := range hammerSteps {
		i := r.IntN(hammerKeys)
		switch pick := r.IntN(100); {
		case pick < 50:
			data, err := s.Get(ctx, keyOf(i), saves)
			if err != nil && !errors.Is(err, ErrMissing) || err == nil && !bytes.Equal(data, dataOf(i, 50+i*900)) {
				return fmt.Errorf("step %d: Get %d: %d bytes, error %w", step, i, len(data), err)
			}
			if err == nil {
				hits++
			}
		case pick < 95:
			if err := s.Put(ctx, keyOf(i), dataOf(i, 50+i*900)); err != nil {
				return fmt.Errorf("step %d: Put %d: %w", step, i, err)
			}
		case pick < 98:
			if _, err := s.Prune(ctx, Prune{MaxSize: 100 << 10, All: pick == 97}); err != nil {
				return fmt.Errorf("step %d: Prune: %w", step, err)
			}
		default:
			if _, err := s.Info(ctx); err != nil {
				return fmt.Errorf("step %d: Info: %w", step, err)
			}
		}
	}
	if warnings := n.all(); len(warnings) > 0 || hits == 0 {
		return fmt.Errorf("%d hits, warnings %q", hits, warnings)
	}
	return nil
}

// hammerTogether runs eight processes on one cache at the same time.
func hammerTogether(t *testing.T, place string, env ...string) {
	t.Helper()
	results := make(chan error)
	for seed := range 8 {
		cmd := actor(t, "hammer", place, strconv.Itoa(seed))
		cmd.Env = append(cmd.Env, env...)
		go func() {
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("process %d: %w\n%s", seed, err, out)
			}
			results <- err
		}()
	}
	for range 8 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func TestManyProcesses(t *testing.T) {
	dir := t.TempDir()
	hammerTogether(t, dir)
	s := mustOpen(t, dir, Options{Warn: func(text string) { t.Error(text) }})
	if _, err := s.Prune(t.Context(), Prune{All: true}); err != nil {
		t.Error(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > hammerKeys {
		t.Errorf("%d files are left, error %v", len(files), err)
	}
}

// The same within one process, for the race detector.
func TestManyGoroutines(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{Warn: func(text string) { t.Error(text) }})
	done := make(chan error)
	for g := range 8 {
		go func() {
			var failed error
			for i := range 60 {
				k := (g + i) % 20
				failed = errors.Join(failed, s.Put(t.Context(), keyOf(k), dataOf(k, 5000)))
				if data, err := s.Get(t.Context(), keyOf(k), saves); err == nil && !bytes.Equal(data, dataOf(k, 5000)) {
					failed = errors.Join(failed, fmt.Errorf("entry %d is not what was put", k))
				}
				if i%20 == 0 {
					_, err := s.Prune(t.Context(), Prune{MaxSize: 5000})
					failed = errors.Join(failed, err)
				}
			}
			done <- failed
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// writeForever says that it begins and writes until it is killed. args: place.
func writeForever(args []string) error {
	s, err := Open(context.Background(), args[0], Options{})
	if err != nil {
		return err
	}
	data := make([][]byte, 8)
	for i := range data {
		data[i] = noise(i)
	}
	for n := 0; ; n++ {
		if err := s.Put(context.Background(), keyOf(n%8), data[n%8]); err != nil {
			return err
		}
		if n == 0 {
			fmt.Println("writing")
		}
	}
}

// noise is the same bytes each time, which do not compress.
func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(n)})
	b := make([]byte, 2<<20)
	_, _ = r.Read(b)
	return b
}
