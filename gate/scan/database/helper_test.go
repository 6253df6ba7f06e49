package database

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/imagegate/imagegate/gate"
)

// today is the clock of the tests.
var today = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// item is one entry of an artifact's archive.
type item struct {
	name string
	data []byte
	kind byte // tar.TypeReg if 0
	link string
	pax  map[string]string
}

func pack(t testing.TB, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, i := range items {
		h := &tar.Header{Name: i.name, Typeflag: i.kind, Linkname: i.link, Mode: 0o644, Size: int64(len(i.data)), PAXRecords: i.pax}
		if i.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if i.pax != nil {
			h.Format = tar.FormatPAX
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(i.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// meta is a metadata.json of a database that was built at built.
func meta(version int, built time.Time) []byte {
	raw, err := metadata{Version: version, UpdatedAt: built, NextUpdate: built.Add(24 * time.Hour)}.encode()
	if err != nil {
		panic(err)
	}
	return raw
}

// build is database number n: its content and its age tell n.
type build struct{ n int }

func (b build) at() time.Time { return today.Add(time.Duration(b.n-1000) * time.Minute) }

func (b build) content() []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("advisories of build %06d\n", b.n)), 4000)
}

func (b build) layer(t testing.TB) []byte {
	return pack(t, item{name: "trivy.db", data: b.content()}, item{name: "metadata.json", data: meta(2, b.at())})
}

// server is a registry with one artifact, and can be made to misbehave.
type server struct {
	*httptest.Server
	mu        sync.Mutex
	manifest  []byte
	mediaType string
	digest    string // header; "" sends none
	blob      []byte
	before    func(w http.ResponseWriter, r *http.Request) (done bool)
	requests  int
}

const layerType = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"

func newServer(t testing.TB) *server {
	s := &server{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ref() string { return strings.TrimPrefix(s.URL, "http://") + "/trivy-db:2" }

// serve makes layer the artifact. change may edit the manifest.
func (s *server) serve(t testing.TB, layer []byte, change func(m map[string]any)) {
	t.Helper()
	m := map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": map[string]any{"mediaType": configType, "digest": sumOf([]byte("{}")), "size": 2},
		"layers": []any{map[string]any{"mediaType": layerType, "digest": sumOf(layer), "size": len(layer)}},
	}
	if change != nil {
		change(m)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manifest, s.mediaType, s.digest, s.blob = raw, manifestType, sumOf(raw), layer
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	before, manifest, mediaType, digest, blob := s.before, s.manifest, s.mediaType, s.digest, s.blob
	s.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	if strings.Contains(r.URL.Path, "/manifests/") {
		w.Header().Set("Content-Type", mediaType)
		if digest != "" {
			w.Header().Set("Docker-Content-Digest", digest)
		}
		_, _ = w.Write(manifest)
		return
	}
	_, _ = w.Write(blob)
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// httpSource is the least that a Source can be.
type httpSource struct{}

func (httpSource) get(ctx context.Context, ref, kind, what string) (*http.Response, error) {
	host, path, _ := strings.Cut(ref, "/")
	repo, tag, _ := strings.Cut(path, ":")
	if name, digest, ok := strings.Cut(path, "@"); ok {
		repo, tag = name, digest
	}
	if what == "" {
		what = tag
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/v2/"+repo+"/"+kind+"/"+what, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", manifestType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("the registry answered %s", res.Status)
	}
	return res, nil
}

func (h httpSource) Manifest(ctx context.Context, ref string) ([]byte, string, string, error) {
	res, err := h.get(ctx, ref, "manifests", "")
	if err != nil {
		return nil, "", "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return raw, res.Header.Get("Content-Type"), res.Header.Get("Docker-Content-Digest"), err
}

func (h httpSource) Blob(ctx context.Context, ref, digest string, _ int64) (io.ReadCloser, error) {
	res, err := h.get(ctx, ref, "blobs", digest)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// noSource fails the test that uses the network.
type noSource struct{ t *testing.T }

func (n noSource) Manifest(context.Context, string) ([]byte, string, string, error) {
	n.t.Error("the network was used")
	return nil, "", "", errors.New("no network")
}

func (n noSource) Blob(context.Context, string, string, int64) (io.ReadCloser, error) {
	n.t.Error("the network was used")
	return nil, errors.New("no network")
}

// notes collects what Warn is told.
type notes struct {
	mu   sync.Mutex
	text []string
}

func (n *notes) warn(note string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text = append(n.text, note)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.text, "\n")
}

// newStore opens dir with the given repositories.
func newStore(t testing.TB, dir string, change func(*Options), refs ...string) *Store {
	t.Helper()
	o := Options{CacheDir: dir, Source: httpSource{}, Now: func() time.Time { return today },
		Repositories: map[Kind][]string{Vulnerability: refs, Java: refs}, StallTimeout: time.Minute, LockTimeout: time.Minute}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// install puts build b into dir the regular way.
func install(t testing.TB, dir string, b build) {
	t.Helper()
	srv := newServer(t)
	srv.serve(t, b.layer(t), nil)
	if _, err := newStore(t, dir, nil, srv.ref()).Update(t.Context(), Vulnerability); err != nil {
		t.Fatal(err)
	}
}

// tree lists dir's files and their content, but for the locks.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() && path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch {
		case strings.HasSuffix(name, ".lock"):
		case e.Type().IsRegular():
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files[name] = string(raw)
		default:
			files[name] = e.Type().String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// leftovers lists our temporary files in dir.
func leftovers(t testing.TB, dir string) []string {
	t.Helper()
	var found []string
	for name := range tree(t, dir) {
		if strings.Contains(name, tempPrefix) || strings.Contains(name, viewPrefix) {
			found = append(found, name)
		}
	}
	return found
}

// wantFault checks that err is a fault of this phase with a cure, and says want.
func wantFault(t testing.TB, err error, want string) {
	t.Helper()
	var f *gate.Fault
	if !errors.As(err, &f) || f.Phase != gate.PhaseDatabase {
		t.Fatalf("got %v (%T), want a database fault", err, err)
	}
	if gate.HintOf(err) == "" && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no cure is offered for: %v", err)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got %q, want it to say %q", err, want)
	}
}

func writeFile(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// plain is an uncompressed archive.
func plain(t testing.TB, items ...item) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(pack(t, items...)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func repack(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
