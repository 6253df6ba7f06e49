package layer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestReadBlob: what is read is what was named, or there is an error.
func TestReadBlob(t *testing.T) {
	plain := tarOf(t, dir("etc"), file1("etc/motd", strings.Repeat("hello ", 50_000)), symlink("a", "etc"))
	gz, zs := gzipOf(t, plain), zstdOf(t, plain)
	half := len(plain) / 2
	two := append(gzipOf(t, plain[:half]), gzipOf(t, plain[half:])...)
	twoFrames := append(zstdOf(t, plain[:half]), zstdOf(t, plain[half:])...)
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3}, zs...)
	flipped := bytes.Clone(gz)
	flipped[len(flipped)-6]++ // the checksum
	for _, tt := range []struct {
		name, mediaType string
		stored          []byte
		change          func(*Spec)
		want            string // "" is success
	}{
		{"gzip", typeGzip, gz, nil, ""},
		{"zstd", typeZstd, zs, nil, ""},
		{"plain", typeTar, plain, nil, ""},
		{"two gzip members", typeGzip, two, nil, ""},
		{"two zstd frames", typeZstd, twoFrames, nil, ""},
		{"skippable zstd frame first", typeZstd, skippable, nil, ""},
		{"zstd under gzip's type, as runtimes tolerate", typeGzip, zs, nil, ""},
		{"plain under gzip's type, as runtimes tolerate", typeGzip, plain, nil, ""},
		{"Docker's type", "application/vnd.docker.image.rootfs.diff.tar.gzip", gz, nil, ""},
		{"compressed under the plain type", typeTar, gz, nil, "tools disagree"},
		{"unknown type", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted", gz, nil, "no file system layer"},
		{"no type", "", gz, nil, "no file system layer"},
		{"wrong digest", typeGzip, gz, func(s *Spec) { s.Digest = sha([]byte("x")) }, "not sha256:2d711642"},
		{"wrong digest of zstd", typeZstd, zs, func(s *Spec) { s.Digest = sha([]byte("x")) }, "not sha256:2d711642"},
		{"wrong digest of a plain archive", typeTar, plain, func(s *Spec) { s.Digest = sha([]byte("x")) }, "not sha256:2d711642"},
		{"zstd shorter than announced", typeZstd, zs, func(s *Spec) { s.Size++ }, "ends after"},
		{"zstd longer than announced", typeZstd, zs, func(s *Spec) { s.Size-- }, "longer than"},
		{"wrong diffID of zstd", typeZstd, zs, func(s *Spec) { s.DiffID = sha([]byte("x")) }, "not the diffID"},
		{"wrong diffID", typeGzip, gz, func(s *Spec) { s.DiffID = sha([]byte("x")) }, "not the diffID"},
		{"no diffID", typeGzip, gz, func(s *Spec) { s.DiffID = "" }, "no sha256 digest and diffID"},
		{"upper-case digest", typeGzip, gz, func(s *Spec) { s.Digest = strings.ToUpper(s.Digest) }, "no sha256 digest and diffID"},
		{"sha512", typeGzip, gz, func(s *Spec) { s.Digest = "sha512:" + strings.Repeat("0", 128) }, "no sha256 digest and diffID"},
		{"longer than announced", typeGzip, gz, func(s *Spec) { s.Size-- }, "longer than"},
		{"shorter than announced", typeGzip, gz, func(s *Spec) { s.Size++ }, "ends after"},
		{"size zero", typeGzip, gz, func(s *Spec) { s.Size = 0 }, "longer than"},
		{"negative size", typeGzip, gz, func(s *Spec) { s.Size = -1 }, "longer than"},
		{"truncated gzip", typeGzip, gz[:len(gz)-20], nil, "decompress gzip"},
		{"gzip without trailer", typeGzip, gz[:len(gz)-8], nil, "decompress gzip"},
		{"only a gzip header", typeGzip, gz[:10], nil, "decompress gzip"},
		{"two bytes of gzip", typeGzip, gz[:2], nil, "decompress gzip"},
		{"truncated zstd", typeZstd, zs[:len(zs)-2], nil, "decompress zstd"},
		{"checksum of gzip", typeGzip, flipped, nil, "decompress gzip"},
		{"garbage after gzip", typeGzip, append(bytes.Clone(gz), "garbage"...), nil, "decompress gzip"},
		{"zeros after gzip", typeGzip, append(bytes.Clone(gz), make([]byte, 512)...), nil, "decompress gzip"},
		{"garbage after zstd", typeZstd, append(bytes.Clone(zs), "garbage"...), nil, "decompress zstd"},
		{"bzip2", typeGzip, []byte("BZh91AY&SY and so on"), nil, "no valid tar"},
		{"truncated tar", typeGzip, gzipOf(t, plain[:half]), nil, "no valid tar"},
		{"empty blob", typeGzip, nil, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := specOf(0, tt.stored, plain, tt.mediaType)
			if tt.stored == nil {
				s.DiffID = sha(nil)
			}
			if strings.HasPrefix(tt.want, "no valid") || tt.want == "decompress gzip" || tt.want == "decompress zstd" {
				s.DiffID = sha(nil) // the archive itself must be found wrong
			}
			if tt.change != nil {
				tt.change(&s)
			}
			for name, r := range map[string]io.Reader{"whole": bytes.NewReader(tt.stored), "byte by byte": &dribble{tt.stored}} {
				st, err := Read(context.Background(), r, s, NewBudget(DefaultLimits()), visitAll)
				if !matches(err, tt.want) {
					t.Fatalf("%s: error %v, want %q", name, err, tt.want)
				}
				if err == nil && (st.Compressed != int64(len(tt.stored)) || tt.stored != nil && st.Uncompressed != int64(len(plain))) {
					t.Errorf("%s: %+v, want %d and %d bytes", name, st, len(tt.stored), len(plain))
				}
				if err != nil && st != (Stats{}) {
					t.Errorf("%s: figures %+v beside an error", name, st)
				}
			}
		})
	}
}

