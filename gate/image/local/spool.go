package local

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/imagegate/imagegate/gate/image"
)

// spool keeps an archive that can be read only once in a temporary file, and
// indexes it. The file has no name where the system allows that, so that its
// space is free as soon as the archive is not in use.
func spool(ctx context.Context, from io.Reader, o *Options) (*archive, error) {
	dir, err := o.TempDir()
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "archive-*.tar")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(f.Name())
	a := &archive{held: f, entries: map[string]*entry{}}
	runtime.AddCleanup(a, func(f *os.File) { _ = f.Close() }, f)
	n, err := io.Copy(f, io.LimitReader(from, o.Limits.ArchiveSize+1))
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("copy it to a temporary file: %w", err)
	case n == 0:
		return nil, image.Refuse("it is empty: nothing was written to it")
	case n > o.Limits.ArchiveSize:
		return nil, &image.LimitError{Name: "archive-size", What: "its size", Limit: o.Limits.ArchiveSize}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return a, a.index(ctx, f, &o.Limits)
}
