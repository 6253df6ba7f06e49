package input

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	want := bytes.Repeat([]byte("0123456789"), readSize/5)
	if err := os.WriteFile(name, want, 0o600); err != nil {
		t.Fatal(err)
	}
	size := int64(len(want))
	if got, err := ReadFile(t.Context(), name, size); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d of %d bytes, %v", len(got), size, err)
	}
	if _, err := ReadFile(t.Context(), name, size-1); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("one byte too many: %v", err)
	}
	if _, err := ReadFile(t.Context(), name+"x", size); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that does not exist: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	over := errors.New("over")
	f, err := Open(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cancel(over)
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, over) {
		t.Errorf("after the end of the context: %v", err)
	}
}

func TestReadAll(t *testing.T) {
	if got, err := ReadAll(t.Context(), strings.NewReader("abc"), "standard input", 3); err != nil || string(got) != "abc" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := ReadAll(t.Context(), strings.NewReader("abc"), "standard input", 2); err == nil || !strings.Contains(err.Error(), "standard input") {
		t.Errorf("one byte too many: %v", err)
	}
	ends(t, func(ctx context.Context) error {
		r, w := io.Pipe()
		go w.Write([]byte("an answer that has no end"))
		_, err := ReadAll(ctx, r, "standard input", 100)
		return err
	})
}

// ends checks that f returns the cause soon after its context has ended.
func ends(t *testing.T, f func(ctx context.Context) error) {
	t.Helper()
	over := errors.New("over")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, over)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		if !errors.Is(err, over) {
			t.Errorf("error = %v, want the cause of the context", err)
		}
	case <-time.After(2 * time.Minute):
		t.Error("it did not end")
	}
}
