package database

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func onManifest(f func(w http.ResponseWriter, r *http.Request)) func(http.ResponseWriter, *http.Request) bool {
	return on("/manifests/", f)
}

func onBlob(f func(w http.ResponseWriter, r *http.Request)) func(http.ResponseWriter, *http.Request) bool {
	return on("/blobs/", f)
}

func on(path string, f func(w http.ResponseWriter, r *http.Request)) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, path) {
			return false
		}
		f(w, r)
		return true
	}
}

func status(code int) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) }
}

// hang answers nothing until the client gives up.
func hang(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func trickle(data []byte) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(data[:len(data)/2])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func editLayer(f func(l map[string]any)) func(m map[string]any) {
	return func(m map[string]any) { f(m["layers"].([]any)[0].(map[string]any)) }
}

// faults are the ways a repository can fail. The next one is build 800, the
// installed one build 500.
var faults = []struct {
	name string
	make func(t *testing.T, s *server)
	want string
}{
	{"401", func(t *testing.T, s *server) { s.before = onManifest(status(401)) }, "401"},
	{"403", func(t *testing.T, s *server) { s.before = onManifest(status(403)) }, "403"},
	{"404", func(t *testing.T, s *server) { s.before = onManifest(status(404)) }, "404"},
	{"429", func(t *testing.T, s *server) { s.before = onManifest(status(429)) }, "429"},
	{"500", func(t *testing.T, s *server) { s.before = onManifest(status(500)) }, "500"},
	{"manifest stalls", func(t *testing.T, s *server) { s.before = onManifest(hang) }, "no answer within"},
	{"manifest stalls half way", func(t *testing.T, s *server) { s.before = onManifest(trickle(s.manifest)) }, "no answer within"},
	{"manifest is empty", func(t *testing.T, s *server) { s.manifest, s.digest = nil, "" }, "manifest is not valid"},
	{"manifest is HTML", func(t *testing.T, s *server) { s.manifest, s.digest = []byte("<html>sign in</html>"), "" }, "manifest is not valid"},
	{"manifest is cut", func(t *testing.T, s *server) { s.manifest, s.digest = s.manifest[:90], "" }, "manifest is not valid"},
	{"manifest is huge", func(t *testing.T, s *server) {
		s.manifest, s.digest = append(bytes.Clone(s.manifest), bytes.Repeat([]byte(" "), maxManifest)...), ""
	}, "too large"},
	{"manifest differs from its digest", func(t *testing.T, s *server) { s.digest = sumOf([]byte("another")) }, "not the one that was named"},
	{"manifest has duplicate keys", func(t *testing.T, s *server) {
		s.manifest, s.digest = bytes.Replace(s.manifest, []byte(`{`), []byte(`{"Layers":[],`), 1), ""
	}, "in another case"},
	{"manifest has a tail", func(t *testing.T, s *server) { s.manifest, s.digest = append(bytes.Clone(s.manifest), "{}"...), "" }, "after the end"},
	{"schema version 1", func(t *testing.T, s *server) {
		s.serve(t, s.blob, func(m map[string]any) { m["schemaVersion"] = 1 })
	}, "schemaVersion is 1"},
	{"an index", func(t *testing.T, s *server) { s.mediaType = "application/vnd.oci.image.index.v1+json" }, "an index"},
	{"an index by its own word", func(t *testing.T, s *server) {
		s.serve(t, s.blob, func(m map[string]any) { m["mediaType"] = "application/vnd.docker.distribution.manifest.list.v2+json" })
	}, "an index"},
	{"index and manifest", func(t *testing.T, s *server) {
		s.serve(t, s.blob, func(m map[string]any) { m["manifests"] = m["layers"] })
	}, "ambiguous"},
	{"header and document disagree", func(t *testing.T, s *server) { s.mediaType = "application/vnd.docker.distribution.manifest.v2+json" }, "calls itself"},
	{"neither manifest nor index", func(t *testing.T, s *server) {
		s.serve(t, s.blob, func(m map[string]any) { delete(m, "mediaType") })
		s.mediaType = "text/plain"
	}, "not an image manifest"},
	{"two layers", func(t *testing.T, s *server) {
		s.serve(t, s.blob, func(m map[string]any) { m["layers"] = append(m["layers"].([]any), m["layers"].([]any)...) })
	}, "2 layers"},
	{"no layers", func(t *testing.T, s *server) {
		s.serve(t, s.blob, func(m map[string]any) { m["layers"] = nil })
	}, "0 layers"},
	{"the other database", func(t *testing.T, s *server) {
		s.serve(t, s.blob, editLayer(func(l map[string]any) { l["mediaType"] = "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip" }))
	}, "instead of"},
	{"a malformed digest", func(t *testing.T, s *server) {
		s.serve(t, s.blob, editLayer(func(l map[string]any) { l["digest"] = "sha256:../../etc/passwd" }))
	}, "not a sha256"},
	{"a weak digest", func(t *testing.T, s *server) {
		s.serve(t, s.blob, editLayer(func(l map[string]any) { l["digest"] = "md5:d41d8cd98f00b204e9800998ecf8427e" }))
	}, "not a sha256"},
	{"size zero", func(t *testing.T, s *server) {
		s.serve(t, s.blob, editLayer(func(l map[string]any) { l["size"] = 0 }))
	}, "impossible size"},
	{"negative size", func(t *testing.T, s *server) {
		s.serve(t, s.blob, editLayer(func(l map[string]any) { l["size"] = -1 }))
	}, "impossible size"},
	{"size over the limit", func(t *testing.T, s *server) {
		s.serve(t, s.blob, editLayer(func(l map[string]any) { l["size"] = int64(1) << 40 }))
	}, "too large"},
	{"blob 404", func(t *testing.T, s *server) { s.before = onBlob(status(404)) }, "404"},
	{"blob 429", func(t *testing.T, s *server) { s.before = onBlob(status(429)) }, "429"},
	{"blob never begins", func(t *testing.T, s *server) { s.before = onBlob(hang) }, "no answer within"},
	{"blob stalls", func(t *testing.T, s *server) { s.before = onBlob(trickle(s.blob)) }, "no data for"},
	{"blob cut by the server", func(t *testing.T, s *server) {
		s.before = onBlob(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100000000")
			_, _ = w.Write(s.blob[:100])
		})
	}, "broke off after 100 of"},
	{"blob is shorter", func(t *testing.T, s *server) { s.blob = s.blob[:len(s.blob)-7] }, "ended after"},
	{"blob is empty", func(t *testing.T, s *server) { s.blob = nil }, "ended after 0"},
	{"blob is longer", func(t *testing.T, s *server) { s.blob = append(bytes.Clone(s.blob), 0) }, "longer than"},
	{"blob has a flipped bit", func(t *testing.T, s *server) {
		s.blob = bytes.Clone(s.blob)
		s.blob[len(s.blob)/2] ^= 1
	}, "not the one that was named"},
	{"blob is another of the same size", func(t *testing.T, s *server) { s.blob = bytes.Repeat([]byte{'x'}, len(s.blob)) }, "not the one that was named"},
	layerFault("not gzip", func(t *testing.T) []byte { return []byte("just some bytes, but the right ones") }, "not gzip"),
	layerFault("gzip with a tail", func(t *testing.T) []byte { return append(next.layer(t), "tail"...) }, "read the archive"),
	layerFault("gzip cut", func(t *testing.T) []byte { l := next.layer(t); return l[:len(l)/2] }, "unexpected EOF"),
	layerFault("not a tar", func(t *testing.T) []byte { return repack(t, []byte("hello")) }, "read the archive"),
	layerFault("data after the tar", func(t *testing.T) []byte { return repack(t, append(make([]byte, 1024), 'x')) }, "must hold"),
	archiveFault("empty archive", "must hold"),
	archiveFault("no metadata", "must hold", dbItem),
	archiveFault("no database", "must hold", metaItem),
	archiveFault("an extra file", "does not belong", dbItem, metaItem, item{name: "readme", data: []byte("x")}),
	archiveFault("an escaping file", "does not belong", dbItem, metaItem, item{name: "../../evil", data: []byte("x")}),
	archiveFault("an absolute file", "does not belong", item{name: "/trivy.db", data: []byte("x")}, metaItem),
	archiveFault("a directory", "does not belong", item{name: "sub/", kind: tar.TypeDir}, dbItem, metaItem),
	archiveFault("the database is a link", "not a regular file", item{name: "trivy.db", kind: tar.TypeSymlink, link: "/etc/passwd"}, metaItem),
	archiveFault("the database is a hard link", "not a regular file", item{name: "trivy.db", kind: tar.TypeLink, link: "metadata.json"}, metaItem),
	archiveFault("the database is a device", "not a regular file", item{name: "trivy.db", kind: tar.TypeBlock}, metaItem),
	archiveFault("the metadata is a pipe", "not a regular file", dbItem, item{name: "metadata.json", kind: tar.TypeFifo}),
	archiveFault("two databases", "twice", dbItem, dbItem, metaItem),
	archiveFault("two metadata", "twice", dbItem, metaItem, metaItem),
	archiveFault("the database is empty", "is empty", item{name: "trivy.db"}, metaItem),
	archiveFault("the metadata is huge", "too large to be genuine", dbItem, item{name: "metadata.json", data: make([]byte, maxDocument+1)}),
	metaFault("metadata is empty", "", "metadata.json"),
	metaFault("metadata is garbage", "}{", "metadata.json"),
	metaFault("metadata has duplicate keys", `{"Version":2,"version":2,"UpdatedAt":"2026-11-23T09:00:00Z"}`, "in another case"),
	metaFault("schema 1", string(meta(1, next.at())), "outdated"),
	metaFault("schema 3", string(meta(3, next.at())), "schema version 3"),
	metaFault("no schema", `{"UpdatedAt":"2026-11-23T09:00:00Z"}`, "schema version 0"),
	metaFault("no build date", `{"Version":2}`, "UpdatedAt is missing"),
	metaFault("a build date that is none", `{"Version":2,"UpdatedAt":"yesterday"}`, "metadata.json"),
	metaFault("built in the future", string(meta(2, today.Add(16*time.Minute))), "in the future"),
	metaFault("older than the installed one", string(meta(2, build{499}.at())), "older than one used before"),
}

