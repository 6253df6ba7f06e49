package report

import (
	"bufio"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Temporary files are in the directory of their target, under names like
// .imagegate-ABC.tmp. Their writer holds a lock, so that the next run can tell
// which ones a killed run has left.
const (
	temporaryPrefix = ".imagegate-"
	temporarySuffix = ".tmp"
)

// temporaryFile is the complete content of the file at path, under another name.
type temporaryFile struct {
	path string // the target
	name string
	f    *os.File // open, because it holds the lock
}

// newTemporary makes an empty temporary file for path and locks it.
func newTemporary(path string, perm fs.FileMode) (*temporaryFile, error) {
	for range 10 {
		name := filepath.Join(filepath.Dir(path), temporaryPrefix+rand.Text()+temporarySuffix)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if err != nil {
			return nil, bare(err)
		}
		// Another run can have deleted the file before it was locked.
		if t := (&temporaryFile{path, name, f}); tryLock(f) && t.exists() {
			return t, nil
		}
		_ = f.Close()
	}
	return nil, errors.New("another process deletes the temporary files")
}

func (t *temporaryFile) exists() bool {
	mine, err := t.f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(t.name)
	return err == nil && os.SameFile(mine, there)
}

// writeTemporary writes the content for path. old is the file that it will
// replace, nil when there is none: its permissions are kept.
func writeTemporary(path string, old fs.FileInfo, write func(io.Writer) error) (_ *temporaryFile, err error) {
	perm := fs.FileMode(0o666) // less the umask
	if old != nil {
		perm = old.Mode().Perm()
	}
	t, err := newTemporary(path, perm)
	if err != nil {
		return nil, err
	}
	done := false
	defer func() { // also after a panic of write
		if !done {
			t.remove()
		}
	}()
	if err := fill(t.f, write); err != nil {
		return nil, err
	}
	done = true
	return t, nil
}

// fill writes the content and makes sure that it is on the disk: some file
// systems report a full disk or a quota only when they sync.
func fill(f *os.File, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(f, 64<<10)
	if err := write(b); err != nil {
		return bare(err)
	}
	if err := b.Flush(); err != nil {
		return bare(err)
	}
	return bare(f.Sync())
}

// rename puts the file in the place of its target.
func (t *temporaryFile) rename() error {
	if closesBeforeRename {
		_ = t.f.Close()
	}
	err := os.Rename(t.name, t.path)
	_ = t.f.Close()
	if err != nil {
		_ = os.Remove(t.name)
		return bare(err)
	}
	syncDir(filepath.Dir(t.path))
	return nil
}

func (t *temporaryFile) remove() {
	if closesBeforeRename {
		_ = t.f.Close()
	}
	_ = os.Remove(t.name)
	_ = t.f.Close()
}

// sweepTemporary deletes the temporary files in dir that belong to no running
// process. What it cannot delete stays.
func sweepTemporary(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := e.Name()
		if e.Type().IsRegular() && strings.HasPrefix(name, temporaryPrefix) && strings.HasSuffix(name, temporarySuffix) {
			sweepFile(filepath.Join(dir, name))
		}
	}
}

// syncDir makes the rename itself durable where the file system can. That it
// cannot is no error: the file is complete under its name.
func syncDir(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	_ = d.Sync()
	_ = d.Close()
}
