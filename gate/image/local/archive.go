package local

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// archive is a tar file of an image, plain or with gzip. Its table of contents
// is read once; its files are read at their places, and nothing is unpacked. In
// a compressed archive that means to decompress up to the file each time.
type archive struct {
	path    string
	held    *os.File // read instead of path, when the archive has no name any more
	zipped  bool
	entries map[string]*entry
}

// entry is one file of an archive.
type entry struct {
	offset int64 // in the uncompressed archive
	size   int64
	head   []byte // its first bytes
	link   string // the entry that it links to, "" for a file
	broken string // why it cannot be read, "" if it can
}

const headSize = 6

// maxLinks is how many links may lead to a file. docker save up to version 24
// wrote a link for each layer that it had written already.
const maxLinks = 8

var _ = register(evidence.SourceTar, openTar)

// stdinPath is the path of tar: that means standard input.
const stdinPath = "-"

// openTar opens the image of a tar: reference.
func openTar(ctx context.Context, ref evidence.Reference, o *Options) (*image.Root, error) {
	file := image.Path(ref)
	var a *archive
	var err error
	if file == stdinPath {
		a, err = spool(ctx, input.NewReader(ctx, o.Stdin), o)
	} else {
		a, err = openArchive(ctx, file, &o.Limits)
	}
	if err != nil {
		return nil, archiveFault(file, err)
	}
	return inArchive(ctx, ref, a, &o.Limits)
}

// inArchive opens an image of docker save or of an OCI archive.
func inArchive(ctx context.Context, ref evidence.Reference, a *archive, limits *image.Limits) (*image.Root, error) {
	file := image.Path(ref)
	_, isLayout := a.entries[fileLayout]
	_, isSaved := a.entries[fileSaved]
	if isLayout && isSaved {
		empty, err := a.listsNothing(limits)
		if err != nil {
			return nil, archiveFault(file, err)
		}
		isLayout = !empty
	}
	switch {
	case isLayout && isSaved:
		if err := a.checkAgreement(ctx, limits); err != nil {
			return nil, archiveFault(file, err)
		}
		return inLayout(ctx, ref, a, limits)
	case isLayout:
		return inLayout(ctx, ref, a, limits)
	case isSaved:
		return inSaved(ctx, ref, a, limits)
	}
	return nil, &gate.Fault{
		Phase: gate.PhaseResolve,
		Err:   fmt.Errorf("image archive %s: it has neither %s nor %s: it is not an image", words.Quote(file), fileSaved, fileLayout),
		Hint:  "make the archive with docker save, not docker export",
	}
}

func archiveFault(file string, err error) error {
	f := &gate.Fault{Phase: gate.PhaseResolve, Err: fmt.Errorf("image archive %s: %w", words.Quote(file), err)}
	var limit *image.LimitError
	switch {
	case errors.As(err, &limit):
		f.Hint = limit.Hint()
	case errors.Is(err, fs.ErrNotExist):
		f.Hint = "check the path after tar:"
	}
	return f
}

// openArchive reads the table of contents.
func openArchive(ctx context.Context, file string, limits *image.Limits) (*archive, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, image.Refuse("it is not a regular file (for a directory write oci:DIR)")
	}
	a := &archive{path: file, entries: map[string]*entry{}}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return a, a.index(ctx, f, limits)
}

// index reads the table of contents from the beginning of f.
func (a *archive) index(ctx context.Context, f *os.File, limits *image.Limits) error {
	magic := make([]byte, 4)
	n, err := io.ReadFull(f, magic)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return err
	}
	if a.zipped, err = isZipped(magic[:n]); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return a.list(ctx, f, limits)
}

// isZipped looks at the first bytes; the name of a file says nothing.
func isZipped(magic []byte) (bool, error) {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return true, nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}), bytes.HasPrefix(magic, []byte("BZh")), bytes.HasPrefix(magic, []byte{0xfd, '7', 'z'}):
		return false, image.Refuse("it is compressed with another method than gzip: decompress it first")
	}
	return false, nil
}

// position is the offset of a tar reader in its archive.
type position interface{ at() (int64, error) }

// seeker is a plain file: the tar reader seeks over what it does not need.
type seeker struct{ *os.File }

func (s seeker) at() (int64, error) { return s.Seek(0, io.SeekCurrent) }

// counter is a stream that can only be read, up to a limit.
type counter struct {
	r     io.Reader
	n     int64
	limit int64
}

func (c *counter) at() (int64, error) { return c.n, nil }

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.n += int64(n); c.n > c.limit {
		return n, &image.LimitError{Name: "archive-size", What: "its uncompressed size", Limit: c.limit}
	}
	return n, err
}

