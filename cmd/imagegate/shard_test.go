package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestParseShard(t *testing.T) {
	for text, want := range map[string]shard{
		"": {}, "1/1": {1, 1}, "1/8": {1, 8}, "8/8": {8, 8}, "0/8": {8, 8}, "0/1": {1, 1}, "100000/100000": {100_000, 100_000},
	} {
		if got, err := parseShard(text); err != nil || got != want {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"00/8", "9/8", "1/0", "0/0", "-1/8", "1/-8", "+1/8", "1/+8", "01/8", "1/08", "1", "/", "1/", "/8", "1/8/8", " 1/8", "1/8 ",
		"1.0/8", "1e0/8", "0x1/8", "a/b", "1/100001", "1/99999999999999999999", "99999999999999999999/1", "１/８",
	} {
		if got, err := parseShard(text); err == nil {
			t.Errorf("%q was accepted as %v", text, got)
		} else if exitCode(err) != exitUsage {
			t.Errorf("%q: %v is no mistake of the command line", text, err)
		}
	}
}

func shareOf(s shard, refs []string) []string {
	out, info := share(s, refs, func(ref *string) string { return *ref })
	if info != nil && info.Borrowed {
		return nil
	}
	return out
}

// Every image falls to exactly one shard, however many there are, and where it
// falls to depends on nothing but its name.
func TestEveryImageFallsToOneShard(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var refs []string
	for i := range 200 {
		refs = append(refs, fmt.Sprintf("registry.example.no/team/app-%d:%d", i, random.IntN(9)))
	}
	refs = append(refs, refs[7], refs[7], "", "oci:a dir")
	for n := 1; n <= 50; n++ {
		var all []string
		for i := 1; i <= n; i++ {
			s := shard{i, n}
			mine := shareOf(s, refs)
			all = append(all, mine...)
			shuffled := slices.Clone(refs)
			random.Shuffle(len(shuffled), func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
			if other := shareOf(s, shuffled[:100]); slices.ContainsFunc(other, func(ref string) bool { return !slices.Contains(mine, ref) }) {
				t.Fatalf("shard %d/%d depends on the order or the length of the list", i, n)
			}
		}
		slices.Sort(all)
		if want := slices.Sorted(slices.Values(refs)); !slices.Equal(all, want) {
			t.Fatalf("%d shards hold %d images, want each of %d once", n, len(all), len(want))
		}
	}
}

// A shard is never empty: it borrows one reference, with all its platforms. The
// order of the list does not change which one.
func TestAShardBorrows(t *testing.T) {
	refs := []string{"a:1", "b:1", "a:1", "c:1"}
	borrowed := 0
	for i := 1; i <= 20; i++ {
		s := shard{i, 20}
		got, info := share(s, refs, func(ref *string) string { return *ref })
		if len(got) == 0 || info.Listed != 4 || info.Images != len(got) {
			t.Fatalf("shard %d: %v %+v", i, got, info)
		}
		if !info.Borrowed {
			continue
		}
		borrowed++
		back := slices.Clone(refs)
		slices.Reverse(back)
		again, _ := share(s, back, func(ref *string) string { return *ref })
		if !slices.Equal(got, again) || got[0] == "a:1" && len(got) != 2 {
			t.Errorf("shard %d borrowed %v and %v", i, got, again)
		}
	}
	if borrowed < 17 {
		t.Errorf("%d of 20 shards borrowed, though there are 3 references", borrowed)
	}
}

// Without --shard nothing is left out, and nothing is said.
func TestNoShardTakesAll(t *testing.T) {
	refs := []string{"a:1", "b:1"}
	got, info := share(shard{}, refs, func(ref *string) string { return *ref })
	if !slices.Equal(got, refs) || info != nil {
		t.Errorf("%v %+v", got, info)
	}
}

// A list without images is what it was: an error, and no empty share.
func TestAnEmptyListIsNoShare(t *testing.T) {
	if got, info := share(shard{1, 2}, []string(nil), func(ref *string) string { return *ref }); len(got) != 0 || info != nil {
		t.Errorf("%v %+v", got, info)
	}
}
