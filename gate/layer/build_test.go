package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"io"
	"os"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	typeTar  = "application/vnd.oci.image.layer.v1.tar"
	typeGzip = "application/vnd.oci.image.layer.v1.tar+gzip"
	typeZstd = "application/vnd.oci.image.layer.v1.tar+zstd"
)

// item is one entry of an archive made for a test.
type item struct {
	name  string
	kind  byte // 0 is a regular file
	body  string
	link  string
	mode  int64
	xattr map[string]string
}

func file1(name, body string) item      { return item{name: name, body: body} }
func program(name, body string) item    { return item{name: name, body: body, mode: 0o755} }
func dir(name string) item              { return item{name: name + "/", kind: tar.TypeDir, mode: 0o755} }
func symlink(name, target string) item  { return item{name: name, kind: tar.TypeSymlink, link: target} }
func hardlink(name, target string) item { return item{name: name, kind: tar.TypeLink, link: target} }
func device(name string) item           { return item{name: name, kind: tar.TypeChar} }

func tarOf(t testing.TB, items ...item) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, it := range items {
		h := &tar.Header{
			Name: it.name, Typeflag: it.kind, Linkname: it.link, Size: int64(len(it.body)), Mode: it.mode,
			ModTime: time.Unix(1_600_000_000, 0), Format: tar.FormatPAX, PAXRecords: it.xattr,
		}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, it.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gzipOf(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zstdOf(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func specOf(i int, stored, plain []byte, mediaType string) Spec {
	return Spec{Index: i, Digest: sha(stored), DiffID: sha(plain), MediaType: mediaType, Size: int64(len(stored))}
}

// readPlain reads an uncompressed archive and returns the names of its entries.
func readPlain(t testing.TB, plain []byte, l Limits) ([]*Entry, error) {
	t.Helper()
	var seen []*Entry
	_, err := Read(context.Background(), bytes.NewReader(plain), specOf(0, plain, plain, typeTar), NewBudget(l),
		func(e *Entry, body io.Reader) error {
			seen = append(seen, e)
			if body == nil {
				return nil
			}
			_, err := io.Copy(io.Discard, body)
			return err
		})
	return seen, err
}

// recorded reads one stored layer.
func recorded(t testing.TB, r io.Reader, s Spec, b *Budget) *Contents {
	t.Helper()
	rec := NewRecorder(b.limits)
	stats, err := Read(context.Background(), r, s, b, rec.Visit)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Finish(stats)
}

// parsed is c as it comes back from its binary form.
func parsed(t testing.TB, c *Contents) *Contents {
	t.Helper()
	data, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseContents(data)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// visited records entries that no archive holds.
func visited(t testing.TB, entries ...*Entry) *Contents {
	t.Helper()
	rec := NewRecorder(DefaultLimits())
	for _, e := range entries {
		if err := rec.Visit(e, nil); err != nil {
			t.Fatal(err)
		}
	}
	return rec.Finish(Stats{Entries: len(entries)})
}

// facts merges layers of items. Each goes through its binary form, as if it
// came from a cache.
func facts(t testing.TB, layers ...[]item) *Facts {
	t.Helper()
	b, tree := NewBudget(DefaultLimits()), NewTree(DefaultLimits())
	for i, items := range layers {
		plain := tarOf(t, items...)
		s := specOf(i, plain, plain, typeTar)
		if err := tree.Merge(s, parsed(t, recorded(t, bytes.NewReader(plain), s, b))); err != nil {
			t.Fatal(err)
		}
	}
	return tree.Finish()
}

type gapEvidence = evidence.Gap

var binaryLittle = binary.LittleEndian

func mustRead(name string) []byte {
	b, err := os.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return b
}