func (a *archive) list(ctx context.Context, f *os.File, limits *image.Limits) error {
	var from interface {
		io.Reader
		position
	} = seeker{f}
	if a.zipped {
		z, err := gzip.NewReader(f)
		if err != nil {
			return fmt.Errorf("decompress: %w", err)
		}
		defer z.Close()
		from = &counter{r: &untilDone{ctx: ctx, ReadCloser: io.NopCloser(z)}, limit: limits.ArchiveSize}
	}
	t := tar.NewReader(from)
	for n := int64(0); ; n++ {
		header, err := t.Next()
		if err == io.EOF {
			return checkEnd(from)
		}
		if err != nil {
			return fmt.Errorf("it is not a tar archive, or it is cut off: %w", err)
		}
		if n >= limits.ArchiveFiles {
			return &image.LimitError{Name: "archive-files", What: "the number of its files", Limit: limits.ArchiveFiles}
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := a.add(header, t, from); err != nil {
			return err
		}
	}
}

// checkEnd refuses anything but zeros behind the end of the archive: some tools
// read a second archive there.
func checkEnd(rest io.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := rest.Read(buf)
		if len(bytes.Trim(buf[:n], "\x00")) > 0 {
			return image.Refuse("there is more behind its end, which some tools read as a second archive (save the image again to a new file)")
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read behind its end: %w", err)
		}
	}
}

// add notes one entry. Two files with one name are refused: which of them is
// meant differs between tools.
func (a *archive) add(header *tar.Header, content io.Reader, from position) error {
	name, err := entryName(header.Name)
	if err != nil || header.Typeflag == tar.TypeDir {
		return err
	}
	if _, twice := a.entries[name]; twice {
		return image.Refuse("the file %s is in it twice", words.Quote(name))
	}
	e := &entry{size: header.Size}
	a.entries[name] = e
	switch header.Typeflag {
	case tar.TypeReg:
		for key := range header.PAXRecords {
			if strings.HasPrefix(key, "GNU.sparse.") {
				e.broken = "is sparse"
			}
		}
	case tar.TypeSymlink:
		e.link = path.Join(path.Dir(name), header.Linkname)
	case tar.TypeLink:
		e.link = path.Clean(header.Linkname)
	default:
		e.broken = "is not a regular file"
	}
	if e.link != "" || e.broken != "" {
		return nil
	}
	if e.offset, err = from.at(); err != nil {
		return err
	}
	e.head = make([]byte, headSize)
	n, err := io.ReadFull(content, e.head)
	e.head = e.head[:n]
	if err == io.EOF || err == io.ErrUnexpectedEOF && int64(n) == e.size {
		return nil
	}
	return err
}

// entryName is the one spelling of a name in the archive.
func entryName(name string) (string, error) {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", image.Refuse("the name %s leads out of it", words.Quote(name))
		}
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}

// find follows links to a file.
func (a *archive) find(name string) (*entry, error) {
	at := path.Clean(name)
	for range maxLinks {
		e, ok := a.entries[at]
		switch {
		case !ok:
			return nil, fmt.Errorf("%s is not in the archive: %w", words.Quote(name), fs.ErrNotExist)
		case e.broken != "":
			return nil, image.Refuse("%s %s", words.Quote(at), e.broken)
		case e.link == "":
			return e, nil
		}
		at = e.link
	}
	return nil, image.Refuse("%s is a link to a link, more than %d times", words.Quote(name), maxLinks)
}

// open implements files.
func (a *archive) open(name string) (io.ReadCloser, int64, error) {
	e, err := a.find(name)
	if err != nil {
		return nil, 0, err
	}
	r, err := a.read(e)
	return r, e.size, err
}

// read opens an entry at its place.
func (a *archive) read(e *entry) (io.ReadCloser, error) {
	f, err := a.file()
	if err != nil {
		return nil, err
	}
	if !a.zipped {
		return &section{Reader: io.NewSectionReader(f, e.offset, e.size), close: f}, nil
	}
	z, err := gzip.NewReader(io.NewSectionReader(f, 0, math.MaxInt64))
	if err == nil {
		_, err = io.CopyN(io.Discard, z, e.offset)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return &section{Reader: io.LimitReader(z, e.size), close: f}, nil
}

// file is the archive's file.
func (a *archive) file() (interface {
	io.ReaderAt
	io.Closer
}, error) {
	if a.held != nil {
		return heldFile{a.held}, nil
	}
	return os.Open(a.path)
}

// heldFile is a file that stays open as long as its archive is in use.
type heldFile struct{ *os.File }

// Close does nothing.
func (heldFile) Close() error { return nil }

// section is a part of a file.
type section struct {
	io.Reader
	close io.Closer
}

// Close implements io.Closer.
func (s *section) Close() error { return s.close.Close() }
