package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// A client that is not measured pulls a whole image, and the registry counts
// its requests.
func TestRegistryServesAndCounts(t *testing.T) {
	dir := t.TempDir()
	s := testStore(t, dir)
	if err := s.make([]image{single("one", gz("a", smallFiles("a", 5, 100)), gz("b", smallFiles("b", 5, 100)))}); err != nil {
		t.Fatal(err)
	}
	handler, err := newServer([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(handler)
	defer web.Close()
	p := &peer{host: strings.TrimPrefix(web.URL, "http://")}
	ref, err := name.ParseReference(p.ref("one"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Fatal(err)
	}
	got, err := p.taken()
	if err != nil || got.Manifests < 1 || got.Configs < 1 || got.Layers < 2 || got.Bytes < s.layers["a"].Size+s.layers["b"].Size {
		t.Errorf("counted %+v, %v", got, err)
	}
	if got, err := p.taken(); err != nil || got != (requests{}) {
		t.Errorf("counted twice: %+v, %v", got, err)
	}
	for _, path := range []string{"/v2/bench/none/manifests/1.0.0", "/v2/bench/one/blobs/sha256:" + strings.Repeat("0", 64), "/v2/bench/one/blobs/x", "/other"} {
		resp, err := http.Get(web.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s, want 404", path, resp.Status)
		}
	}
}
