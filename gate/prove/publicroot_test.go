package prove_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/prove"
)

// A trusted root is fetched from a mirror that the first root vouches for, and not
// when what the mirror has is too old.
func TestFetchRoots(t *testing.T) {
	s := provetest.NewSigstore(t)
	m := provetest.NewMirror(t, s.Root, time.Now().Add(time.Hour))
	server := httptest.NewServer(m)
	defer server.Close()
	roots, err := prove.FetchRoots(context.Background(), prove.Mirror{URL: server.URL, Root: m.Root})
	if err != nil || len(roots) != 1 {
		t.Fatalf("%d roots, %v", len(roots), err)
	}
	other := provetest.NewMirror(t, s.Root, time.Now().Add(time.Hour))
	if _, err := prove.FetchRoots(context.Background(), prove.Mirror{URL: server.URL, Root: other.Root}); err == nil {
		t.Error("a mirror that nobody vouches for is believed")
	}
	old := provetest.NewMirror(t, s.Root, time.Now().Add(-time.Hour))
	stale := httptest.NewServer(old)
	defer stale.Close()
	if _, err := prove.FetchRoots(context.Background(), prove.Mirror{URL: stale.URL, Root: old.Root}); err == nil {
		t.Error("documents that have expired are believed")
	}
	if _, err := prove.FetchRoots(context.Background(), prove.Mirror{URL: "http://127.0.0.1:1", Root: m.Root}); err == nil {
		t.Error("no mirror is no error")
	}
}