func matches(err error, want string) bool {
	if want == "" || err == nil {
		return want == "" && err == nil
	}
	return strings.Contains(err.Error(), want)
}

func visitAll(_ *Entry, body io.Reader) error {
	if body == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, body)
	return err
}

// dribble returns a byte at a time, like a bad connection.
type dribble struct{ rest []byte }

func (d *dribble) Read(p []byte) (int, error) {
	if len(d.rest) == 0 {
		return 0, io.EOF
	}
	p[0] = d.rest[0]
	d.rest = d.rest[1:]
	return 1, nil
}

// TestReadFailingSource: an error of the network is told as such, with how far
// it got.
func TestReadFailingSource(t *testing.T) {
	plain := tarOf(t, file1("a", strings.Repeat("x", 1<<20)))
	gone := errors.New("connection reset")
	for _, cut := range []int{0, 1, 100, 1 << 19, len(plain) - 1, len(plain)} {
		r := io.MultiReader(bytes.NewReader(plain[:cut]), &failing{gone})
		_, err := Read(context.Background(), r, specOf(0, plain, plain, typeTar), NewBudget(DefaultLimits()), visitAll)
		if !errors.Is(err, gone) {
			t.Errorf("cut at %d: %v, want the source's error", cut, err)
		}
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// TestReadVisitError: what visit says comes back as it is.
func TestReadVisitError(t *testing.T) {
	plain := tarOf(t, file1("a", strings.Repeat("x", 1<<20)), file1("b", "x"))
	stop := errors.New("stop")
	_, err := Read(context.Background(), bytes.NewReader(plain), specOf(0, plain, plain, typeTar), NewBudget(DefaultLimits()),
		func(*Entry, io.Reader) error { return stop })
	if err != stop {
		t.Errorf("got %v", err)
	}
}

// TestReadUnreadBody: visit may leave bodies unread, and still everything is hashed.
func TestReadUnreadBody(t *testing.T) {
	plain := tarOf(t, file1("a", strings.Repeat("x", 1<<20)), file1("b", "y"))
	s := specOf(0, plain, plain, typeTar)
	if _, err := Read(context.Background(), bytes.NewReader(plain), s, NewBudget(DefaultLimits()), func(*Entry, io.Reader) error { return nil }); err != nil {
		t.Fatal(err)
	}
	s.DiffID, s.Digest = sha([]byte("x")), sha(plain)
	if _, err := Read(context.Background(), bytes.NewReader(plain), s, NewBudget(DefaultLimits()), func(*Entry, io.Reader) error { return nil }); err == nil {
		t.Error("a wrong diffID passed because visit did not read the bodies")
	}
}

// TestReadLimits: each limit is named, with the flag that raises it.
func TestReadLimits(t *testing.T) {
	zeros := gzipOf(t, tarOf(t, file1("zeros", strings.Repeat("\x00", 8<<20))))
	two := gzipOf(t, tarOf(t, file1("zeros", strings.Repeat("\x00", 2<<20))))
	small := tarOf(t, file1("a", "x"), file1("b", "x"), file1(strings.Repeat("d/", 40)+"c", "x"))
	for _, tt := range []struct {
		limit, value string
		stored       []byte
	}{
		{"ratio", "50", zeros},
		{"layer-size", "1MiB", two},
		{"image-size", "1MiB", two},
		{"blob-size", "100", two},
		{"entries", "2", gzipOf(t, small)},
		{"path-length", "50", gzipOf(t, small)},
	} {
		l := DefaultLimits()
		if err := l.Table().Set(tt.limit, tt.value); err != nil {
			t.Fatal(err)
		}
		l.RatioFrom = 4 << 20
		s := specOf(0, tt.stored, nil, typeGzip)
		_, err := Read(context.Background(), bytes.NewReader(tt.stored), s, NewBudget(l), visitAll)
		var limit *LimitError
		if !errors.As(err, &limit) || limit.Name != tt.limit || !strings.Contains(err.Error(), "--limit "+tt.limit+"=") {
			t.Errorf("%s: %v", tt.limit, err)
		}
	}
}

// TestReadLimitsOverLayers: the image's limits hold for all layers together.
func TestReadLimitsOverLayers(t *testing.T) {
	plain := tarOf(t, file1("a", strings.Repeat("x", 6000)))
	for name, value := range map[string]string{"image-size": "15000", "entries": "1"} {
		l := DefaultLimits()
		if err := l.Table().Set(name, value); err != nil {
			t.Fatal(err)
		}
		b := NewBudget(l)
		read := func() error {
			_, err := Read(context.Background(), bytes.NewReader(plain), specOf(0, plain, plain, typeTar), b, visitAll)
			return err
		}
		if err := read(); err != nil {
			t.Errorf("%s, first layer: %v", name, err)
		}
		if err := read(); err == nil {
			t.Errorf("%s: the second layer passed", name)
		}
	}
}

// TestZeroLimits: the zero value allows nothing.
func TestZeroLimits(t *testing.T) {
	plain := tarOf(t, file1("a", "x"))
	if _, err := readPlain(t, plain, Limits{}); err == nil {
		t.Error("limits of zero let a layer through")
	}
}

func TestLimitsSet(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		want        int64 // 0 is an error
	}{
		{"layer-size", "1024", 1024}, {"layer-size", "2KiB", 2048}, {"image-size", "30GiB", 30 << 30},
		{"file-size", "1TiB", 1 << 40}, {"entries", "5", 5}, {"ratio", "1000", 1000},
		{"entries", "5KiB", 0}, {"layer-size", "0", 0}, {"layer-size", "-1", 0}, {"layer-size", "1.5GiB", 0},
		{"layer-size", "GiB", 0}, {"layer-size", "", 0}, {"layer-size", "9223372036854775807KiB", 0},
		{"layer-size", "16777216TiB", 0}, {"layer-size", "1GB", 1e9}, {"speed", "1", 0}, {"", "1", 0},
	} {
		l := DefaultLimits()
		err := l.Table().Set(tt.name, tt.value)
		if (err == nil) != (tt.want > 0) {
			t.Errorf("Set(%q, %q): %v", tt.name, tt.value, err)
			continue
		}
		for _, f := range l.Table() {
			if err == nil && f.Name == tt.name && cmp.Or(f.Bytes, f.Count) != nil && *cmp.Or(f.Bytes, f.Count) != tt.want {
				t.Errorf("Set(%q, %q) = %d, want %d", tt.name, tt.value, *cmp.Or(f.Bytes, f.Count), tt.want)
			}
		}
		if err != nil && l != DefaultLimits() {
			t.Errorf("Set(%q, %q) failed and changed something", tt.name, tt.value)
		}
	}
}

// TestReadCancel: a stalled source does not outlive its context, and leaves no
// goroutine.
func TestReadCancel(t *testing.T) {
	plain := tarOf(t, file1("a", strings.Repeat("x", 1<<20)))
	before := runtime.NumGoroutine()
	for _, stored := range [][]byte{plain, gzipOf(t, plain), zstdOf(t, plain)} {
		for _, first := range []int{0, 3, 60} {
			ctx, cancel := context.WithCancelCause(context.Background())
			why := errors.New("deadline of the run")
			r := &stalled{first: stored[:first], ctx: ctx, waiting: make(chan struct{})}
			go func() {
				<-r.waiting
				cancel(why)
			}()
			_, err := Read(ctx, r, specOf(0, stored, plain, typeGzip), NewBudget(DefaultLimits()), visitAll)
			if !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the cause", err)
			}
		}
	}
	settle(t, before)
}

