package database

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// remoteSource is a Source as the product's: go-containerregistry.
type remoteSource struct{}

func (remoteSource) Manifest(ctx context.Context, ref string) ([]byte, string, string, error) {
	r, err := name.ParseReference(ref)
	if err != nil {
		return nil, "", "", err
	}
	d, err := remote.Get(r, remote.WithContext(ctx))
	if err != nil {
		return nil, "", "", err
	}
	return d.Manifest, string(d.MediaType), d.Digest.String(), nil
}

func (remoteSource) Blob(ctx context.Context, ref, digest string, _ int64) (io.ReadCloser, error) {
	r, err := name.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	l, err := remote.Layer(r.Context().Digest(digest), remote.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	return l.Compressed()
}

// From a registry to a cache, to a file, to another cache, and from that file to
// a registry again: always the same database.
func TestRoundTrip(t *testing.T) {
	reg := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(reg.Close)
	ref := strings.TrimPrefix(reg.URL, "http://") + "/aquasec/trivy-db:2"
	pushed := push(t, ref, next.layer(t))
	dir := t.TempDir()
	s := newStore(t, dir, func(o *Options) { o.Source = remoteSource{} }, ref)
	facts, err := s.Ensure(t.Context(), Vulnerability, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	if facts.Digest != pushed || facts.Source != ref || facts.FileSHA256 != sumOf(next.content()) || facts.Version != 2 ||
		!facts.UpdatedAt.Equal(next.at()) || facts.NextUpdate == nil || !facts.DownloadedAt.Equal(today) {
		t.Errorf("facts: %+v", facts)
	}
	file := filepath.Join(t.TempDir(), "db.oci.tar")
	if _, err := s.Export(t.Context(), Vulnerability, file); err != nil {
		t.Fatal(err)
	}
	away := newStore(t, t.TempDir(), func(o *Options) { o.Source = nil })
	kind, imported, err := away.Import(t.Context(), file)
	if err != nil || kind != Vulnerability {
		t.Fatalf("import: %v, %v", kind, err)
	}
	if imported.Source != file || imported.FileSHA256 != facts.FileSHA256 || !imported.UpdatedAt.Equal(facts.UpdatedAt) || !isDigest(imported.Digest) {
		t.Errorf("imported: %+v", imported)
	}
	again := filepath.Join(t.TempDir(), "again.tar")
	if _, err := away.Export(t.Context(), Vulnerability, again); err != nil {
		t.Fatal(err)
	}
	a, err := os.ReadFile(file)
	b, err2 := os.ReadFile(again)
	if err := errors.Join(err, err2); err != nil || !bytes.Equal(a, b) {
		t.Errorf("two exports of one database differ (%v)", err)
	}
	if n := len(leftovers(t, filepath.Dir(file))); n > 0 {
		t.Errorf("%d files left behind", n)
	}
}

func push(t *testing.T, ref string, data []byte) (digest string) {
	t.Helper()
	img, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.MediaType(configType)),
		mutate.Addendum{Layer: static.NewLayer(data, layerType)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(r, img); err != nil {
		t.Fatal(err)
	}
	var h v1.Hash
	if h, err = img.Digest(); err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// The layer of the artifact itself, db.tar.gz, can be imported as well.
func TestImportLayer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db.tar.gz")
	writeFile(t, file, next.layer(t))
	dir := t.TempDir()
	s := newStore(t, dir, func(o *Options) { o.Source = nil })
	kind, facts, err := s.Import(t.Context(), file)
	if err != nil || kind != Vulnerability || facts.Digest != "" || facts.Source != file {
		t.Fatalf("got %v %+v %v", kind, facts, err)
	}
	wantPair(t, s, next)
}

// A file that is no database changes nothing and says why.
func TestImportFaults(t *testing.T) {
	write := func(t *testing.T, data []byte) string {
		file := filepath.Join(t.TempDir(), "file")
		writeFile(t, file, data)
		return file
	}
	exported := func(t *testing.T) map[string][]byte {
		dir := t.TempDir()
		install(t, dir, next)
		file := filepath.Join(t.TempDir(), "x.tar")
		if _, err := newStore(t, dir, nil).Export(t.Context(), Vulnerability, file); err != nil {
			t.Fatal(err)
		}
		return untar(t, file)
	}
	edit := func(f func(files map[string][]byte)) func(t *testing.T) string {
		return func(t *testing.T) string {
			files := exported(t)
			f(files)
			var items []item
			for name, data := range files {
				items = append(items, item{name: name, data: data})
			}
			return write(t, plain(t, items...))
		}
	}
	cases := []struct {
		name string
		file func(t *testing.T) string
		want string
	}{
		{"missing", func(t *testing.T) string { return filepath.Join(t.TempDir(), "none") }, "no such file"},
		{"a directory", func(t *testing.T) string { return t.TempDir() }, "a directory"},
		{"empty", func(t *testing.T) string { return write(t, nil) }, "too short"},
		{"text", func(t *testing.T) string { return write(t, bytes.Repeat([]byte("text "), 500)) }, "not a tar archive"},
		{"gzip of something else", func(t *testing.T) string { return write(t, pack(t, item{name: "x", data: []byte("x")})) }, "neither trivy.db"},
		{"layer cut off", func(t *testing.T) string { l := next.layer(t); return write(t, l[:len(l)-20]) }, "EOF"},
		{"layer with a stranger", func(t *testing.T) string {
			return write(t, pack(t, dbItem, metaItem, item{name: "../x", data: []byte("x")}))
		}, "does not belong"},
		{"older", func(t *testing.T) string { return write(t, build{100}.layer(t)) }, "older than one used before"},
		{"a later schema", func(t *testing.T) string {
			return write(t, pack(t, dbItem, item{name: "metadata.json", data: meta(3, next.at())}))
		}, "schema version 3"},
		{"no index", edit(func(f map[string][]byte) { delete(f, "index.json") }), "no index.json"},
		{"two artifacts", edit(func(f map[string][]byte) {
			i := string(f["index.json"])
			at := strings.Index(i, `[{`)
			end := strings.LastIndex(i, `}]`)
			f["index.json"] = []byte(i[:at+1] + i[at+1:end+1] + "," + i[at+1:end+1] + i[end+1:])
		}), "2 artifacts"},
		{"index garbage", edit(func(f map[string][]byte) { f["index.json"] = []byte("{") }), "index.json"},
		{"a blob is missing", edit(func(f map[string][]byte) { delete(f, largest(f)) }), "missing"},
		{"a blob is damaged", edit(func(f map[string][]byte) { f[largest(f)][500] ^= 1 }), "not the one that was named"},
		{"a blob is cut", edit(func(f map[string][]byte) { f[largest(f)] = f[largest(f)][:300] }), "ended after 300"},
		{"the manifest is damaged", edit(func(f map[string][]byte) {
			for name, data := range f {
				if name != "index.json" && bytes.Contains(data, []byte("schemaVersion")) {
					f[name] = bytes.Replace(data, []byte("created"), []byte("Created"), 1)
				}
			}
		}), "not the one that was named"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			install(t, dir, installedBuild)
			before := tree(t, dir)
			_, _, err := newStore(t, dir, nil).Import(t.Context(), c.file(t))
			wantFault(t, err, c.want)
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("the cache changed (-before +after):\n%s", diff)
			}
		})
	}
}

func untar(t *testing.T, file string) map[string][]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// largest names the layer.
func largest(files map[string][]byte) string {
	name := ""
	for n, data := range files {
		if len(data) > len(files[name]) {
			name = n
		}
	}
	return name
}

// An export that fails leaves no file.
func TestExportFaults(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir, nil)
	out := filepath.Join(t.TempDir(), "x.tar")
	_, err := s.Export(t.Context(), Vulnerability, out)
	wantFault(t, err, "no vulnerability database")
	install(t, dir, next)
	_, err = s.Export(t.Context(), Vulnerability, filepath.Join(dir, "none", "x.tar"))
	wantFault(t, err, "no such file")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Export(ctx, Vulnerability, out); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if got := tree(t, filepath.Dir(out)); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
}

// Credentials never matter here, but what a source says in its errors must
// arrive whole: a person has to act on it.
func TestSourceErrorsArrive(t *testing.T) {
	srv := newServer(t)
	srv.before = func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(418); return true }
	_, err := newStore(t, t.TempDir(), nil, srv.ref()).Ensure(t.Context(), Vulnerability, false, 0)
	wantFault(t, err, "418 I'm a teapot")
}
