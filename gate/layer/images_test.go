package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// trivyImages are real images that come with Trivy's module.
func trivyImages(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", "github.com/aquasecurity/trivy").Output()
	dir := filepath.Join(strings.TrimSpace(string(out)), "pkg", "fanal", "test", "testdata")
	if _, statErr := os.Stat(dir); err != nil || statErr != nil {
		t.Skip("Trivy's module is not in the module cache")
	}
	return dir
}

// dockerArchive merges the layers of a "docker save" archive.
func dockerArchive(t *testing.T, name string) *Facts {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var manifest []struct{ Layers []string }
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	b, tree := NewBudget(DefaultLimits()), NewTree(DefaultLimits())
	for i, l := range manifest[0].Layers {
		plain := files[l]
		if bytes.HasPrefix(plain, []byte{0x1f, 0x8b}) {
			plain = gunzip(t, plain)
		}
		mergeBlob(t, b, tree, i, files[l], plain, "application/vnd.docker.image.rootfs.diff.tar.gzip")
	}
	return tree.Finish()
}

func gunzip(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func mergeBlob(t *testing.T, b *Budget, tree *Tree, i int, stored, plain []byte, mediaType string) {
	t.Helper()
	s := Spec{Index: i, Digest: sha(stored), DiffID: sha(plain), MediaType: mediaType, Size: int64(len(stored))}
	if err := tree.Merge(s, parsed(t, recorded(t, bytes.NewReader(stored), s, b))); err != nil {
		t.Fatal(err)
	}
}

// TestRealImages checks that ordinary images have no gaps and the right counts of
// packages, which are those of "apk info" and the dpkg files.
func TestRealImages(t *testing.T) {
	dir := trivyImages(t)
	for _, tt := range []struct {
		file, family string
		kind         DatabaseType
		packages     int
	}{
		{"alpine-310.tar.gz", "alpine", TypeApk, 14},
		{"alpine-311.tar.gz", "alpine", TypeApk, 14},
		{"distroless.tar.gz", "debian", TypeDpkg, 6},
		{"vuln-image.tar.gz", "debian", TypeDpkg, 6},
	} {
		t.Run(tt.file, func(t *testing.T) {
			f := dockerArchive(t, filepath.Join(dir, tt.file))
			for _, g := range f.Gaps {
				t.Errorf("gap: %+v", g)
			}
			total := 0
			for _, d := range f.Databases {
				if total += d.Count; d.Type != tt.kind {
					t.Errorf("database %s of type %s", d.Path, d.Type)
				}
			}
			if total != tt.packages {
				t.Errorf("%d packages, want %d", total, tt.packages)
			}
			if len(f.OSReleases) == 0 || f.OSReleases[0].Family != tt.family {
				t.Errorf("OS %+v, want %s", f.OSReleases, tt.family)
			}
			if u := f.User("root"); u.UID == nil || *u.UID != 0 || f.Passwd == nil {
				t.Errorf("root is %+v", u)
			}
		})
	}
}

// TestImageLayout looks at every image of an OCI layout, and only prints.
func TestImageLayout(t *testing.T) {
	dir := os.Getenv("IMAGEGATE_TEST_LAYOUT")
	if dir == "" {
		t.Skip("IMAGEGATE_TEST_LAYOUT is not set")
	}
	var index struct {
		Manifests []struct {
			Digest, MediaType string
			Annotations       map[string]string
		}
	}
	unmarshalFile(t, filepath.Join(dir, "index.json"), &index)
	blob := func(digest string) string {
		return filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:"))
	}
	for _, m := range index.Manifests {
		t.Run(m.Annotations["org.opencontainers.image.ref.name"], func(t *testing.T) {
			var manifest struct {
				Config struct{ Digest string }
				Layers []struct {
					Digest, MediaType string
					Size              int64
				}
			}
			unmarshalFile(t, blob(m.Digest), &manifest)
			if len(manifest.Layers) == 0 {
				t.Skip("no layers")
			}
			var config struct {
				Config struct{ User string }
				RootFS struct {
					DiffIDs []string `json:"diff_ids"`
				} `json:"rootfs"`
			}
			unmarshalFile(t, blob(manifest.Config.Digest), &config)
			b, tree := NewBudget(DefaultLimits()), NewTree(DefaultLimits())
			for i, l := range manifest.Layers {
				f, err := os.Open(blob(l.Digest))
				if err != nil {
					t.Fatal(err)
				}
				s := Spec{Index: i, Digest: l.Digest, DiffID: config.RootFS.DiffIDs[i], MediaType: l.MediaType, Size: l.Size}
				rec := NewRecorder(DefaultLimits())
				stats, err := Read(context.Background(), f, s, b, rec.Visit)
				f.Close()
				if err == nil {
					err = tree.Merge(s, rec.Finish(stats))
				}
				if err != nil {
					t.Logf("layer %d: %v", i, err)
					return
				}
			}
			f := tree.Finish()
			logFacts(t, f, f.User(config.Config.User))
		})
	}
}

func logFacts(t *testing.T, f *Facts, u evidence.User) {
	t.Helper()
	for _, g := range f.Gaps {
		t.Logf("gap %s %s: %s", g.Kind, g.Subject, g.Detail)
	}
	packages := 0
	for _, d := range f.Databases {
		packages += d.Count
	}
	t.Logf("%d databases, %d packages, %d executables, %d jars, os %+v", len(f.Databases), packages, len(f.Executables), len(f.Jars), f.OSReleases)
	if u.UID != nil {
		t.Logf("user %q: uid %d, %s", u.Spec, *u.UID, u.Via)
	} else {
		t.Logf("user %q: %s", u.Spec, u.Problem)
	}
}

func unmarshalFile(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}
