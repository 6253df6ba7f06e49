package registry

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// newClient makes a client that does not wait between tries and sees no
// environment but the one given.
func newClient(t testing.TB, change func(*Options)) *Client {
	t.Helper()
	o := Options{Getenv: env(nil)}
	if change != nil {
		change(&o)
	}
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	c.pause = func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func env(m map[string]string) func(string) string { return func(k string) string { return m[k] } }

func newResolver(t testing.TB, c *Client, platforms ...string) gate.Resolver {
	t.Helper()
	r, err := c.Resolver(ResolverOptions{Platforms: platforms})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readLayers reads every layer of every target to its end and compares it with
// its digest, as a scanner does.
func readLayers(ctx context.Context, res *gate.Resolution) error {
	for _, target := range res.Targets {
		for _, l := range target.Layers {
			body, err := l.Open(ctx)
			if err != nil {
				return err
			}
			raw, err := io.ReadAll(body)
			_ = body.Close()
			if err != nil {
				return err
			}
			if digestOf(raw, l.Digest) != l.Digest || int64(len(raw)) != l.Size {
				return errors.New("layer " + l.Digest + ": the reader found other bytes than were promised")
			}
		}
	}
	return nil
}

// pull resolves a reference and reads everything.
func pull(ctx context.Context, r gate.Resolver, ref string) (*gate.Resolution, error) {
	res, err := r.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	return res, readLayers(ctx, res)
}

func testImage(files ...string) *imagetest.Parts {
	l := imagetest.Layer{}
	for _, f := range append(files, "etc/hostname") {
		l.Files = append(l.Files, imagetest.File{Path: f, Body: []byte(strings.Repeat(f, 100))})
	}
	p, err := imagetest.Spec{Layers: []imagetest.Layer{l}}.Build()
	if err != nil {
		panic(err)
	}
	return p
}
