package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Files writes report files so that they appear together, each as a whole or not
// at all: under temporary names beside the targets, synced, then renamed. A full
// disk leaves the old files as they were. The zero value is ready.
//
// A target that is a symbolic link is refused: in a shared directory its owner
// would choose which file is overwritten. Character devices are written in
// place, because a rename onto /dev/null would replace the device.
type Files struct {
	temporary []*temporaryFile
	devices   []device
}

// device is what will be written to a character device.
type device struct {
	path    string
	content []byte
}

// Add writes the content of one more file, which [Files.Commit] makes visible.
func (f *Files) Add(path string, write func(io.Writer) error) error {
	if err := f.add(path, write); err != nil {
		return inFile(path, err)
	}
	return nil
}

func (f *Files) add(path string, write func(io.Writer) error) error {
	info, err := checkTarget(path)
	if err != nil {
		return err
	}
	if info != nil && isCharacterDevice(info) {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return err
		}
		f.devices = append(f.devices, device{path, b.Bytes()})
		return nil
	}
	t, err := writeTemporary(path, info, write)
	if err == nil {
		f.temporary = append(f.temporary, t)
	}
	return err
}

// WriteDevices writes what goes to character devices, and returns what failed. A
// device can fail when it is written, as /dev/full does, and not before.
func (f *Files) WriteDevices() (failures []error) {
	for _, d := range f.devices {
		if err := writeDevice(d.path, d.content); err != nil {
			failures = append(failures, inFile(d.path, err))
		}
	}
	f.devices = nil
	return failures
}

// Commit makes all files visible. It tries all of them and returns what failed.
func (f *Files) Commit() []error {
	failures := f.WriteDevices()
	for _, t := range f.temporary {
		if err := t.rename(); err != nil {
			failures = append(failures, inFile(t.path, err))
		}
	}
	*f = Files{}
	return failures
}

// Discard removes what was written. After Commit it does nothing.
func (f *Files) Discard() {
	for _, t := range f.temporary {
		t.remove()
	}
	*f = Files{}
}

// CheckPlace reports why no file could be written to path. It also deletes
// temporary files that killed runs left in the directory.
func CheckPlace(path string) error {
	info, err := checkTarget(path)
	if err == nil && (info == nil || !isCharacterDevice(info)) {
		sweepTemporary(filepath.Dir(path))
		var t *temporaryFile
		if t, err = newTemporary(path, 0o600); err == nil {
			t.remove()
		}
	}
	return inFile(path, err)
}

// inFile says which file an error is about.
func inFile(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write file %s: %w", path, err)
}

// checkTarget returns the target's description, nil when there is none yet, and
// an error when it cannot be written.
func checkTarget(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, checkParent(path)
	case err != nil:
		return nil, bare(err)
	}
	switch mode := info.Mode(); {
	case mode.IsRegular(), isCharacterDevice(info):
		return info, nil
	case mode&fs.ModeSymlink != 0:
		return nil, errors.New("it is a symbolic link (name the file itself; for standard output use -)")
	case mode.IsDir():
		return nil, errors.New("it is a directory (name a file in it)")
	default:
		return nil, fmt.Errorf("it is not a regular file (%s)", mode.Type())
	}
}

func isCharacterDevice(info fs.FileInfo) bool {
	return info.Mode().Type() == fs.ModeDevice|fs.ModeCharDevice
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

// writeDevice writes to a character device such as /dev/null or a terminal.
func writeDevice(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return bare(err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return bare(err)
	}
	return nil
}

// bare takes the path off an error of package os: the target's path is in the
// message already, and a temporary name would confuse.
func bare(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return &noSpaceError{syscall.ENOSPC}
	case errors.As(err, &path) && errors.Is(err, path.Err):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// noSpaceError says that a disk is full.
type noSpaceError struct{ error }

func (*noSpaceError) Error() string   { return "no space left on the device (nothing was written)" }
func (e *noSpaceError) Unwrap() error { return e.error }
