package wire

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

func TestFrames(t *testing.T) {
	var pipe bytes.Buffer
	w := NewWriter(&pipe)
	body := bytes.Repeat([]byte("0123456789abcdef"), 3*chunk/16+5)
	for _, err := range []error{
		w.JSON(TypeBegin, Begin{Name: "app:1", Need: evidence.NeedPackages}),
		w.JSON(TypeLayer, Layer{DiffID: "sha256:1", Size: int64(len(body))}),
		w.Data(body),
		w.Flush(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(&pipe)
	kind, payload, err := r.Next()
	var begin Begin
	if err != nil || kind != TypeBegin || strictjson.Unmarshal(payload, &begin) != nil || begin.Name != "app:1" {
		t.Fatalf("Begin: %q %s %v", kind, payload, err)
	}
	var head Layer
	if kind, payload, err = r.Next(); err != nil || kind != TypeLayer || strictjson.Unmarshal(payload, &head) != nil {
		t.Fatalf("Layer: %q %s %v", kind, payload, err)
	}
	got, err := io.ReadAll(r.Body(head.Size))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("something follows: %v", err)
	}
	if !bytes.Equal(got, body) {
		t.Errorf("%d bytes arrived, want %d", len(got), len(body))
	}
}

func TestSized(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 5*chunk/16+1)
	var pipe bytes.Buffer
	if err := NewWriter(&pipe).Sized(TypeReport, want); err != nil {
		t.Fatal(err)
	}
	read := func(limit int64) ([]byte, error) {
		r := NewReader(bytes.NewReader(pipe.Bytes()))
		_, payload, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		return r.Sized(payload, limit)
	}
	got, err := read(1 << 30)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	if cap(got) != len(want) {
		t.Errorf("a buffer of %d bytes for %d", cap(got), len(want))
	}
	if _, err := read(int64(len(want)) - 1); err == nil || !strings.Contains(err.Error(), "1 to") {
		t.Errorf("an answer over the limit: %v", err)
	}
	cut := NewReader(bytes.NewReader(pipe.Bytes()[:pipe.Len()/2]))
	_, payload, err := cut.Next()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cut.Sized(payload, 1<<30); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an answer that is cut off: %v", err)
	}
}

func TestBrokenFrames(t *testing.T) {
	tests := map[string]string{
		"length over the limit": "D\xff\xff\xff\xff",
		"header cut off":        "D\x00\x00",
		"payload cut off":       "D\x00\x00\x00\x05abc",
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := NewReader(strings.NewReader(in)).Next()
			if err == nil || errors.Is(err, io.EOF) {
				t.Errorf("error = %v, want one that is not the end of the conversation", err)
			}
		})
	}
	if _, _, err := NewReader(strings.NewReader("")).Next(); !errors.Is(err, io.EOF) {
		t.Errorf("no frame at all: %v, want io.EOF", err)
	}
}

// A body ends after as many bytes as were announced, or in an error.
func TestBody(t *testing.T) {
	tests := map[string]string{
		"ends early":          "D\x00\x00\x00\x02ab",
		"another frame":       "D\x00\x00\x00\x02abE\x00\x00\x00\x00",
		"more than announced": "D\x00\x00\x00\x04abcd",
		"an empty frame":      "D\x00\x00\x00\x00D\x00\x00\x00\x03abc",
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := io.ReadAll(NewReader(strings.NewReader(in)).Body(3)); err == nil {
				t.Errorf("%q was accepted", got)
			}
		})
	}
	if got, err := io.ReadAll(NewReader(strings.NewReader("")).Body(0)); err != nil || len(got) > 0 {
		t.Errorf("an empty body: %q, %v", got, err)
	}
}

// What the worker sends is decoded strictly: it has parsed hostile bytes.
func TestDocumentIsStrict(t *testing.T) {
	for _, in := range []string{`{"message":"x","extra":1}`, `{"message":"x"}{}`, `{"message":"x","message":"y"}`, `{"Message":"x"}`, `{"message":1}`, `{`} {
		var pipe bytes.Buffer
		if err := NewWriter(&pipe).Sized(TypeReport, []byte(in)); err != nil {
			t.Fatal(err)
		}
		r := NewReader(&pipe)
		_, payload, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Document(payload, new(Failure)); err == nil {
			t.Errorf("%q was accepted", in)
		}
	}
}

func FuzzEntry(f *testing.F) {
	for _, e := range []Entry{
		{Name: "etc/os-release", Mode: 0o644, Size: 12, Modified: 1700000000},
		{Name: "x", Type: EntryWhiteout},
		{Name: "usr/bin/sudo", Mode: fs.ModeSetuid | 0o755, Size: 1 << 40, Modified: -1},
	} {
		f.Add(e.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEntry(b)
		if err != nil {
			return
		}
		again, err := ParseEntry(e.Append(nil))
		if err != nil || again != e {
			t.Errorf("%+v became %+v, %v", e, again, err)
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("D\x00\x00\x00\x03abcS\x00\x00\x00\x0a{\"size\":3}D\x00\x00\x00\x03abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		for {
			kind, payload, err := r.Next()
			if err != nil {
				return
			}
			if kind == TypeReport {
				_, _ = r.Sized(payload, 1<<16)
			}
		}
	})
}
