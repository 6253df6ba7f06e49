package inflate

import (
	"bytes"
	"compress/flate"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// standard is what compress/gzip makes of a stream.
func standard(packed []byte) ([]byte, error) {
	r, err := stdgzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// run decompresses with buffers of the given size.
func run(r io.Reader, size int) ([]byte, error) {
	z, err := NewReader(r)
	if err != nil {
		return nil, err
	}
	var out []byte
	buf, poison := make([]byte, size), bytes.Repeat([]byte{0xaa}, size)
	for {
		p, err := z.Next(buf)
		out = append(out, p...)
		if (len(p) > 0) == (err != nil) {
			return out, fmt.Errorf("%d bytes beside the error %w", len(p), err)
		}
		copy(buf, poison) // Next must not depend on the old content of buf
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}

// kind is what went wrong, as both name it.
func kind(err error) string {
	var corrupt flate.CorruptInputError
	switch {
	case err == nil:
		return "none"
	case err == io.EOF:
		return "empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "short"
	case errors.Is(err, stdgzip.ErrHeader):
		return "header"
	case errors.Is(err, stdgzip.ErrChecksum):
		return "checksum"
	case errors.As(err, &corrupt):
		return "corrupt"
	}
	return err.Error()
}

// same reports whether our outcome is that of compress/gzip. The one difference:
// where the input ends too early, compress/flate wants as many bits as the end
// of the block has before it looks for a shorter code. We may then return some
// bytes more, or find the last of them corrupt.
func same(got []byte, err error, want []byte, wantErr error) bool {
	if kind(wantErr) == "short" {
		return bytes.HasPrefix(got, want) && (kind(err) == "short" || kind(err) == "corrupt")
	}
	return bytes.Equal(got, want) && kind(err) == kind(wantErr)
}

// compare fails the test unless a stream has the same bytes and ends in the same
// way for compress/gzip and for us, however it arrives.
func compare(t *testing.T, packed []byte) {
	t.Helper()
	want, wantErr := standard(packed)
	check := func(how string, got []byte, err error) {
		t.Helper()
		if !same(got, err, want, wantErr) {
			t.Fatalf("%s: %d bytes (%s, %v), want %d bytes (%s, %v)\n%x", how, len(got), kind(err), err, len(want), kind(wantErr), wantErr, packed[:min(len(packed), 4096)])
		}
	}
	whole := bytes.NewReader(packed)
	got, err := run(whole, Window+128<<10)
	check("whole", got, err)
	whole.Reset(packed)
	got, err = run(whole, MinBuffer)
	check("least buffer", got, err)
}

// compareSlow is compare for streams that come in small pieces.
func compareSlow(t *testing.T, packed []byte) {
	t.Helper()
	want, wantErr := standard(packed)
	for name, r := range map[string]io.Reader{
		"a byte at a time": iotest.OneByteReader(bytes.NewReader(packed)),
		"in halves":        iotest.HalfReader(bytes.NewReader(packed)),
		"error with data":  iotest.DataErrReader(iotest.OneByteReader(bytes.NewReader(packed))),
	} {
		got, err := run(r, MinBuffer+100)
		if !same(got, err, want, wantErr) {
			t.Errorf("%s: %d bytes, %v; want %d bytes, %v", name, len(got), err, len(want), wantErr)
		}
	}
	z, err := NewReader(bytes.NewReader(packed))
	var got []byte
	if err == nil {
		got, err = io.ReadAll(iotest.HalfReader(z))
	}
	if !same(got, err, want, wantErr) {
		t.Errorf("with Read: %d bytes, %v; want %d bytes, %v", len(got), err, len(want), wantErr)
	}
}

func TestCompressors(t *testing.T) {
	for name, packed := range packings(t) {
		t.Run(name, func(t *testing.T) {
			if _, err := standard(packed); err != nil {
				t.Fatal(err)
			}
			compare(t, packed)
			if strings.HasSuffix(name, "6") {
				compareSlow(t, packed)
			}
		})
	}
}

// A member may follow another, and its matches must not reach into that.
func TestMembers(t *testing.T) {
	one, two, none := pack(t, []byte("one"), 6), pack(t, make([]byte, 100_000), 6), pack(t, nil, 6)
	reach := newStream().fixedBlock(true, sym(257), 0).end("aaa")
	for name, packed := range map[string][]byte{
		"two": cat(one, two), "empty ones": cat(none, one, none, none, two, none), "only empty ones": cat(none, none),
		"reaching back": cat(one, reach), "a thousand": bytes.Repeat(one, 1000),
		"zeros behind": cat(one, make([]byte, 100)), "a zero behind": cat(one, make([]byte, 1)),
		"garbage behind": cat(one, []byte("garbage, enough for a header")), "half a header behind": cat(one, one[:5]),
	} {
		t.Run(name, func(t *testing.T) {
			compare(t, packed)
			compareSlow(t, packed)
		})
	}
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// TestCut checks that a stream that ends too early, at any byte, is an error, and
// that the output before that byte is returned.
func TestCut(t *testing.T) {
	text := plains()["text"][:1500]
	for _, packed := range [][]byte{
		pack(t, text, 6), pack(t, text[:300], 0), pack(t, text[:40], 6), cat(pack(t, text, 9), pack(t, text[:400], 1)), fullHeader(),
	} {
		plain, err := standard(packed)
		if err != nil {
			t.Fatal(err)
		}
		for n := range packed {
			compare(t, packed[:n])
			if got, err := run(bytes.NewReader(packed[:n]), MinBuffer); !bytes.HasPrefix(plain, got) || kind(err) == "corrupt" {
				t.Errorf("cut at %d: %q, %v", n, got, err)
			}
		}
	}
}

func TestFlippedBits(t *testing.T) {
	text := plains()["text"]
	for _, packed := range [][]byte{pack(t, text[:400], 6), pack(t, text[:30], 6), pack(t, text[:20], 0), fullHeader()} {
		for i := range len(packed) * 8 {
			packed[i/8] ^= 1 << (i % 8)
			compare(t, packed)
			packed[i/8] ^= 1 << (i % 8)
		}
	}
}

// TestErrorStays checks that every call after an error returns the same error.
func TestErrorStays(t *testing.T) {
	packed := pack(t, []byte("hello"), 6)
	packed[len(packed)-1]++
	z, err := NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	first, err := io.ReadAll(z)
	if string(first) != "hello" || !errors.Is(err, stdgzip.ErrChecksum) {
		t.Fatalf("%q, %v", first, err)
	}
	if _, again := z.Next(make([]byte, MinBuffer)); again != err {
		t.Errorf("then %v, want %v", again, err)
	}
	if n, again := z.Read(make([]byte, 10)); n != 0 || again != err {
		t.Errorf("then %d, %v, want %v", n, again, err)
	}
	if z, err = NewReader(bytes.NewReader(packed)); err != nil {
		t.Fatal(err)
	}
	if _, err := z.Next(make([]byte, MinBuffer-1)); err != io.ErrShortBuffer {
		t.Errorf("too small a buffer: %v", err)
	}
	if n, err := z.Read(nil); n != 0 || err != nil {
		t.Errorf("reading nothing: %d, %v", n, err)
	}
}

// TestSourceFails: the error of the source comes as it is, after all that could
// be decompressed.
func TestSourceFails(t *testing.T) {
	gone := errors.New("connection reset")
	text := plains()["text"]
	packed := pack(t, text, 6)
	for _, cut := range []int{0, 1, 9, 10, 11, 1000, len(packed) / 2, len(packed) - 8, len(packed) - 1, len(packed)} {
		want, _ := standard(packed[:cut])
		got, err := run(io.MultiReader(bytes.NewReader(packed[:cut]), iotest.ErrReader(gone)), MinBuffer)
		if err != gone || !bytes.HasPrefix(got, want) {
			t.Errorf("cut at %d: %d bytes, %v; want %d and the source's error", cut, len(got), err, len(want))
		}
	}
	if _, err := NewReader(idle{}); err != io.ErrNoProgress {
		t.Errorf("a source that gives nothing: %v", err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// TestAllocations: what is allocated does not depend on what is in the stream.
func TestAllocations(t *testing.T) {
	text := plains()["text"]
	var many []byte
	for range 50 {
		many = append(many, pack(t, text[:5000], 6)...)
	}
	buf := make([]byte, Window+128<<10)
	count := func(packed []byte) float64 {
		return testing.AllocsPerRun(5, func() {
			z, err := NewReader(bytes.NewReader(packed))
			for err == nil {
				_, err = z.Next(buf)
			}
		})
	}
	if one, all := count(many[:len(many)/50]), count(many); one != all {
		t.Errorf("%v allocations for one member, %v for fifty", one, all)
	}
}
