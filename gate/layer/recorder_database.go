package layer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
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

// draft is a package database that is being read.
type draft struct {
	r        *Recorder
	facts    databaseFacts
	ids      map[string]bool
	packages map[string][]string // program files by name
	absent   map[string]bool
	provides map[string]bool
}

// complain keeps the first problem: what comes after it is often its result.
func (d *draft) complain(format string, args ...any) {
	if d.facts.problem == "" {
		d.facts.problem = fmt.Sprintf(format, args...)
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
func (r *Recorder) database(c class, e *Entry, body io.Reader) (finding, error) {
	d := &draft{r: r, facts: databaseFacts{kind: databaseType(c)}}
	var err error
	switch {
	case e.Size > r.limits.FileSize:
		d.complain("is larger than the limit of %d bytes (--limit file-size=VALUE)", r.limits.FileSize)
	case e.Size == 0:
	case d.facts.kind == TypeRPM:
		err = d.rpm(e, body)
	case d.facts.kind == TypeDpkg:
		err = d.lines(body, &dpkgParser{d: d})
	default:
		err = d.lines(body, &apkParser{d: d})
	}
	return &d.facts, err
}

// databaseType is the package manager of a class of databases.
func databaseType(c class) DatabaseType {
	switch c {
	case classDpkg:
		return TypeDpkg
	case classApk:
		return TypeApk
	}
	return TypeRPM
}

func (d *draft) rpm(e *Entry, body io.Reader) error {
	count := func() (int, error) { return countRPM(body, e.Size) }
	if e.Name == rpmManifest {
		count = func() (int, error) { return countLines(body) }
	}
	n, err := count()
	if isReadError(err) {
		return err
	}
	if err != nil {
		d.complain("cannot be read: %v", err)
	}
	d.facts.count = n
	return nil
}

// lineParser is fed a text database line by line.
type lineParser interface {
	line(text []byte)
	end()
}

// lines feeds p. Only errors of the source are returned.
func (d *draft) lines(body io.Reader, p lineParser) error {
	d.packages, d.ids = make(map[string][]string), make(map[string]bool)
	d.absent, d.provides = make(map[string]bool), make(map[string]bool)
	s := bufio.NewScanner(body)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		p.line(s.Bytes())
	}
	p.end()
	d.sort()
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		d.complain("has a line of more than %d bytes", maxLine)
	} else if err != nil {
		return err
	}
	return nil
}

// sort brings what was read into its final, compact form.
func (d *draft) sort() {
	f := &d.facts
	f.count = len(d.ids)
	f.ids, f.absent, f.provides = sortedKeys(d.ids), sortedKeys(d.absent), sortedKeys(d.provides)
	for _, name := range sortedKeys(d.packages) {
		f.packages = append(f.packages, pkg{name, d.packages[name]})
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// add notes an installed package, within the layer's memory.
func (d *draft) add(name, version string, files []string) {
	size := int64(2*(len(name)+len(version)) + 200)
	for _, path := range files {
		size += int64(len(path) + 16)
	}
	if !d.r.keep(size) {
		d.complain(problemPackages)
		return
	}
	d.ids[name+"@"+version] = true
	d.packages[name] = files
}

func (d *draft) has(name string) bool {
	_, ok := d.packages[name]
	return ok
}

// sourceError marks an error of the source, not of the content.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

func isReadError(err error) bool {
	var s *sourceError
	return errors.As(err, &s)
}
