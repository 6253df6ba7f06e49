package store

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/gate/layer"
)

func sampleLayer(t testing.TB) *Layer {
	t.Helper()
	r := layer.NewRecorder(layer.DefaultLimits())
	for i := range 3 {
		e := &layer.Entry{Name: fmt.Sprintf("dir/file-%d", i), Type: layer.File, Size: 1, Mode: 0o644}
		if err := r.Visit(e, bytes.NewReader([]byte("x"))); err != nil {
			t.Fatal(err)
		}
	}
	return &Layer{
		Head: Head{DiffID: anyLayer.DiffID, Jars: true, JavaDatabase: "sha256:2",
			Blobs: []Blob{{Digest: "sha256:3", MediaType: "application/vnd.oci.image.layer.v1.tar", Size: 4, ChunkedTOC: true}}},
		Contents: r.Finish(layer.Stats{Entries: 3, Uncompressed: 3}),
		Analysis: []byte(`{"main":{}}`),
	}
}

func TestLayerSurvivesTheCache(t *testing.T) {
	want := sampleLayer(t)
	b, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(b, anyLayer)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Head, got.Head); diff != "" || !bytes.Equal(want.Analysis, got.Analysis) {
		t.Errorf("head (-want +got):\n%s\nanalysis %s", diff, got.Analysis)
	}
	again, err := got.encode()
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("another form the second time: %v", err)
	}
	if _, err := parse(b, ID{DiffID: "sha256:other"}); err == nil {
		t.Error("accepted for another layer")
	}
	for n := range b {
		if _, err := parse(b[:n], anyLayer); err == nil && n < len(b)-len(want.Analysis)+1 {
			t.Errorf("accepted when cut off after %d of %d bytes", n, len(b))
		}
	}
}

func FuzzLayer(f *testing.F) {
	b, err := sampleLayer(f).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := parse(b, anyLayer)
		if err != nil {
			return
		}
		again, err := k.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(again, anyLayer); err != nil {
			t.Errorf("what was accepted is refused when it is written again: %v", err)
		}
	})
}

// Memory keeps the layers that were used last and never more than it may.
func TestMemoryForgetsTheOldest(t *testing.T) {
	k := sampleLayer(t)
	m := memory{limit: 3 * k.cost()}
	id := func(i int) ID { return ID{DiffID: fmt.Sprint(i)} }
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
	m.put(id(0), k.with(Blob{Digest: "sha256:5"}))
	if m.used != 3*k.cost() || len(m.get(id(0)).Blobs) != 2 {
		t.Errorf("%d bytes are used, want %d", m.used, 3*k.cost())
	}
}
