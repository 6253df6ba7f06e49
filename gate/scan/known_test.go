package scan

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/gate/layer"
)

func sampleKnown(t testing.TB) *known {
	t.Helper()
	r := layer.NewRecorder(layer.DefaultLimits())
	for i := range 3 {
		e := &layer.Entry{Name: fmt.Sprintf("dir/file-%d", i), Type: layer.File, Size: 1, Mode: 0o644}
		if err := r.Visit(e, bytes.NewReader([]byte("x"))); err != nil {
			t.Fatal(err)
		}
	}
	return &known{
		knownHead: knownHead{DiffID: anyLayer.diffID, Jars: true, JavaDatabase: "sha256:2",
			Blobs: []blobID{{Digest: "sha256:3", MediaType: "application/vnd.oci.image.layer.v1.tar", Size: 4, ChunkedTOC: true}}},
		contents: r.Finish(layer.Stats{Entries: 3, Uncompressed: 3}),
		analysis: []byte(`{"main":{}}`),
	}
}

func TestKnownSurvivesTheCache(t *testing.T) {
	want := sampleKnown(t)
	b, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseKnown(b, anyLayer)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.knownHead, got.knownHead); diff != "" || !bytes.Equal(want.analysis, got.analysis) {
		t.Errorf("head (-want +got):\n%s\nanalysis %s", diff, got.analysis)
	}
	again, err := got.encode()
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("another form the second time: %v", err)
	}
	if _, err := parseKnown(b, layerID{diffID: "sha256:other"}); err == nil {
		t.Error("accepted for another layer")
	}
	for n := range b {
		if _, err := parseKnown(b[:n], anyLayer); err == nil && n < len(b)-len(want.analysis)+1 {
			t.Errorf("accepted when cut off after %d of %d bytes", n, len(b))
		}
	}
}

func FuzzKnown(f *testing.F) {
	b, err := sampleKnown(f).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := parseKnown(b, anyLayer)
		if err != nil {
			return
		}
		again, err := k.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseKnown(again, anyLayer); err != nil {
			t.Errorf("what was accepted is refused when it is written again: %v", err)
		}
	})
}

// Memory keeps the layers that were used last and never more than it may.
func TestMemoryForgetsTheOldest(t *testing.T) {
	k := sampleKnown(t)
	m := memory{limit: 3 * k.cost()}
	id := func(i int) layerID { return layerID{diffID: fmt.Sprint(i)} }
	for i := range 3 {
		m.put(id(i), k)
	}
	m.get(id(0))
	m.put(id(3), k)
	for i, want := range []bool{true, false, true, true} {
		if got := m.get(id(i)) != nil; got != want {
			t.Errorf("layer %d is kept: %v, want %v", i, got, want)
		}
	}
	m.put(id(0), k.with(blobID{Digest: "sha256:5"}))
	if m.used != 3*k.cost() || len(m.get(id(0)).Blobs) != 2 {
		t.Errorf("%d bytes are used, want %d", m.used, 3*k.cost())
	}
}
