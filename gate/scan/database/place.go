package database

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The names of our files beside those of Trivy. The names of temporary files begin
// with tempPrefix or viewPrefix, so that those of a killed process can be found.
const (
	metadataFile = "metadata.json"
	recordFile   = "imagegate.json"
	tempPrefix   = ".imagegate-tmp-"
	viewPrefix   = ".imagegate-view-"
)

// maxDocument bounds metadata.json and imagegate.json.
const maxDocument = 64 << 10

// place is where one database is kept.
type place struct {
	traits
	kind Kind
	root string // the cache directory
	dir  string
}

func (s *Store) place(k Kind) (place, error) {
	t, ok := k.traits()
	if !ok {
		return place{}, fault(fmt.Errorf("there is no %s", k), "")
	}
	return place{traits: t, kind: k, root: s.opt.CacheDir, dir: filepath.Join(s.opt.CacheDir, t.sub)}, nil
}

func (p place) database() string { return filepath.Join(p.dir, p.file) }
func (p place) metadata() string { return filepath.Join(p.dir, metadataFile) }
func (p place) record() string   { return filepath.Join(p.dir, recordFile) }

// The lock files are in the cache directory and not beside the database: Trivy
// removes all of db/ when it downloads. Two processes can then lock two files of
// the same name.
func (p place) lockFile() string { return filepath.Join(p.root, ".imagegate-"+p.sub+".lock") }
func (p place) updateLockFile() string {
	return filepath.Join(p.root, ".imagegate-"+p.sub+".update.lock")
}

// stat returns the stamp of the database file, which must be a regular file
// with something in it.
func (p place) stat() (stamp, error) {
	info, err := os.Lstat(p.database())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return stamp{}, fmt.Errorf("%w: there is no %s in %s", ErrMissing, p.name, p.dir)
	case err != nil:
		return stamp{}, fmt.Errorf("%s: %w", p.name, err)
	case !info.Mode().IsRegular():
		return stamp{}, fmt.Errorf("%s: %s is %s, not a regular file", p.name, p.database(), describeMode(info.Mode()))
	case info.Size() == 0:
		return stamp{}, fmt.Errorf("%s: %s is empty", p.name, p.database())
	}
	return stampOf(info), nil
}

func describeMode(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

// readDocument reads a small regular file; nil when there is none.
func readDocument(name string) ([]byte, error) {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is %s, not a regular file", name, describeMode(info.Mode()))
	case info.Size() > maxDocument:
		return nil, fmt.Errorf("%s is too large to be genuine: %d bytes", name, info.Size())
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if raw == nil {
		raw = []byte{} // empty is not missing
	}
	return raw, nil
}

// writeDocument replaces a small file: a reader sees the old or the new one. A
// durable file is on disk before it gets the name, so that this is true after a
// power failure, too. On a slow disk that takes many milliseconds, during which
// other runs wait for the lock.
func writeDocument(dir, name string, data []byte, durable bool) (err error) {
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644))
	if err == nil && durable {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}

// syncDir makes renames in dir durable. On some file systems that fails, which does
// no harm: the journal in imagegate.json covers any order.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
}

// hashFile hashes the file, however large, until ctx ends.
func hashFile(ctx context.Context, name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := copyContext(ctx, h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return hexSum(h), nil
}

func hexSum(h interface{ Sum([]byte) []byte }) string {
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
