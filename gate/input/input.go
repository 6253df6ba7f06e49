// Package input reads files that a user named. Reading ends with the context,
// also where nobody writes to a pipe.
package input

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/imagegate/imagegate/policy/words"
)

// KindError says that a name is neither that of a file nor that of a pipe.
// Devices can have no end, and sockets cannot be opened. [ReadPEM] reads no pipe either.
type KindError struct {
	Name string
	Kind string // "a directory", "a device", "a socket", "a special file" or "a pipe"
}

const pipeKind = "a pipe"

func (e *KindError) Error() string {
	if e.Kind == pipeKind {
		return fmt.Sprintf("%s is %s, and not a file", e.Name, e.Kind)
	}
	return fmt.Sprintf("%s is %s, and not a file or a pipe", e.Name, e.Kind)
}

// EndedError says that the context ended before the input did.
type EndedError struct{ Cause error }

func (e *EndedError) Error() string { return "reading was ended: " + e.Cause.Error() }

// Unwrap returns the cause of the context.
func (e *EndedError) Unwrap() error { return e.Cause }

// checkKind returns a [*KindError] for everything but regular files and pipes.
func checkKind(name string, mode fs.FileMode) error {
	kind := "a special file"
	switch {
	case mode.IsRegular(), mode.Type() == fs.ModeNamedPipe:
		return nil
	case mode.IsDir():
		kind = "a directory"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	}
	return &KindError{name, kind}
}

// Open opens a regular file or a pipe for reading. It waits for a process to
// open the other end of a named pipe. When ctx ends, Open and the methods of the
// reader return an [*EndedError].
func Open(ctx context.Context, name string) (io.ReadCloser, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if err := checkKind(name, info.Mode()); err != nil {
		return nil, err
	}
	f, err := wait(ctx, func() (*os.File, error) { return os.Open(name) }, (*os.File).Close)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = checkKind(name, info.Mode()) // the name can mean another file by now
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if info.Mode().IsRegular() {
		return &file{ctx, f, info.Size()}, nil
	}
	return &pipe{reader{ctx: ctx, r: f}, f}, nil
}

// ReadFile reads a regular file or a pipe of at most limit bytes.
func ReadFile(ctx context.Context, name string, limit int64) ([]byte, error) {
	f, err := Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := int64(0)
	if regular, ok := f.(*file); ok {
		size = regular.size
	}
	return readAll(f, name, limit, size)
}

// maxPEM is the largest file of keys or certificates.
const maxPEM = 4 << 20

// ReadPEM reads a regular file with keys or certificates, where nothing can end the
// wait for a pipe.
func ReadPEM(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.Mode().Type() == fs.ModeNamedPipe:
		return nil, &KindError{name, pipeKind}
	}
	return ReadFile(context.Background(), name, maxPEM)
}

// KeyPair returns the certificate in one file with its key in another. It reads both with
// read.
func KeyPair(cert, key string, read func(name string) ([]byte, error)) (tls.Certificate, error) {
	certPEM, err := read(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM, err := read(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}

// NewReader returns a reader of r that ends with the context: then its Read
// returns an [*EndedError], and a Read of r can go on in the background.
func NewReader(ctx context.Context, r io.Reader) io.Reader { return &reader{ctx: ctx, r: r} }

// ReadAll reads r, which is called name in messages, to its end. It must have at
// most limit bytes. When ctx ends, ReadAll returns an [*EndedError], and a Read of
// r can go on in the background: use it for standard input.
func ReadAll(ctx context.Context, r io.Reader, name string, limit int64) ([]byte, error) {
	return readAll(NewReader(ctx, r), name, limit, 0)
}

// readAll reads what has about that size. Without a size, io.ReadAll would copy a large
// file several times.
func readAll(r io.Reader, name string, limit, size int64) ([]byte, error) {
	data := bytes.NewBuffer(make([]byte, 0, min(size, limit)+bytes.MinRead))
	if _, err := data.ReadFrom(io.LimitReader(r, limit+1)); err != nil {
		return nil, err
	}
	if int64(data.Len()) > limit {
		return nil, fmt.Errorf("%s is larger than %s", name, words.BinarySize(limit))
	}
	return data.Bytes(), nil
}

// file is a regular file.
type file struct {
	ctx  context.Context
	f    *os.File
	size int64 // when it was opened
}

func (f *file) Read(p []byte) (int, error) {
	if f.ctx.Err() != nil {
		return 0, &EndedError{context.Cause(f.ctx)}
	}
	return f.f.Read(p)
}

func (f *file) Close() error { return f.f.Close() }

// pipe is one end of a pipe.
type pipe struct {
	reader
	io.Closer
}

// reader reads in a goroutine, because nothing ends a Read of a pipe in the time
// that is left.
type reader struct {
	ctx context.Context
	r   io.Reader
}

// readSize is how much a reader reads at once.
const readSize = 64 << 10

func (r *reader) Read(p []byte) (int, error) {
	// The Read that goes on in the background must not write to p.
	buf := make([]byte, min(len(p), readSize))
	n, err := wait(r.ctx, func() (int, error) { return r.r.Read(buf) }, nil)
	return copy(p, buf[:n]), err
}

// wait returns what f returns, or an [*EndedError] when ctx ends earlier. drop gets a
// result that comes too late.
func wait[T any](ctx context.Context, f func() (T, error), drop func(T) error) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	var none T
	if ctx.Err() != nil {
		return none, &EndedError{context.Cause(ctx)}
	}
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	if drop != nil {
		go func() {
			if r := <-done; r.err == nil {
				_ = drop(r.value)
			}
		}()
	}
	return none, &EndedError{context.Cause(ctx)}
}
