//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/aquasecurity/trivy/pkg/dependency"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/manifest"
	"github.com/imagegate/imagegate/gate/scan/wire"
)

const (
	// maxBundled is how many packages are read in one archive. An archive of Yarn
	// holds one package, with what that package bundles; one of Python a whole
	// application.
	maxBundled = 10_000
	// maxMetadata is the size up to which a package.json or METADATA in an archive is
	// read.
	maxMetadata = 4 << 20
)

// zipped reads the packages in an archive that a program loads them from without
// unpacking it. Trivy does not open these archives, and the image has no other copy of
// the packages.
func (l *layer) zipped(e *wire.Entry, c content, z *zipFile) error {
	if z.err != nil {
		return l.noArchive(e, c, z.err)
	}
	found := map[ftypes.LangType]ftypes.Packages{}
	n := 0
	for _, entry := range z.reader.File {
		read := l.readerOf(entry.Name)
		if read == nil {
			continue
		}
		if n++; n > maxBundled {
			l.jarError(e.Name, e.Name, fmt.Errorf("it holds more than %d packages", maxBundled))
			return nil
		}
		data, err := unzip(entry)
		kind, packages := read(e.Name, e.Name+"/"+entry.Name, data, err)
		found[kind] = append(found[kind], packages...)
	}
	for _, kind := range []ftypes.LangType{ftypes.NodePkg, ftypes.PythonPkg} {
		if packages := found[kind]; len(packages) > 0 {
			r := &l.main.byName[e.Name].own
			if *r == nil {
				*r = new(analyzer.AnalysisResult)
			}
			(*r).Applications = append((*r).Applications, ftypes.Application{Type: kind, FilePath: e.Name, Packages: packages})
		}
	}
	return nil
}

// noArchive adds a gap for an archive that cannot be read. Most scripts have no archive
// behind them.
func (l *layer) noArchive(e *wire.Entry, c content, err error) error {
	if manifest.IsScript(headOf(c)) {
		f, openErr := c.open()
		if openErr != nil {
			return openErr
		}
		defer func() { _ = f.Close() }()
		var finder manifest.ArchiveFinder
		if _, copyErr := io.Copy(&finder, f); copyErr != nil || !finder.Any {
			return copyErr
		}
	}
	l.jarError(e.Name, e.Name, err)
	return nil
}

// readerOf returns the reader of a package's metadata in an archive, nil for other files.
func (l *layer) readerOf(name string) func(in, file string, data []byte, err error) (ftypes.LangType, ftypes.Packages) {
	if _, ok := manifest.NPMPlace(name); ok {
		return func(in, file string, data []byte, err error) (ftypes.LangType, ftypes.Packages) {
			p, ok := l.npmPackage(in, file, data, err)
			if !ok {
				return ftypes.NodePkg, nil
			}
			return ftypes.NodePkg, ftypes.Packages{p}
		}
	}
	if manifest.IsPythonMetadata(name) {
		return l.pythonPackages
	}
	return nil
}

// pythonPackages reads the METADATA of a Python package in an archive.
func (l *layer) pythonPackages(in, file string, data []byte, err error) (ftypes.LangType, ftypes.Packages) {
	var read []manifest.Package
	if err == nil {
		read, err = manifest.ReadPython(data)
	}
	if err != nil {
		if manifest.NeedsNoPackage(file) {
			l.skipped = append(l.skipped, file)
			return ftypes.PythonPkg, nil
		}
		l.jarError(in, file, err)
		return ftypes.PythonPkg, nil
	}
	var out ftypes.Packages
	for _, p := range read {
		out = append(out, ftypes.Package{
			ID: dependency.ID(ftypes.PythonPkg, p.Name, p.Version), Name: p.Name, Version: p.Version,
			FilePath: file, AnalyzedBy: analyzer.TypePythonPkg,
		})
	}
	return ftypes.PythonPkg, out
}

// isJar reports whether a file with another name is a Java archive, or a script with
// one behind it. z is the file as an archive, nil for one that is opened by its name.
func isJar(name string, head []byte, z *zipFile) bool {
	if manifest.IsJar(name) || !manifest.IsScript(head) {
		return !manifest.IsJar(name) && manifest.StartsLikeJar(head)
	}
	return z.err == nil && slices.ContainsFunc(z.reader.File, func(f *zip.File) bool { return manifest.InJar(f.Name) })
}

// zipFile is a file that is opened as an archive. reader is nil when err is not.
type zipFile struct {
	reader *zip.Reader
	err    error
	file   io.Closer
}

func (z *zipFile) close() {
	if z.file != nil {
		_ = z.file.Close()
	}
}

func openZip(e *wire.Entry, c content) *zipFile {
	f, err := c.open()
	if err != nil {
		return &zipFile{err: err}
	}
	z, err := zip.NewReader(f, e.Size)
	if archive := behindProgram(f, e.Size); errors.Is(err, zip.ErrFormat) && archive != nil {
		z, err = zip.NewReader(archive, archive.Size())
	}
	if errors.Is(err, zip.ErrInsecurePath) {
		err = nil
	}
	return &zipFile{reader: z, err: err, file: f}
}

// behindProgram returns the zip64 archive that follows a program or script, nil when there
// is none. Python opens it; archive/zip counts the place of its directory from the
// start of the file. Python's own tests have such files. Both readers find the same
// directory, because its record has to be where the locator says and right before it.
func behindProgram(f io.ReaderAt, size int64) *io.SectionReader {
	const record, locator, end = 56, 20, 22
	var tail [record + locator + end]byte
	at := size - int64(len(tail))
	if at <= 0 {
		return nil
	}
	if _, err := f.ReadAt(tail[:], at); err != nil {
		return nil
	}
	u64 := func(i int) int64 { return int64(binary.LittleEndian.Uint64(tail[i:])) }
	if string(tail[:4]) != "PK\x06\x06" || string(tail[record:][:4]) != "PK\x06\x07" || string(tail[record+locator:][:4]) != "PK\x05\x06" {
		return nil
	}
	length, offset := u64(40), u64(48)
	start := at - length - offset
	if length < 0 || offset < 0 || start <= 0 || start >= at || u64(record+8) != at-start {
		return nil
	}
	return io.NewSectionReader(f, start, size-start)
}

// unzip returns the content of a small file in an archive.
func unzip(entry *zip.File) ([]byte, error) {
	r, err := entry.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, maxMetadata+1))
	if err == nil && len(data) > maxMetadata {
		err = fmt.Errorf("it has more than %d bytes", maxMetadata)
	}
	return data, err
}