var (
	installedBuild = build{500}
	next           = build{800}
	dbItem         = item{name: "trivy.db", data: next.content()}
	metaItem       = item{name: "metadata.json", data: meta(2, next.at())}
)

type faultCase = struct {
	name string
	make func(t *testing.T, s *server)
	want string
}

func layerFault(name string, layer func(t *testing.T) []byte, want string) faultCase {
	return faultCase{name, func(t *testing.T, s *server) { s.serve(t, layer(t), nil) }, want}
}

func archiveFault(name, want string, items ...item) faultCase {
	return layerFault(name, func(t *testing.T) []byte { return pack(t, items...) }, want)
}

func metaFault(name, metadata, want string) faultCase {
	return archiveFault(name, want, dbItem, item{name: "metadata.json", data: []byte(metadata)})
}

// A failed update leaves the installed database byte for byte, and nothing
// beside it.
func TestUpdateFaults(t *testing.T) {
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			install(t, dir, installedBuild)
			before := tree(t, dir)
			srv := newServer(t)
			srv.serve(t, next.layer(t), nil)
			c.make(t, srv)
			s := newStore(t, dir, func(o *Options) {
				if strings.HasPrefix(c.want, "no ") { // an answer or data
					o.StallTimeout = 1500 * time.Millisecond
				}
			}, srv.ref())
			_, err := s.Update(t.Context(), Vulnerability)
			wantFault(t, err, c.want)
			if !strings.Contains(err.Error(), srv.ref()) {
				t.Errorf("the error does not name the repository: %v", err)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("the cache changed (-before +after):\n%s", diff)
			}
		})
	}
}

