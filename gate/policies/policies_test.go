package policies

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate/promote"
)

// registry is a registry in memory.
type registry struct {
	promote.Repository // nil: its other methods are not called
	blobs              map[string][]byte
	manifests          map[string][]byte
	tags               map[string]string
	asked              int
}

func (r *registry) HasBlob(_ context.Context, d promote.Descriptor) (bool, error) {
	return r.blobs[d.Digest] != nil, nil
}

func (r *registry) CopyBlob(ctx context.Context, d promote.Descriptor, from promote.Repository) error {
	b, err := from.OpenBlob(ctx, d)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(b)
	r.blobs[d.Digest] = raw
	return err
}

func (r *registry) PutManifest(_ context.Context, m promote.Manifest) error {
	r.manifests[m.Digest] = m.Raw
	return nil
}

func (r *registry) PutTag(_ context.Context, tag string, m promote.Manifest) error {
	r.tags[tag] = m.Digest
	return nil
}

func (r *registry) ListsInTags(context.Context) (bool, error) { return false, nil }

// source is the registry as policies are read from it.
type source struct{ *registry }

func (s source) Manifest(_ context.Context, ref string) ([]byte, string, string, error) {
	s.asked++
	_, digest, _ := strings.Cut(ref, "@")
	raw, ok := s.manifests[digest]
	if !ok {
		return nil, "", "", promote.ErrNotFound
	}
	return raw, manifestType, digest, nil
}

func (s source) Blob(_ context.Context, _, digest string, _ int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(s.blobs[digest])), nil
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

const file = "version: 1\nconfig: {user: numeric}\n"

func pushed(t *testing.T) (*registry, string) {
	t.Helper()
	r := &registry{blobs: map[string][]byte{}, manifests: map[string][]byte{}, tags: map[string]string{}}
	digest, err := Push(t.Context(), r, "1", []byte(file))
	if err != nil || r.tags["1"] != digest {
		t.Fatalf("digest %s, tags %v, error %v", digest, r.tags, err)
	}
	return r, digest
}

func open(r *registry) func() (Registry, error) {
	return func() (Registry, error) { return source{r}, nil }
}

func offline() (Registry, error) { return nil, errors.New("there is no network") }

// What was read once is used without a network.
func TestReadAndKeep(t *testing.T) {
	r, digest := pushed(t)
	dir := t.TempDir()
	for _, from := range []func() (Registry, error){open(r), offline} {
		got, err := Read(t.Context(), from, "r.example.no/base", digest, dir)
		if err != nil || string(got) != file {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if r.asked != 1 {
		t.Errorf("%d requests", r.asked)
	}
}

// What others changed in the cache is read again, and is an error offline.
func TestKeptFilesAreChecked(t *testing.T) {
	for _, name := range []string{"policy.yaml", "manifest.json"} {
		r, digest := pushed(t)
		dir := t.TempDir()
		if _, err := Read(t.Context(), open(r), "r.example.no/base", digest, dir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(place(dir, digest), name), []byte("version: 1\nextends: none\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(t.Context(), offline, "r.example.no/base", digest, dir); err == nil {
			t.Errorf("%s: %q was used", name, got)
		}
		if got, err := Read(t.Context(), open(r), "r.example.no/base", digest, dir); err != nil || string(got) != file {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if got, err := Read(t.Context(), offline, "r.example.no/base", digest, dir); err != nil || string(got) != file {
			t.Errorf("%s: it was not repaired: %q, %v", name, got, err)
		}
	}
}

// A registry that lies is refused.
func TestRegistryThatLies(t *testing.T) {
	other := []byte("version: 1\nextends: none\n")
	tests := map[string]func(r *registry, digest string){
		"other manifest": func(r *registry, digest string) { r.manifests[digest] = []byte(`{}`) },
		"other file": func(r *registry, _ string) {
			for d := range r.blobs {
				r.blobs[d] = other
			}
		},
		"no manifest": func(r *registry, digest string) { delete(r.manifests, digest) },
	}
	for name, change := range tests {
		r, digest := pushed(t)
		change(r, digest)
		if got, err := Read(t.Context(), open(r), "r.example.no/base", digest, ""); err == nil {
			t.Errorf("%s: %q was used", name, got)
		}
	}
	r, _ := pushed(t)
	image := []byte(`{"schemaVersion":2,"mediaType":"` + manifestType + `","config":{},"layers":[]}`)
	r.manifests[digestOf(image)] = image
	if _, err := Read(t.Context(), open(r), "r.example.no/app", digestOf(image), ""); err == nil || !strings.Contains(err.Error(), "is no policy") {
		t.Errorf("an image: %v", err)
	}
	if _, err := Push(t.Context(), r, "", make([]byte, maxFile+1)); err == nil {
		t.Error("a file that is too large was pushed")
	}
}
