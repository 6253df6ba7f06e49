//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	trivyjar "github.com/aquasecurity/trivy/pkg/dependency/parser/java/jar"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// Limits of the archives in one file. Programs have archives in archives in
// archives, and hardly ever more.
const (
	maxArchiveDepth = 100
	maxArchives     = 10_000
	minUnpacked     = 512 << 20 // bytes of archives and metadata that are unpacked, for small files
	maxUnpacked     = 20        // times the file's size, for large ones
	innerInMemory   = 2 << 20   // a larger archive in an archive goes to a temporary file
)

// archive is a Java archive, or one in another.
type archive struct {
	file string // of the layer
	name string // its path, with those of the archives around it
	java bool   // and not for example a document
	// unread says that its metadata cannot be read, for which there is a gap.
	unread bool
	// claim is what its manifest calls it.
	claim string
	// packages are what its metadata says, read as Java does, and what Trivy reads in
	// archives that it does not open by itself.
	packages ftypes.Packages
}

// jarWalk reads one file with all archives inside.
type jarWalk struct {
	ctx      context.Context
	client   trivyjar.Client
	layer    *layer
	file     string
	archives []archive
	left     int64 // bytes that may still be unpacked
}

// open reads the file at copied. An error means that Trivy must not see the file.
func (w *jarWalk) open(copied string) error {
	f, err := os.Open(copied)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w.left = max(minUnpacked, maxUnpacked*info.Size())
	return w.archive(w.file, io.NewSectionReader(f, 0, info.Size()), 1)
}

// archive reads an archive and those in it.
func (w *jarWalk) archive(name string, content *io.SectionReader, depth int) error {
	r, err := zip.NewReader(content, content.Size())
	if err != nil {
		return err
	}
	if len(w.archives) == maxArchives {
		return fmt.Errorf("it holds more than %d archives", maxArchives)
	}
	at := len(w.archives)
	w.archives = append(w.archives, archive{file: w.file, name: name, java: isJavaName(name)})
	m := jarMetadata{walk: w, name: name}
	for _, f := range r.File {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := m.add(f); err != nil {
			return err
		}
		if isArchive(f) {
			if err := w.inner(name, content, f, depth+1); err != nil {
				return err
			}
		}
	}
	if err := m.read(); err != nil {
		return err
	}
	a := &w.archives[at]
	a.java, a.unread, a.claim, a.packages = a.java || m.java, m.unread, m.claim, append(a.packages, m.packages...)
	return nil
}

// inner reads an archive in an archive.
func (w *jarWalk) inner(outer string, from *io.SectionReader, f *zip.File, depth int) error {
	if depth > maxArchiveDepth {
		return fmt.Errorf("it holds archives in archives more than %d deep", maxArchiveDepth)
	}
	if err := w.spend(f, 1); err != nil {
		return err
	}
	name := innerName(outer, f.Name)
	content, closed, err := unpack(from, f)
	if err == nil {
		defer closed()
		at := len(w.archives)
		err = w.archive(name, content, depth)
		if err == nil && !opensItself(outer, f.Name) {
			w.archives[at].packages = append(w.archives[at].packages, w.trivy(name, content)...)
		}
	}
	switch {
	case err == nil:
	case !isDamage(err):
		return err
	case isJavaName(f.Name) || isLoaded(f.Name):
		w.layer.jarError(w.file, name, err)
	}
	return nil
}

// trivy has Trivy read an archive that it does not open in another.
func (w *jarWalk) trivy(name string, content *io.SectionReader) ftypes.Packages {
	p := trivyjar.NewParser(w.client, trivyjar.WithFilePath(name), trivyjar.WithSize(content.Size()),
		trivyjar.WithLicenseClassifierConfidenceLevel(classifierConfidence))
	pkgs, _, err := p.Parse(w.ctx, content)
	if err != nil {
		w.layer.jarError(w.file, name, err)
	}
	return pkgs
}

// spend takes what unpacking a file costs off what may still be unpacked.
func (w *jarWalk) spend(f *zip.File, times uint64) error {
	if f.UncompressedSize64 > uint64(w.left)/times {
		return errors.New("its archives and metadata would unpack to more than a jar of its size has to")
	}
	w.left -= int64(f.UncompressedSize64 * times)
	return nil
}

// unpack returns the content of a file, which is not copied if it is stored as it
// is: Spring Boot stores its archives so.
func unpack(from *io.SectionReader, f *zip.File) (*io.SectionReader, func(), error) {
	nothing := func() {}
	size := int64(f.UncompressedSize64)
	if f.Method == zip.Store && f.CompressedSize64 == f.UncompressedSize64 {
		at, err := f.DataOffset()
		return io.NewSectionReader(from, at, size), nothing, err
	}
	r, err := f.Open()
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = r.Close() }()
	if size <= innerInMemory {
		b := make([]byte, size)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, nil, err
		}
		return io.NewSectionReader(bytes.NewReader(b), 0, size), nothing, nil
	}
	tmp, err := os.CreateTemp("", "jar-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() {
		_ = tmp.Close()
		_ = os.Remove(tmp.Name())
	}
	if _, err := io.Copy(tmp, r); err != nil {
		remove()
		return nil, nil, err
	}
	return io.NewSectionReader(tmp, 0, size), remove, nil
}

// isArchive reports whether a file in an archive is one itself: by its name, by the
// directory from which it is loaded, or by its first bytes.
func isArchive(f *zip.File) bool {
	switch {
	case strings.HasSuffix(f.Name, "/") || f.UncompressedSize64 == 0:
		return false
	case isJavaName(f.Name) || isLoaded(f.Name):
		return true
	case f.UncompressedSize64 < 22 || strings.HasSuffix(f.Name, ".class"):
		return false // too short, or code
	}
	r, err := f.Open()
	if err != nil {
		return false
	}
	defer func() { _ = r.Close() }()
	var head [4]byte
	_, err = io.ReadFull(r, head[:])
	return err == nil && string(head[:]) == "PK\x03\x04"
}

// isJavaName reports whether the name is that of a Java archive.
func isJavaName(name string) bool {
	return slices.Contains(javaExtensions, strings.ToLower(path.Ext(name)))
}

// javaExtensions: libraries, applications, and plugins of JBoss, Karaf, Jenkins and
// Android.
var javaExtensions = []string{".jar", ".war", ".ear", ".par", ".rar", ".sar", ".kar", ".hpi", ".jpi", ".aar"}

// isLoaded reports whether Spring Boot loads the file as an archive, whatever it is
// called.
func isLoaded(name string) bool {
	return strings.HasPrefix(name, "BOOT-INF/lib/") || strings.HasPrefix(name, "WEB-INF/lib-provided/")
}

// opensItself reports whether Trivy opens the file in an archive without our help
// (dependency/parser/java/jar: isArtifact, parseInnerJar).
func opensItself(outer, name string) bool {
	switch path.Ext(name) {
	case ".jar", ".war", ".ear":
		return strings.HasPrefix(path.Join(outer, name), outer)
	}
	return false
}

// innerName is the path of a file in an archive, which never leaves the archive.
func innerName(outer, name string) string { return outer + path.Join("/", name) }

// isDamage reports whether an error says that an archive is damaged, or none.
func isDamage(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt) || errors.Is(err, zip.ErrFormat) || errors.Is(err, zip.ErrAlgorithm) ||
		errors.Is(err, zip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF)
}
