// Package pulltest helps the tests of the sources of images.
package pulltest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/image"
)

// Pull resolves a reference and reads every layer to its end, as a scanner does.
func Pull(ctx context.Context, r gate.Resolver, ref string) (*gate.Resolution, error) {
	res, err := r.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	return res, ReadLayers(ctx, res)
}

// ReadLayers reads every layer of every target and compares it with its digest.
func ReadLayers(ctx context.Context, res *gate.Resolution) error {
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
			if image.DigestOf(raw, l.Digest) != l.Digest || int64(len(raw)) != l.Size {
				return errors.New("layer " + l.Digest + ": the reader found other bytes than were promised")
			}
		}
	}
	return nil
}

// Image is an image of one layer that holds the files.
func Image(files ...string) *imagetest.Parts {
	l := imagetest.Layer{}
	for _, f := range append(files, "etc/hostname") {
		l.Files = append(l.Files, imagetest.File{Path: f, Body: []byte(strings.Repeat(f, 100))})
	}
	return imagetest.Spec{Layers: []imagetest.Layer{l}}.Build()
}

// For is an image whose config is for the platform.
func For(t testing.TB, platform string) imagetest.Child {
	t.Helper()
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		t.Fatal(err)
	}
	file := imagetest.File{Path: platform, Body: []byte(platform)}
	img := imagetest.Spec{Platform: *p, Layers: []imagetest.Layer{{Files: []imagetest.File{file}}}}.Image()
	return imagetest.Child{Image: img, Platform: p}
}

// CheckError compares an error with the words that it has to hold, "" for no
// error.
func CheckError(t testing.TB, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case want != "" && err == nil:
		t.Errorf("%s: no error", name)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("%s: the error %q does not say %q", name, err, want)
	}
}
