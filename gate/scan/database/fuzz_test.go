package database

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{"", "}{", "null", string(meta(2, next.at())), string(meta(3, next.at())),
		`{"Version":2,"version":2,"UpdatedAt":"2026-11-23T09:00:00Z"}`,
		`{"Version":2,"UpdatedAt":"9999-12-31T23:59:59-10:00"}`,
		`{"Version":2,"UpdatedAt":"2026-11-23T09:00:00Z","NextUpdate":"0000-01-01T00:00:00+10:00"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseMetadata(raw, 2)
		if err != nil {
			return
		}
		if m.Version != 2 || m.UpdatedAt.IsZero() {
			t.Fatalf("accepted: %+v", m)
		}
		out, err := m.encode()
		if err != nil {
			t.Fatalf("accepted, but cannot be written: %v", err)
		}
		again, err := parseMetadata(out, 2)
		if err != nil || again != m {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
	})
}

func FuzzArtifact(f *testing.F) {
	traits, _ := Vulnerability.traits()
	srv := newServer(f)
	layer := next.layer(f)
	srv.serve(f, layer, nil)
	f.Add(srv.manifest, manifestType)
	f.Add(srv.manifest, "application/vnd.oci.image.index.v1+json")
	for _, change := range []func(map[string]any){
		func(m map[string]any) { m["manifests"] = m["layers"] },
		func(m map[string]any) { m["layers"] = nil },
		func(m map[string]any) { delete(m, "mediaType") },
		editLayer(func(l map[string]any) { l["size"] = -1 }),
	} {
		srv.serve(f, layer, change)
		f.Add(srv.manifest, manifestType)
	}
	f.Add(bytes.Replace(srv.manifest, []byte("{"), []byte(`{"layerſ":[],`), 1), manifestType)
	limits := Limits{}.orDefault()
	f.Fuzz(func(t *testing.T, raw []byte, mediaType string) {
		a, err := parseArtifact(raw, mediaType, traits, limits)
		if err != nil {
			return
		}
		if a.digest != sumOf(raw) || !isDigest(a.layer.Digest) || a.layer.MediaType != traits.layer ||
			a.layer.Size <= 0 || a.layer.Size > limits.Artifact || strings.Contains(mediaType, "index") {
			t.Fatalf("accepted: %+v as %q", a, mediaType)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"databases":[{"sha256":"` + sumOf(nil) + `","size":1,"metadata":{"Version":2},"stamp":{"size":1}}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := parseRecord(raw)
		if err != nil {
			return
		}
		for _, e := range r.Databases {
			if !isDigest(e.SHA256) || e.Size <= 0 {
				t.Fatalf("accepted: %+v", e)
			}
		}
		if r.byStamp(stamp{}) != nil {
			t.Fatal("a missing stamp matches a missing stamp")
		}
	})
}

func FuzzUnpack(f *testing.F) {
	traits, _ := Vulnerability.traits()
	for _, items := range [][]item{
		{{name: "trivy.db", data: []byte("x")}, metaItem},
		{{name: "trivy.db", data: []byte("x")}, metaItem, {name: "../../evil", data: []byte("x")}},
		{{name: "./", kind: '5'}, {name: "./trivy.db", data: []byte("x")}, metaItem},
		{{name: "trivy.db", kind: '2', link: "/etc/passwd"}, metaItem},
	} {
		f.Add(plain(f, items...), true)
		f.Add(pack(f, items...), false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, compress bool) {
		if compress { // lets the fuzzer work on the tar
			raw = repack(t, raw)
		}
		root := t.TempDir()
		dir := filepath.Join(root, "staging")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		u := unpacker{traits: traits, dir: dir, limits: Limits{File: 1 << 20, Ratio: 1}, packed: func() int64 { return 0 },
			reserve: func(int64) error { return nil }}
		out, err := u.unpack(context.Background(), bytes.NewReader(raw))
		files := tree(t, root)
		for name := range files {
			if name != "staging" && name != "staging/trivy.db" {
				t.Fatalf("unpacked %q", name)
			}
		}
		if err == nil && (out.metadata == nil || out.sha256 != sumOf([]byte(files["staging/trivy.db"])) || out.size == 0) {
			t.Fatalf("accepted: %+v", out)
		}
	})
}
