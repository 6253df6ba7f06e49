package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// archive/tar skips by seeking only what can do this.
var _ io.ReadSeeker = (*chunks)(nil)

// TestReadCutInUnreadBody checks that Read refuses an archive that is cut off
// inside a body that visit does not read. The tar reader seeks over such a body.
func TestReadCutInUnreadBody(t *testing.T) {
	whole := tarOf(t, file1("first", "x"), file1("second", strings.Repeat("y", 3*chunkSize)))
	ignore := func(*Entry, io.Reader) error { return nil }
	for _, cut := range []int{2048, 2049, 2560, 2048 + chunkSize, 2048 + 3*chunkSize - 1} {
		plain := whole[:cut]
		for name, stored := range map[string][]byte{"gzip": gzipOf(t, plain), "zstd": zstdOf(t, plain), "none": plain} {
			_, err := Read(context.Background(), bytes.NewReader(stored), specOf(0, stored, plain, typeGzip), NewBudget(DefaultLimits()), ignore)
			if !matches(err, "no valid tar archive after entry 2") {
				t.Errorf("%s, cut at %d: %v", name, cut, err)
			}
		}
	}
}

// TestChunksSeek: what is skipped is what would have been read, and it is
// hashed all the same.
func TestChunksSeek(t *testing.T) {
	content := []byte(strings.Repeat("0123456789", chunkSize/4))
	size := int64(len(content))
	for _, skip := range []int64{0, 1, 9, chunkSize - 1, chunkSize, chunkSize + 1, 2*chunkSize + 7, size - 1, size} {
		c := newChunks(context.Background(), chunkSize)
		c.sum = sha256.New()
		go c.fill(reads{c.ctx, iotest.HalfReader(bytes.NewReader(content))})
		head := make([]byte, 1)
		if skip > 0 {
			if _, err := io.ReadFull(c, head); err != nil {
				t.Fatal(err)
			}
			if at, err := c.Seek(skip-1, io.SeekCurrent); at != skip || err != nil {
				t.Fatalf("skip %d: at %d, %v", skip, at, err)
			}
		}
		rest, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(rest, content[skip:]) {
			t.Errorf("after %d: %d bytes, %v; want %d", skip, len(rest), err, size-skip)
		}
		if digestOf(c.sum) != sha(content) {
			t.Errorf("after %d: what was skipped is not hashed", skip)
		}
		if _, err := c.Seek(1, io.SeekCurrent); err != io.ErrUnexpectedEOF {
			t.Errorf("seek behind the end: %v", err)
		}
	}
}

func TestChunksSeekOtherwise(t *testing.T) {
	c := newChunks(context.Background(), chunkSize)
	for _, whence := range []int{io.SeekStart, io.SeekEnd} {
		if _, err := c.Seek(0, whence); err != errSeek {
			t.Errorf("whence %d: %v", whence, err)
		}
	}
	if _, err := c.Seek(-1, io.SeekCurrent); err != errSeek {
		t.Errorf("backwards: %v", err)
	}
	gone := errors.New("connection reset")
	go c.fill(reads{c.ctx, iotest.ErrReader(gone)})
	if _, err := c.Seek(1, io.SeekCurrent); err != gone {
		t.Errorf("a source that fails: %v", err)
	}
}

// TestReadManyMembers: chunks, gzip members and blocks do not end together.
func TestReadManyMembers(t *testing.T) {
	plain := tarOf(t, file1("a", strings.Repeat("some text ", 100_000)), file1("b", strings.Repeat("\x00", 300_000)))
	var stored []byte
	for rest := plain; len(rest) > 0; {
		n := min(len(rest), 77_777)
		stored = append(stored, gzipOf(t, rest[:n])...)
		rest = rest[n:]
	}
	st, err := Read(context.Background(), bytes.NewReader(stored), specOf(0, stored, plain, typeGzip), NewBudget(DefaultLimits()), visitAll)
	if err != nil || st.Uncompressed != int64(len(plain)) || st.Compression != compressionGzip {
		t.Errorf("%+v, %v", st, err)
	}
}

// BenchmarkReadPrograms reads a layer of real programs: their bytes and the
// first bytes of each only, which is what happens to most files of an image.
func BenchmarkReadPrograms(b *testing.B) {
	plain := tarOf(b, programs(b)...)
	stored := gzipOf(b, plain)
	for name, visit := range map[string]func(*Entry, io.Reader) error{"all": visitAll, "first bytes": visitHead} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			for b.Loop() {
				if _, err := Read(context.Background(), bytes.NewReader(stored), specOf(0, stored, plain, typeGzip), NewBudget(DefaultLimits()), visit); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func visitHead(_ *Entry, body io.Reader) error {
	if body == nil {
		return nil
	}
	_, err := io.ReadFull(body, make([]byte, peekSize))
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return nil
	}
	return err
}

// programs are those of the Go installation, which is there where tests run.
func programs(b *testing.B) []item {
	b.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Skip("there is no go command")
	}
	names, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), "bin", "*"))
	if err != nil || len(names) == 0 {
		b.Skip("the Go installation has no programs")
	}
	var items []item
	for _, name := range names {
		items = append(items, item{name: filepath.Base(name), kind: tar.TypeReg, mode: 0o755, body: string(mustRead(name))})
	}
	return items
}
