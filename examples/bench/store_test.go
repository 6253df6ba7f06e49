package main

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
)

// testStore makes layers of noise instead of the Go toolchain.
func testStore(t *testing.T, dir string) *store {
	t.Helper()
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.pool = sync.OnceValues(func() (*material, error) {
		noise := make([]byte, 3<<20)
		r := rand.NewChaCha8([32]byte{})
		_, _ = r.Read(noise)
		return &material{text: bytes.Repeat([]byte("some text to pack\n"), 50_000), code: noise, program: noise[:1000]}, nil
	})
	return s
}

// contents are one layer of each kind, small.
func contents() []recipe {
	return []recipe{
		gz("debian", debian(debianPackages(slimPackages), "amd64", 300_000)),
		gz("python", python(libraries("pip"), 200_000)),
		gz("node", node("srv/node_modules", libraries("npm"), 50, 5, 2000)),
		gz("go", programs(libraries("go"), 3, 100_000)),
		gz("jars", jars(libraries("maven"), 300_000)),
		gz("blobs", blobs("srv", 2000, 100_000)),
		gz("small", smallFiles("srv", 321, 100)),
	}
}

// Two machines measure the same images: a key makes the same bytes each time.
func TestLayersAreDeterministic(t *testing.T) {
	a, b := testStore(t, t.TempDir()), testStore(t, t.TempDir())
	for _, r := range contents() {
		first, err := a.layer(r)
		if err != nil {
			t.Fatal(err)
		}
		second, err := b.layer(r)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(first, second) {
			t.Errorf("%s: %v, then %v", r.key, first, second)
		}
		r.key += "-other"
		if other, err := b.layer(r); err != nil || other.Digest == first.Digest {
			t.Errorf("%s: another key made the same layer (%v)", r.key, err)
		}
	}
}

// A layer is a tar archive with every name once, and as many files as it says.
func TestLayersAreWellFormed(t *testing.T) {
	dir := t.TempDir()
	s := testStore(t, dir)
	for _, r := range contents() {
		m, err := s.layer(r)
		if err != nil {
			t.Fatal(err)
		}
		names, files := map[string]bool{}, 0
		for _, h := range headers(t, blobPath(dir, m.Digest)) {
			if names[h.Name] {
				t.Errorf("%s: %s is there twice", r.key, h.Name)
			}
			names[h.Name] = true
			if h.Typeflag == tar.TypeReg {
				files++
			}
		}
		if files != m.Files {
			t.Errorf("%s: %d files, said %d", r.key, files, m.Files)
		}
	}
}

func headers(t *testing.T, path string) (all []*tar.Header) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
}

// Images are made once: a second store finds them, and shared layers are shared.
func TestStoreKeepsImages(t *testing.T) {
	dir := t.TempDir()
	shared := gz("small", smallFiles("srv", 10, 100))
	images := []image{
		single("one", shared, gz("own", smallFiles("own", 3, 100))),
		{"two", []platform{{arch: "amd64", layers: []recipe{shared}}, {arch: "arm64", layers: []recipe{shared}}}},
	}
	if err := testStore(t, dir).make(images); err != nil {
		t.Fatal(err)
	}
	again := testStore(t, dir)
	again.pool = func() (*material, error) { return nil, errors.New("made again") }
	if err := again.make(images); err != nil {
		t.Fatal(err)
	}
	if len(again.layers) != 2 || len(again.images) != 2 || !again.images["two"].MediaType.IsIndex() {
		t.Errorf("layers %v, images %v", sortedKeys(again.layers), sortedKeys(again.images))
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "layer-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	var m v1.Manifest
	if err := readJSON(blobPath(dir, again.images["one"].Digest), &m); err != nil || len(m.Layers) != 2 {
		t.Errorf("manifest %v: %v", m, err)
	}
}

// Go's own reader finds the modules in a program that we make.
func TestGoProgramCarriesBuildInfo(t *testing.T) {
	raw := goProgram("go1.21.3", "example.org/shop/a", []library{{"golang.org/x/net", "v0.1.0"}}, []byte("code"))
	info, err := buildinfo.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if info.GoVersion != "go1.21.3" || len(info.Deps) != 1 || info.Deps[0].Path != "golang.org/x/net" {
		t.Errorf("read %+v", info)
	}
}

func TestListsAreWhole(t *testing.T) {
	if n := len(debianPackages(1000)); n != 400 {
		t.Errorf("%d Debian packages, want 400", n)
	}
	for kind, least := range map[string]int{"npm": 100, "pip": 40, "go": 20, "maven": 20} {
		seen := map[string]bool{}
		for _, l := range libraries(kind) {
			if l.name == "" || l.version == "" || seen[l.name] || strings.ContainsAny(l.version, " \t") {
				t.Errorf("%s: %+v", kind, l)
			}
			seen[l.name] = true
		}
		if len(seen) < least {
			t.Errorf("%d %s packages, want %d", len(seen), kind, least)
		}
	}
}
