package report

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// WriteFile writes a file as a whole or not at all: under a temporary name
// beside the target, synced, then renamed. A reader sees the old file or the
// complete new one, and a full disk leaves the old one as it was.
//
// A target that is a symbolic link is refused: in a shared directory its owner
// would choose what we overwrite. Character devices are written in place,
// because renaming onto /dev/null would replace the device.
func WriteFile(path string, write func(io.Writer) error) error {
	if err := writeFile(path, write); err != nil {
		return fmt.Errorf("write file %s: %w", path, err)
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := checkParent(path); err != nil {
			return err
		}
	case err != nil:
		return bare(err)
	case info.Mode().Type() == fs.ModeDevice|fs.ModeCharDevice:
		return writeDevice(path, write)
	default:
		if err := checkTarget(info); err != nil {
			return err
		}
	}
	return replace(path, info, write)
}

// checkTarget says whether an existing target may be replaced.
func checkTarget(info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode&fs.ModeSymlink != 0:
		return errors.New("it is a symbolic link (name the file itself; for standard output use -)")
	case mode.IsDir():
		return errors.New("it is a directory (name a file in it)")
	default:
		return fmt.Errorf("it is not a regular file (%s)", mode.Type())
	}
}

// checkParent finds the first parent that is missing, to name it.
func checkParent(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("directory %s does not exist (create it first)", dir)
	case err != nil:
		return bare(err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	}
	return nil
}

// replace writes the content beside path and renames it. old is the file that
// is replaced, nil when there is none: its permissions are kept.
func replace(path string, old fs.FileInfo, write func(io.Writer) error) (err error) {
	perm := fs.FileMode(0o666) // less the umask
	if old != nil {
		perm = old.Mode().Perm()
	}
	temp := filepath.Join(filepath.Dir(path), ".imagegate-"+rand.Text()+".tmp")
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return bare(err)
	}
	done := false
	defer func() { // after a panic of write too
		if !done {
			_ = f.Close()
			_ = os.Remove(temp)
		}
	}()
	if err := fill(f, write); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return bare(err)
	}
	if err := os.Rename(temp, path); err != nil {
		return bare(err)
	}
	done = true
	syncDir(filepath.Dir(path))
	return nil
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

// writeDevice writes to a character device such as /dev/null or a terminal.
func writeDevice(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return bare(err)
	}
	b := bufio.NewWriterSize(f, 64<<10)
	if err := errors.Join(write(b), b.Flush()); err != nil {
		_ = f.Close()
		return bare(err)
	}
	return bare(f.Close())
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

// bare takes the path off an error of package os: the path that counts stands
// in front already, and a temporary name would only confuse.
func bare(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return errors.New("no space left on the device (nothing was written)")
	case errors.As(err, &path) && errors.Is(err, path.Err):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
