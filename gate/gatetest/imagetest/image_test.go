package imagetest

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestLayerShapes(t *testing.T) {
	for _, mediaType := range []types.MediaType{MediaTypeOCIGzip, MediaTypeOCITar, MediaTypeOCIZstd, types.DockerLayer} {
		l := Files(Text("a/b", "text"), Symlink("a/l", "b"), Hardlink("a/h", "a/b"), Whiteout("a/gone"), Opaque("c"), Dir("d"), Program("bin/x", []byte("\x7fELF")))
		l.MediaType = mediaType
		img := Spec{Layers: []Layer{l}, User: "65532", Env: []string{"A=b"}, Ports: []string{"22/tcp"}}.Image()
		layers, err := img.Layers()
		if err != nil {
			t.Fatal(err)
		}
		unpacked, err := readAll(layers[0].Uncompressed)
		if err != nil {
			t.Fatalf("%s: %v", mediaType, err)
		}
		if want := l.Tar(); string(unpacked) != string(want) {
			t.Errorf("%s: the layer does not unpack to its tar", mediaType)
		}
	}
	names := []string{}
	p := Image(Files(Whiteout("a/gone"), Opaque("c"))).(*Parts)
	entries, err := p.Blobs[0].Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Header.Name)
	}
	if diff := cmp.Diff([]string{"a/.wh.gone", "c/.wh..wh..opq"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestIndexWithAttestation(t *testing.T) {
	amd, arm := Image(Files(Text("etc/os-release", "ID=alpine\n"))), Spec{Layers: []Layer{Files(Text("etc/os-release", "ID=alpine\n"))}, Platform: v1.Platform{OS: "linux", Architecture: "arm64"}}.Image()
	x := Index(For("linux/amd64", amd), For("linux/arm64", arm), Attestation(amd), Attestation(arm))
	m, err := x.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	subject, _ := amd.Digest()
	got := m.Manifests[2]
	if got.Platform.String() != "unknown/unknown" || got.Annotations["vnd.docker.reference.digest"] != subject.String() {
		t.Errorf("attestation is described as %+v", got)
	}
	if err := validate.Index(Index(For("linux/amd64", amd), For("linux/arm64", arm))); err != nil {
		t.Error(err)
	}
}

func TestLayoutAndArchives(t *testing.T) {
	dir := t.TempDir()
	img := Image(Files(Text("etc/os-release", "ID=alpine\n")))
	want, _ := img.Digest()
	if err := WriteOCILayout(filepath.Join(dir, "oci"), Named{"v1", img}, Named{"v2", Index(For("linux/amd64", img))}); err != nil {
		t.Fatal(err)
	}
	x, err := layout.ImageIndexFromPath(filepath.Join(dir, "oci"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(x); err != nil {
		t.Error(err)
	}
	if _, err := x.Image(want); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"saved.tar", "saved.tar.gz"} {
		file := filepath.Join(dir, name)
		if err := WriteDockerTar(file, img, "registry.example.no/app:1"); err != nil {
			t.Fatal(err)
		}
		packed, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		unpacked, err := decompress(packed)
		if err != nil {
			t.Fatal(err)
		}
		open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(unpacked)), nil }
		saved, err := tarball.Image(open, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := saved.ConfigName()
		b, _ := img.ConfigName()
		if a != b {
			t.Errorf("%s: config %s, want %s", name, a, b)
		}
	}
	if err := WriteOCIArchive(filepath.Join(dir, "oci.tar"), Named{"v1", img}); err != nil {
		t.Fatal(err)
	}
}

func TestTakeApartKeepsForeignImages(t *testing.T) {
	img, err := mutate.AppendLayers(Image(Files(Text("etc/os-release", "ID=alpine\n"))), &Blob{Content: []byte("x"), ClaimHash: HashOf([]byte("x")), ClaimDiff: HashOf([]byte("x")), ClaimType: types.OCIUncompressedLayer})
	if err != nil {
		t.Fatal(err)
	}
	p, err := TakeApart(img)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := img.Digest()
	b, _ := p.Digest()
	if a != b || len(p.Blobs) != 2 {
		t.Errorf("got %s with %d layers, want %s with 2", b, len(p.Blobs), a)
	}
}
