//go:build unix

package input

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// What a process writes to a pipe is read, however late it comes and in however
// many parts.
func TestPipe(t *testing.T) {
	name := fifo(t)
	go func() {
		w, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer w.Close()
		for _, part := range []string{"version", ": ", "1\n"} {
			if _, err := w.WriteString(part); err != nil {
				t.Error(err)
			}
		}
	}()
	if got, err := ReadFile(t.Context(), name, 100); err != nil || string(got) != "version: 1\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// A link to a pipe is the pipe: /dev/stdin and /dev/fd/63 are such links.
func TestPipesThatNobodyCloses(t *testing.T) {
	t.Run("no writer", func(t *testing.T) {
		name := fifo(t)
		ends(t, func(ctx context.Context) error {
			_, err := ReadFile(ctx, name, 100)
			return err
		})
	})
	t.Run("a writer that writes nothing more", func(t *testing.T) {
		name := fifo(t)
		w, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if _, err := w.WriteString("version: 1\n"); err != nil {
			t.Fatal(err)
		}
		link := name + "-link"
		if err := os.Symlink(name, link); err != nil {
			t.Fatal(err)
		}
		ends(t, func(ctx context.Context) error {
			_, err := ReadFile(ctx, link, 100)
			return err
		})
	})
}

// Everything that is neither a file nor a pipe is an error at once.
func TestOtherKinds(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	for name, kind := range map[string]string{dir: "a directory", socket: "a socket", "/dev/zero": "a device", "/dev/null": "a device", "/dev/tty": "a device"} {
		_, err := Open(t.Context(), name)
		if e, ok := errors.AsType[*KindError](err); !ok || e.Kind != kind {
			t.Errorf("%s: error = %v, want %s", name, err, kind)
		}
	}
}

// Keys are not waited for.
func TestKeysInAPipe(t *testing.T) {
	kind, ok := errors.AsType[*KindError](func() error { _, err := ReadPEM(fifo(t)); return err }())
	if !ok || kind.Kind != "a pipe" {
		t.Errorf("got %v", kind)
	}
}
