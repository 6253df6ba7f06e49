package layer

import (
	"fmt"
	"math/rand/v2"
	"reflect"
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

// TestMergeAllocates: a tree of many files takes one allocation for all nodes, and a few for
// each directory.
func TestMergeAllocates(t *testing.T) {
	const dirs, files = 20, 500
	var entries []*Entry
	for i := range dirs * files {
		entries = append(entries, &Entry{Name: fmt.Sprintf("srv/d%d/f%d.txt", i/files, i), Type: File, Size: 100})
	}
	c := record1(t, entries)
	got := testing.AllocsPerRun(5, func() {
		if err := NewTree(DefaultLimits()).Merge(Spec{}, c); err != nil {
			t.Fatal(err)
		}
	})
	if most := float64(dirs * files / 10); got > most {
		t.Errorf("%.0f allocations for %d files, want at most %.0f", got, dirs*files, most)
	}
	if got := reflect.TypeFor[node]().Size(); got > 56 {
		t.Errorf("a node has %d bytes, want at most 56", got)
	}
}
