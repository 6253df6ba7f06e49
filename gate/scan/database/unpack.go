package database

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/imagegate/imagegate/gate/layer/inflate"
)

// unpacker takes a database out of its gzip'ed tar. The bytes are not yet
// verified, so it accepts two regular files, each once, and nothing more.
type unpacker struct {
	traits
	dir     string
	limits  Limits
	packed  func() int64 // bytes read from the blob so far
	reserve func(int64) error
}

// unpacked describes the files of an archive. The database file is in dir.
type unpacked struct {
	sha256   string
	size     int64
	metadata []byte
}

// ratioFloor is a size that is allowed at any ratio: a small and mostly empty
// database packs very well.
const ratioFloor = 16 << 20

func (u *unpacker) unpack(ctx context.Context, r io.Reader) (*unpacked, error) {
	z, err := inflate.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("not gzip: %w", err)
	}
	plain := &bounded{r: z, limit: func() int64 { return ratioFloor + u.limits.Ratio*u.packed() }}
	archive, out := tar.NewReader(plain), &unpacked{}
	for {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the archive: %w", err)
		}
		if err := u.entry(ctx, h, archive, out); err != nil {
			return nil, err
		}
	}
	if out.size == 0 || out.metadata == nil {
		return nil, fmt.Errorf("the archive must hold %s and %s", u.file, metadataFile)
	}
	return out, onlyPadding(ctx, plain)
}

// entry takes one file out of the archive.
func (u *unpacker) entry(ctx context.Context, h *tar.Header, r io.Reader, out *unpacked) error {
	name := strings.TrimPrefix(h.Name, "./")
	if h.Typeflag == tar.TypeDir && (name == "" || name == ".") {
		return nil // what "tar -C dir ." begins with
	}
	if name != u.file && name != metadataFile {
		return fmt.Errorf("the archive holds %q, which does not belong there", h.Name)
	}
	if h.Typeflag != tar.TypeReg || isSparse(h) {
		return fmt.Errorf("%q in the archive is not a regular file", h.Name)
	}
	if name == metadataFile {
		return u.document(h, r, out)
	}
	if out.size != 0 {
		return fmt.Errorf("the archive holds %s twice", name)
	}
	if h.Size == 0 {
		return fmt.Errorf("%s in the archive is empty", name)
	}
	if h.Size > u.limits.File {
		return fmt.Errorf("%s is too large: %d bytes, the limit is %d", name, h.Size, u.limits.File)
	}
	return u.store(ctx, h, r, out)
}

// isSparse reports whether a file has holes. archive/tar fills them, so that a
// large file needs no input.
func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

func (u *unpacker) document(h *tar.Header, r io.Reader, out *unpacked) error {
	if out.metadata != nil {
		return fmt.Errorf("the archive holds %s twice", metadataFile)
	}
	if h.Size > maxDocument {
		return fmt.Errorf("%s is too large to be genuine: %d bytes", metadataFile, h.Size)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("read %s: %w", metadataFile, err)
	}
	out.metadata = bytes.Clone(raw)
	if out.metadata == nil {
		out.metadata = []byte{}
	}
	return nil
}

// store writes the database file and hashes it on the way.
func (u *unpacker) store(ctx context.Context, h *tar.Header, r io.Reader, out *unpacked) (err error) {
	if err := u.reserve(h.Size); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(u.dir, u.file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return &localError{err}
	}
	defer func() { err = errors.Join(err, localOf(f.Close())) }()
	sum := sha256.New()
	n, err := copyContext(ctx, io.MultiWriter(localWriter{f}, sum), r)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", u.file, err)
	}
	out.sha256, out.size = hexSum(sum), n
	return localOf(f.Chmod(0o644))
}

// localWriter marks the errors of the disk, so that they differ from those of the
// network.
type localWriter struct{ w io.Writer }

func (l localWriter) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	return n, localOf(err)
}

func localOf(err error) error {
	if err == nil {
		return nil
	}
	return &localError{err}
}

// onlyPadding wants nothing but zeros after the archive.
func onlyPadding(ctx context.Context, r io.Reader) error {
	buf := make([]byte, 32<<10)
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if len(bytes.TrimLeft(buf[:n], "\x00")) > 0 {
			return errors.New("there is data after the end of the archive")
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
	}
}

// bounded ends a stream that grows out of proportion.
type bounded struct {
	r     io.Reader
	n     int64
	limit func() int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.n += int64(n); b.n > b.limit() {
		return n, errors.New("the archive unpacks to far more than a database does: refused as a decompression bomb")
	}
	return n, err
}
