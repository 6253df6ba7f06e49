package main

import "testing"

// A cache that was warm by accident would look like speed.
func TestColdRunsMustFetchEveryLayer(t *testing.T) {
	dir := t.TempDir()
	s := testStore(t, dir)
	base := gz("base", smallFiles("base", 20, 100))
	if err := s.make([]image{
		single("one", base, gz("own-1", smallFiles("own", 5, 100))),
		{"two", []platform{{arch: "amd64", layers: []recipe{base}}, {arch: "arm64", layers: []recipe{base}}}},
	}); err != nil {
		t.Fatal(err)
	}
	b := &bench{layouts: []string{dir}, images: s.images}
	want := s.layers["base"].Size + s.layers["own-1"].Size
	if got, err := b.weight("one", "two"); err != nil || got != want {
		t.Fatalf("weight = %d, %v, want %d: a shared layer counts once", got, err, want)
	}
	all, less := usage{Requests: requests{Bytes: want}}, usage{Requests: requests{Bytes: want - 1}}
	for _, tt := range []struct {
		name  string
		sides []usage
		ok    bool
	}{
		{"both fetched all", []usage{all, all}, true},
		{"we did not", []usage{less, all}, false},
		{"they did not", []usage{all, less}, false},
	} {
		if err := b.mustFetch([]string{"one", "two"}, tt.sides...); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := b.mustFetch(nil, usage{}); err != nil {
		t.Errorf("a row that need not be cold: %v", err)
	}
	if got, err := b.targets("one", "two"); err != nil || len(got) != 3 || got[2].platform != "linux/arm64" {
		t.Errorf("targets = %v, %v", got, err)
	}
	if _, err := b.targets("three"); err == nil {
		t.Error("an image that is not there: no error")
	}
}
