package remote

import (
	"context"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/evidence"
)

// newClient makes a client that does not wait between tries and sees no
// environment but the one given.
func newClient(t testing.TB, change func(*Options)) *Client {
	t.Helper()
	o := Options{Getenv: env(nil)}
	if change != nil {
		change(&o)
	}
	c, err := NewClient(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c.pause = func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func env(m map[string]string) func(string) string { return func(k string) string { return m[k] } }

func newResolver(t testing.TB, c *Client) gate.Resolver {
	t.Helper()
	r, err := image.NewResolver(image.Options{Sources: map[evidence.Source]image.Source{evidence.SourceRegistry: c}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