// TestReadDeafSource checks that Read returns although its source ignores the
// context.
func TestReadDeafSource(t *testing.T) {
	plain := tarOf(t, file1("a", strings.Repeat("x", 1<<20)))
	ctx, cancel := context.WithCancel(context.Background())
	release := make(chan struct{})
	r := &deaf{release: release, waiting: make(chan struct{})}
	go func() {
		<-r.waiting
		cancel()
	}()
	begin := time.Now()
	if _, err := Read(ctx, r, specOf(0, plain, plain, typeTar), NewBudget(DefaultLimits()), visitAll); err == nil {
		t.Error("no error")
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("took %s", took)
	}
	close(release)
}

type deaf struct{ release, waiting chan struct{} }

func (d *deaf) Read([]byte) (int, error) {
	close(d.waiting)
	<-d.release
	return 0, io.EOF
}

// stalled delivers some bytes and then waits for its context.
type stalled struct {
	first   []byte
	ctx     context.Context
	waiting chan struct{}
}

func (s *stalled) Read(p []byte) (int, error) {
	if len(s.first) > 0 {
		n := copy(p, s.first)
		s.first = s.first[n:]
		return n, nil
	}
	close(s.waiting)
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// TestReadNoLeak checks that no goroutine is left after Read, after every kind of
// error.
func TestReadNoLeak(t *testing.T) {
	big := tarOf(t, file1("a", strings.Repeat("x", 1<<20)), file1("../b", "x"), file1("c", strings.Repeat("y", 1<<20)))
	before := runtime.NumGoroutine()
	stop := errors.New("stop")
	for _, stored := range [][]byte{big, gzipOf(t, big), zstdOf(t, big)} {
		mediaType := typeGzip
		for range 5 {
			s := specOf(0, stored, big, mediaType)
			if _, err := Read(context.Background(), bytes.NewReader(stored), s, NewBudget(DefaultLimits()), visitAll); err == nil {
				t.Fatal("an escaping entry passed")
			}
			if _, err := Read(context.Background(), bytes.NewReader(stored), s, NewBudget(DefaultLimits()), func(*Entry, io.Reader) error { return stop }); err != stop {
				t.Fatal(err)
			}
		}
	}
	settle(t, before)
}

func settle(t *testing.T, before int) {
	t.Helper()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}

func BenchmarkRead(b *testing.B) {
	var items []item
	for i := range 200 {
		items = append(items, file1("usr/lib/f"+string(rune('a'+i%26))+strings.Repeat("x", i), strings.Repeat("some text that compresses ", 8000)))
	}
	plain := tarOf(b, items...)
	for name, stored := range map[string][]byte{"gzip": gzipOf(b, plain), "zstd": zstdOf(b, plain), "none": plain} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			for b.Loop() {
				if _, err := Read(context.Background(), bytes.NewReader(stored), specOf(0, stored, plain, typeGzip), NewBudget(DefaultLimits()), visitAll); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
