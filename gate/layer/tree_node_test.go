package layer

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// TestNames adds and removes names at random, in directories small enough to be
// searched and large enough to be indexed, and compares with a map.
func TestNames(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		names, model := newNames(), make(map[string]*node)
		variety := 1 + rnd.IntN(4*maxUnindexed)
		for range 500 {
			name := strconv.Itoa(rnd.IntN(variety))
			n := names.kid(names.root, name)
			if n != model[name] {
				t.Fatalf("seed %d: found %p for %s, want %p", seed, n, name, model[name])
			}
			if n != nil {
				names.remove(names.root, n)
				delete(model, name)
				continue
			}
			n = &node{}
			names.add(names.root, name, n)
			model[name] = n
		}
		count := 0
		for kid := range names.root.all {
			if count++; model[kid.name] != kid {
				t.Fatalf("seed %d: %s is not as it was put there", seed, kid.name)
			}
		}
		if count != len(model) || names.root.len() != count {
			t.Fatalf("seed %d: %d names, counted as %d, want %d", seed, count, names.root.len(), len(model))
		}
	}
}
