package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// suffix marks our files: a directory of nothing but hexadecimal names
	// could as well be git's objects, and Prune deletes.
	suffix = ".layer"
	// tempPrefix begins the names of files that are being written.
	tempPrefix = ".imagegate-tmp-"
	// tempTooOld is when such a file was left by a process that was killed.
	tempTooOld = time.Hour
	// touchAfter is how exactly the last use of an entry is known: writing it
	// down each time would make a write of every read.
	touchAfter = time.Hour
)

// errReadOnly means that this process cannot write to the directory.
var errReadOnly = errors.New("the layer cache cannot be written to")

// directory is a cache in a directory: DIR/ab/abcdef….layer. Files are written
// under another name and renamed, so that a reader never sees half an entry.
// Nothing is flushed to the disk: what a power failure leaves of an entry does
// not fit its seal.
type directory struct {
	dir      string
	options  Options
	sealer   *sealer
	warnings *warnings
	readOnly atomic.Bool
	sweep    sync.Once

	mu   sync.Mutex
	root *os.Root // nil until the directory was found fit for use
	mode fs.FileMode
}

func newDirectory(dir string, o Options) (*directory, error) {
	return &directory{dir: dir, options: o, sealer: newSealer(o.Key), warnings: newWarnings(o.Warn)}, nil
}

// open returns the directory, which is checked once and kept open: it cannot
// be replaced by another one. It is fs.ErrNotExist when there is
// none and none is to be made.
func (d *directory) open(create bool) (*os.Root, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root != nil {
		return d.root, nil
	}
	if create {
		if err := os.MkdirAll(d.dir, 0o700); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err == nil {
		err = d.trust(d.dir, info)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	d.root, d.mode = root, info.Mode().Perm()
	return root, nil
}

// trust refuses a file or directory that another user can write to: that user could
// store an analysis without findings. With a secret, other users may write there,
// because they cannot seal an entry.
func (d *directory) trust(name string, info fs.FileInfo) error {
	if d.options.Key != nil {
		return nil
	}
	err := trusted(info)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s is not used: %w; make it yours alone (chmod go-w), name another directory, "+
		"or set IMAGEGATE_CACHE_KEY to share it with others", name, err)
	if d.options.Maintenance { // nothing in it will be trusted
		d.warnings.once(fmt.Sprintf("the layer cache %v", err))
		return nil
	}
	return err
}

// shelf returns the subdirectory of an entry, once it is known to be one.
func (d *directory) shelf(root *os.Root, entry string) (string, error) {
	name := entry[:2]
	info, err := root.Lstat(name)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is no directory", path.Join(d.dir, name))
	}
	return name, d.trust(path.Join(d.dir, name), info)
}

// Get implements Store.
func (d *directory) Get(ctx context.Context, key string, _ time.Duration) ([]byte, error) {
	if err := errors.Join(checkKey(key), ctx.Err()); err != nil {
		return nil, missing(key, err)
	}
	if d.options.Maintenance {
		return nil, ErrMissing
	}
	data, err := d.get(key)
	switch {
	case err == nil:
		return data, nil
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errOlder):
		d.warnings.once(fmt.Sprintf("the layer cache %s does not help with every layer, which then takes longer: %v", d.dir, err))
	}
	return nil, missing(key, err)
}

func (d *directory) get(key string) ([]byte, error) {
	root, err := d.open(false)
	if err != nil {
		return nil, err
	}
	entry := d.sealer.name(key)
	shelf, err := d.shelf(root, entry)
	if err != nil {
		return nil, err
	}
	name := path.Join(shelf, entry+suffix)
	frame, err := d.read(root, name)
	if err != nil {
		return nil, err
	}
	data, err := d.sealer.open(key, frame)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path.Join(d.dir, name), err)
	}
	return data, nil
}

// read returns the bytes of an entry and notes that it was used.
func (d *directory) read(root *os.Root, name string) ([]byte, error) {
	full := path.Join(d.dir, name)
	before, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", full)
	}
	f, err := root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", full)
	case info.Size() > maxFrame:
		return nil, fmt.Errorf("%s: %w", full, errLarge)
	}
	if err := d.trust(full, info); err != nil {
		return nil, err
	}
	frame := make([]byte, info.Size())
	if _, err := io.ReadFull(f, frame); err != nil {
		return nil, fmt.Errorf("read %s: %w", full, err)
	}
	now := d.options.Now()
	if since := now.Sub(info.ModTime()); since > touchAfter || since < -touchAfter {
		_ = root.Chtimes(name, time.Time{}, now) // fails if the cache is read-only or Prune has deleted the entry
	}
	return frame, nil
}

// Put implements Store.
func (d *directory) Put(ctx context.Context, key string, data []byte) error {
	if err := errors.Join(checkKey(key), ctx.Err()); err != nil {
		return err
	}
	if d.options.Maintenance || d.readOnly.Load() {
		return errReadOnly
	}
	err := d.put(key, data)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission):
		d.readOnly.Store(true)
		d.warnings.once(fmt.Sprintf("the layer cache %s is read only, so the analyses of new layers are not kept: %v", d.dir, err))
	default:
		d.warnings.once(fmt.Sprintf("the layer cache %s does not keep every layer: %v", d.dir, err))
	}
	return err
}

func (d *directory) put(key string, data []byte) error {
	frame, err := d.sealer.seal(key, data)
	if err != nil {
		return err
	}
	root, err := d.open(true)
	if err != nil {
		return err
	}
	d.sweep.Do(func() { d.sweepTemps(root) })
	entry := d.sealer.name(key)
	shelf, err := d.makeShelf(root, entry)
	if err != nil {
		return err
	}
	return d.write(root, path.Join(shelf, entry+suffix), frame)
}

// makeShelf returns the subdirectory of an entry and makes it where there is
// none.
func (d *directory) makeShelf(root *os.Root, entry string) (string, error) {
	err := root.Mkdir(entry[:2], d.shared(0o700))
	if err == nil && d.shared(0o700) != 0o700 {
		err = root.Chmod(entry[:2], d.shared(0o700)) // not the umask's, but the mode of the whole cache
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return d.shelf(root, entry)
}

// shared returns the mode of what we make: ours alone, but in a cache with a
// secret as open as the directory, so that those it is shared with can read.
func (d *directory) shared(mode fs.FileMode) fs.FileMode {
	if d.options.Key == nil {
		return mode
	}
	bits := mode>>3 | mode>>6
	return mode | d.mode&bits
}

// write makes an entry that is there as a whole or not at all.
func (d *directory) write(root *os.Root, name string, frame []byte) (err error) {
	temp := tempPrefix + rand.Text()
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(temp)
		}
	}()
	_, err = f.Write(frame)
	if err == nil && d.shared(0o600) != 0o600 {
		err = f.Chmod(d.shared(0o600))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	err = root.Rename(temp, name)
	if err != nil && runtime.GOOS == "windows" {
		// Windows replaces no file that is being read. Equal keys have equal
		// data, so the one that is there serves as well.
		if _, there := root.Lstat(name); there == nil {
			_ = root.Remove(temp)
			return nil
		}
	}
	return err
}

// Finish implements Store.
func (d *directory) Finish() {}

// Close implements Store.
func (d *directory) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root == nil {
		return nil
	}
	err := d.root.Close()
	d.root = nil
	return err
}
