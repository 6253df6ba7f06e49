package gatetest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	rpmdb "github.com/knqyf263/go-rpmdb/pkg"
)

func samples(t testing.TB) []Sample {
	t.Helper()
	all, err := Samples()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSamplesAreValidImages(t *testing.T) {
	for _, s := range samples(t) {
		if err := validate.Image(s.Image); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if _, err := s.Image.find(func(name string) bool { return name == s.Package }); err != nil {
			t.Errorf("%s: no file %s", s.Name, s.Package)
		}
	}
}

func TestEverySampleHasACleanTwin(t *testing.T) {
	count := map[bool]int{}
	for _, s := range samples(t) {
		count[s.Clean()]++
	}
	if count[true] != count[false] || count[true] == 0 {
		t.Errorf("%d clean, %d bad", count[true], count[false])
	}
}

// A finding that the advisories do not have could never be found.
func TestSampleFindingsAreInTheAdvisories(t *testing.T) {
	buckets, err := Buckets()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, b := range buckets {
		for _, entries := range b.Packages {
			for id := range entries {
				ids[id] = true
			}
		}
	}
	for _, s := range samples(t) {
		for _, f := range s.Findings {
			var id, pkg string
			if n, _ := fmt.Sscan(f, &id, &pkg); n != 2 || !ids[id] {
				t.Errorf("%s: %q is not in the advisories", s.Name, f)
			}
		}
	}
}

func TestImagesAreTheSameEveryTime(t *testing.T) {
	first, second := samples(t), samples(t)
	for i := range first {
		a, _ := first[i].Image.Digest()
		b, _ := second[i].Image.Digest()
		if a != b {
			t.Errorf("%s: %s, then %s", first[i].Name, a, b)
		}
	}
}

func TestLayerShapes(t *testing.T) {
	for _, mediaType := range []types.MediaType{MediaTypeOCIGzip, MediaTypeOCITar, MediaTypeOCIZstd, types.DockerLayer} {
		l := Files(Text("a/b", "text"), Symlink("a/l", "b"), Hardlink("a/h", "a/b"), Whiteout("a/gone"), Opaque("c"), Dir("d"), Program("bin/x", ELF()))
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
		if want, _ := l.Tar(); string(unpacked) != string(want) {
			t.Errorf("%s: the layer does not unpack to its tar", mediaType)
		}
	}
	names := []string{}
	p := Image(Files(Whiteout("a/gone"), Opaque("c"))).(*Parts)
	entries, err := p.Blobs[0].entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.header.Name)
	}
	if diff := cmp.Diff([]string{"a/.wh.gone", "c/.wh..wh..opq"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestIndexWithAttestation(t *testing.T) {
	amd, arm := Image(Base()), Spec{Layers: []Layer{Base()}, Platform: v1.Platform{OS: "linux", Architecture: "arm64"}}.Image()
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
	img := Image(Base())
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
	img, err := mutate.AppendLayers(Image(Base()), &Blob{Content: []byte("x"), ClaimHash: HashOf([]byte("x")), ClaimDiff: HashOf([]byte("x")), ClaimType: types.OCIUncompressedLayer})
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

func TestTrivyTestImages(t *testing.T) {
	for _, name := range TrivyTestImages() {
		img, err := TrivyTestImage(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := img.ConfigFile(); err != nil || len(c.RootFS.DiffIDs) == 0 {
			t.Errorf("%s: config %+v, %v", name, c, err)
		}
	}
	if _, err := TrivyTestImage(t.Context(), "nothing"); err == nil {
		t.Error("no error for an image that is not there")
	}
}

func TestRPMDatabaseIsReadByGoRPMDB(t *testing.T) {
	raw, err := RPMDatabase(RPM{Name: "openssl", Version: "3.0.1", Release: "41.el9", Epoch: 1, Vendor: "AlmaLinux"}, RPM{Name: "bash", Version: "5.1.8", Release: "5.el9"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rpmdb.sqlite")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := rpmdb.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	packages, err := db.ListPackages()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range packages {
		got = append(got, p.Name+" "+p.Version+" "+p.Release+" "+p.Vendor+" "+p.SourceRpm)
	}
	slices.Sort(got)
	want := []string{"bash 5.1.8 5.el9  bash-5.1.8-5.el9.src.rpm", "openssl 3.0.1 41.el9 AlmaLinux openssl-3.0.1-41.el9.src.rpm"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if packages[0].EpochNum()+packages[1].EpochNum() != 1 {
		t.Error("the epoch is lost")
	}
}
