package gate

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/imagegate/imagegate/policy/evidence"
)

// ParseSaved reads saved evidence strictly: what this version does not
// understand could be what a newer one refuses images for.
func ParseSaved(data []byte) (*Saved, error) { return NewSavedReader().Parse(data) }

// SavedReader reads many files of saved evidence. Texts that stand in several
// of them take memory once, and little time from the second on; what it returns
// therefore shares memory, and must not be changed. It serves one goroutine.
type SavedReader struct {
	full  *decoder // fileVersionFull
	table *decoder // fileVersion
	// What findings of the second form point at: the advisories of the file and
	// the packages of the scan that is being read.
	advisories []*savedEntry
	packages   []evidence.Package
}

// savedEntry is one advisory of a file: a finding without what is about the
// package.
type savedEntry evidence.Finding

// savedTable is the second form of [Saved].
type savedTable struct {
	SchemaVersion int              `json:"schemaVersion"`
	Advisories    []*savedEntry    `json:"advisories"`
	Images        []evidence.Image `json:"images"`
	Missing       []SavedMissing   `json:"missing"`
}

// NewSavedReader returns a reader.
func NewSavedReader() *SavedReader {
	r := &SavedReader{full: newDecoder(), table: newDecoder()}
	d := r.table
	d.readers[reflect.TypeFor[*savedEntry]()] = d.structReader(entryType, "package", "fixedVersion", "status").readShared
	d.readers[reflect.TypeFor[[]evidence.Finding]()] = r.findingsReader(d.reader(reflect.TypeFor[[]savedFinding]()))
	d.around(reflect.TypeFor[[]*savedEntry](), nil, func(v reflect.Value) { r.advisories = v.Interface().([]*savedEntry) })
	d.around(reflect.TypeFor[[]evidence.Package](), nil, func(v reflect.Value) { r.packages = v.Interface().([]evidence.Package) })
	// A finding must not point at a package of the image before.
	d.around(reflect.TypeFor[evidence.Scan](), func() { r.packages = nil }, nil)
	return r
}

// Parse reads one file as [ParseSaved] does.
func (r *SavedReader) Parse(data []byte) (*Saved, error) {
	version, err := r.full.version(data)
	if err != nil {
		return nil, fmt.Errorf("it is not JSON as imagegate check --evidence writes it: %w", err)
	}
	s := new(Saved)
	switch version {
	case fileVersion:
		s, err = r.parseTable(data)
	case fileVersionFull, noVersion:
		err = r.full.document(data, s)
	default:
		err = wrongVersion(version)
	}
	switch {
	case err != nil:
		return nil, err
	case s.SchemaVersion == 0:
		return nil, errors.New("it has no schemaVersion: imagegate check --evidence writes files that can be read here")
	case version == noVersion && s.SchemaVersion != fileVersionFull:
		return nil, errors.New("its schemaVersion does not stand first")
	}
	return s, s.complete()
}

func (r *SavedReader) parseTable(data []byte) (*Saved, error) {
	r.advisories, r.packages = nil, nil
	defer func() { r.advisories, r.packages = nil, nil }()
	var t savedTable
	if err := r.table.document(data, &t); err != nil {
		return nil, err
	}
	return &Saved{SchemaVersion: t.SchemaVersion, Images: t.Images, Missing: t.Missing}, nil
}

// findingsReader reads the findings of the second form with read, which reads a
// list of savedFinding. What points nowhere is an error: a finding without its
// severity would be weighed as another one.
func (r *SavedReader) findingsReader(read readFunc) readFunc {
	return func(d *decoder, v reflect.Value) error {
		var list []savedFinding
		if err := read(d, reflect.ValueOf(&list).Elem()); err != nil || list == nil {
			return err
		}
		findings := make([]evidence.Finding, len(list))
		for i := range list {
			if err := r.resolve(&findings[i], &list[i]); err != nil {
				return inside(fmt.Sprintf("[%d]", i), err)
			}
		}
		*v.Addr().Interface().(*[]evidence.Finding) = findings
		return nil
	}
}

// resolve makes a finding of what a file says and what that points at.
func (r *SavedReader) resolve(f *evidence.Finding, saved *savedFinding) error {
	at := saved.Advisory
	if at == nil || *at < 0 || *at >= len(r.advisories) {
		return fmt.Errorf("its advisory is not one of the %d that the file holds before the images", len(r.advisories))
	}
	pkg, err := r.packageOf(saved)
	if err != nil {
		return err
	}
	*f = evidence.Finding(*r.advisories[*at])
	f.Package, f.FixedVersion, f.Status = *pkg, saved.FixedVersion, saved.Status
	return nil
}

func (r *SavedReader) packageOf(f *savedFinding) (*evidence.Package, error) {
	switch at := f.PackageAt; {
	case (at == nil) == (f.Package == nil):
		return nil, errors.New("it needs either package or packageAt")
	case at == nil:
		return f.Package, nil
	case *at < 0 || *at >= len(r.packages):
		return nil, fmt.Errorf("packageAt is not one of the %d packages that stand before the findings", len(r.packages))
	default:
		return &r.packages[*at], nil
	}
}
