package inflate

import (
	"archive/tar"
	"bytes"
	stdgzip "compress/gzip"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// BenchmarkInflate measures bytes of output, for source text and for programs,
// which are typical contents of layers, and for zeros. INFLATE_FILE names a gzip file to measure
// instead.
func BenchmarkInflate(b *testing.B) {
	for name, packed := range samples(b) {
		size := sizeOf(b, packed)
		run := func(reader string, f func() error) {
			b.Run(name+"/"+reader, func(b *testing.B) {
				b.SetBytes(size)
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		buf := make([]byte, Window+128<<10)
		run("imagegate", func() error {
			z, err := NewReader(bytes.NewReader(packed))
			for err == nil {
				_, err = z.Next(buf)
			}
			if err == io.EOF {
				err = nil
			}
			return err
		})
		run("compress", func() error { return drain(stdgzip.NewReader(bytes.NewReader(packed))) })
		run("klauspost", func() error { return drain(gzip.NewReader(bytes.NewReader(packed))) })
	}
}

func drain(r io.Reader, err error) error {
	if err == nil {
		_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 128<<10))
	}
	return err
}

func sizeOf(tb testing.TB, packed []byte) int64 {
	tb.Helper()
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		tb.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// samples packs parts of the Go installation, which is there where tests run.
func samples(tb testing.TB) map[string][]byte {
	tb.Helper()
	if name := os.Getenv("INFLATE_FILE"); name != "" {
		packed, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		return map[string][]byte{filepath.Base(name): packed}
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		tb.Skip("there is no go command")
	}
	root := strings.TrimSpace(string(goroot))
	text := tarTree(tb, filepath.Join(root, "src", "net"), 16<<20)
	program := tarTree(tb, filepath.Join(root, "bin"), 16<<20)
	return map[string][]byte{
		"text-6": pack(tb, text, 6), "text-9": pack(tb, text, 9),
		"program-6": pack(tb, program, 6), "program-9": pack(tb, program, 9),
		"zeros-6": pack(tb, make([]byte, 64<<20), 6),
	}
}

func tarTree(tb testing.TB, root string, limit int) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || buf.Len() > limit {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: d.Name(), Size: int64(len(data)), Mode: 0o644}); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func pack(tb testing.TB, plain []byte, level int) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w, err := stdgzip.NewWriterLevel(&buf, level)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}
