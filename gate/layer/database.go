package layer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// DatabaseType is a package manager's database format, in Trivy's words.
type DatabaseType string

// The database types.
const (
	TypeDpkg DatabaseType = "dpkg"
	TypeApk  DatabaseType = "apk"
	TypeRPM  DatabaseType = "rpm"
)

// PackageDatabase is one package database that Trivy reads, by our own count.
type PackageDatabase struct {
	Type DatabaseType
	Path string
	// Layer is the diffID of the layer it comes from.
	Layer string
	// Count is how many packages the scanner must find in it.
	Count int
	// IDs are the packages, name@version, sorted; nil for RPM databases, which
	// are only counted.
	IDs []string
	// Problem says why Count cannot be relied on; there is a gap for it then.
	Problem string
}

// databaseFacts is what one version of one package database holds.
type databaseFacts struct {
	kind    DatabaseType
	count   int
	problem string
	// packages are the installed ones by name; nil for RPM.
	packages map[string]*pkg
	ids      map[string]bool
	// absent are names that a dpkg database lists as not installed.
	absent   map[string]bool
	provides map[string]bool // apk: what packages provide
}

// pkg is one installed package.
type pkg struct {
	files []string // some of its program files, apk only
}

// complain keeps the first problem: what comes after it is often its result.
func (d *databaseFacts) complain(format string, args ...any) {
	if d.problem == "" {
		d.problem = fmt.Sprintf(format, args...)
	}
}

const (
	// maxLine is the longest line of a package database that is read.
	maxLine = 1 << 20
	// scannerLine is where Trivy's line scanner silently stops reading
	// (bufio.MaxScanTokenSize).
	scannerLine = 64 << 10
)

// database counts the packages of one database while it streams by.
func (t *Tree) database(f *file, e *Entry, r io.Reader) error {
	d := &databaseFacts{}
	f.facts = d
	switch f.class {
	case classDpkg:
		d.kind = TypeDpkg
	case classApk:
		d.kind = TypeApk
	default:
		d.kind = TypeRPM
	}
	if e.Size > t.limits.FileSize {
		d.complain("is larger than the limit of %d bytes (--limit file-size=VALUE)", t.limits.FileSize)
		return nil
	}
	switch {
	case e.Size == 0:
	case d.kind == TypeRPM:
		n, err := 0, error(nil)
		if e.Name == rpmManifest {
			n, err = countLines(r)
		} else {
			n, err = countRPM(r, e.Size)
		}
		if err != nil {
			if isReadError(err) {
				return err
			}
			d.complain("cannot be read: %v", err)
		}
		d.count = n
	case d.kind == TypeDpkg:
		return t.lines(r, d, &dpkgParser{t: t, d: d})
	default:
		return t.lines(r, d, &apkParser{t: t, d: d})
	}
	return nil
}

// lineParser is fed a text database line by line.
type lineParser interface {
	line(text []byte)
	end()
}

// lines feeds p. Only errors of the source are returned.
func (t *Tree) lines(r io.Reader, d *databaseFacts, p lineParser) error {
	d.packages, d.ids = make(map[string]*pkg), make(map[string]bool)
	d.absent, d.provides = make(map[string]bool), make(map[string]bool)
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		p.line(s.Bytes())
	}
	p.end()
	d.count = len(d.ids)
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		d.complain("has a line of more than %d bytes", maxLine)
	} else if err != nil {
		return err
	}
	return nil
}

// add records an installed package, within the image's memory.
func (t *Tree) addPackage(d *databaseFacts, name, version string, files []string) {
	size := int64(2*(len(name)+len(version)) + 200)
	for _, path := range files {
		size += int64(len(path) + 16)
	}
	if !t.keep(size) {
		d.complain("holds more packages than can be kept in memory")
		return
	}
	d.ids[name+"@"+version] = true
	d.packages[name] = &pkg{files: files}
}

// sourceError marks an error of the source, not of the content.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

func isReadError(err error) bool {
	var s *sourceError
	return errors.As(err, &s)
}