// Without a fault the same update works: the table above tests what it says.
func TestUpdateFaultsControl(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, installedBuild)
	install(t, dir, next)
	if got := tree(t, dir)["db/trivy.db"]; got != string(next.content()) {
		t.Error("the update did not happen")
	}
}

// An archive that grows out of proportion is cut off, wherever it grows.
func TestUpdateBomb(t *testing.T) {
	big := bytes.Repeat([]byte{0}, ratioFloor+1<<20)
	for name, layer := range map[string][]byte{
		"in the database": pack(t, item{name: "trivy.db", data: big}, metaItem),
		"after the end":   repack(t, append(plain(t, dbItem, metaItem), big...)),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			install(t, dir, installedBuild)
			before := tree(t, dir)
			srv := newServer(t)
			srv.serve(t, layer, nil)
			s := newStore(t, dir, func(o *Options) { o.Limits.Ratio = 1 }, srv.ref())
			_, err := s.Update(t.Context(), Vulnerability)
			wantFault(t, err, "decompression bomb")
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("the cache changed (-before +after):\n%s", diff)
			}
		})
	}
	t.Run("the limit of one file", func(t *testing.T) {
		srv := newServer(t)
		srv.serve(t, next.layer(t), nil)
		s := newStore(t, t.TempDir(), func(o *Options) { o.Limits.File = int64(len(next.content()) - 1) }, srv.ref())
		_, err := s.Update(t.Context(), Vulnerability)
		wantFault(t, err, "too large")
	})
}

// A run that is told to stop stops, with the reason it was given.
func TestUpdateCancelled(t *testing.T) {
	for name, stall := range map[string]func(s *server){
		"manifest": func(s *server) { s.before = onManifest(hang) },
		"blob":     func(s *server) { s.before = onBlob(trickle(s.blob)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			install(t, dir, installedBuild)
			before := tree(t, dir)
			srv := newServer(t)
			srv.serve(t, next.layer(t), nil)
			stall(srv)
			reason := errors.New("the run's deadline")
			ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, reason)
			defer cancel()
			other := newServer(t)
			s := newStore(t, dir, nil, srv.ref(), other.ref())
			if _, err := s.Update(ctx, Vulnerability); !errors.Is(err, reason) {
				t.Errorf("got %v, want the cause of the context", err)
			}
			if _, err := s.Ensure(ctx, Vulnerability, false, 0); !errors.Is(err, reason) {
				t.Errorf("Ensure after the end: got %v, want the cause of the context", err)
			}
			if other.count() != 0 {
				t.Error("the next repository was asked after the run had ended")
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("the cache changed (-before +after):\n%s", diff)
			}
		})
	}
}
