package gate

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
)

// The forms of a file of evidence. In the first, every finding carries the
// texts of its advisory. In the second these stand once for the whole file, in
// "advisories"; a finding names its advisory and its package by their place in
// "advisories" and in the "packages" of its scan, counted from 0.
const (
	fileVersionFull = 1
	fileVersion     = 2
)

// savedAdvisory is what a finding says that is not about the package. The
// fields that are hide those of the finding.
type savedAdvisory struct {
	evidence.Finding
	Package      *struct{} `json:"package,omitempty"`
	FixedVersion *struct{} `json:"fixedVersion,omitempty"`
	Status       *struct{} `json:"status,omitempty"`
}

// savedFinding is the rest of a finding. Package is nil when PackageAt tells it.
type savedFinding struct {
	Advisory     *int              `json:"advisory"`
	PackageAt    *int              `json:"packageAt,omitempty"`
	Package      *evidence.Package `json:"package,omitempty"`
	FixedVersion string            `json:"fixedVersion,omitempty"`
	Status       string            `json:"status,omitempty"`
}

type savedImage struct {
	*evidence.Image
	Scan *savedScan `json:"scan,omitempty"`
}

// savedScan ends with the findings: they point at the packages before them.
type savedScan struct {
	*evidence.Scan
	Findings []savedFinding `json:"findings,omitzero"`
}

// Write writes the evidence as JSON, in the form that [ParseSaved] reads: one
// advisory and one image on each line.
func (s *Saved) Write(w io.Writer) error {
	t := &advisoryTable{places: map[string]int{}}
	images := make([]savedImage, len(s.Images))
	for i := range s.Images {
		var err error
		if images[i], err = t.image(&s.Images[i]); err != nil {
			return err
		}
	}
	e := &lineWriter{w: w}
	e.raw(`{"schemaVersion":2,` + "\n" + `"advisories":[`)
	for i, a := range t.advisories {
		e.raw(separator(i) + a)
	}
	e.raw("],\n" + `"images":[`)
	for i := range images {
		e.raw(separator(i))
		e.value(images[i])
	}
	e.raw("]")
	if len(s.Missing) > 0 {
		e.raw(",\n" + `"missing":`)
		e.value(s.Missing)
	}
	e.raw("}\n")
	return e.err
}

func separator(i int) string {
	if i == 0 {
		return "\n"
	}
	return ",\n"
}

// advisoryTable collects advisories, each once. What is equal is decided by all
// that is written and not by the id: two feeds can describe one id differently.
type advisoryTable struct {
	places     map[string]int
	advisories []string
}

func (t *advisoryTable) image(img *evidence.Image) (savedImage, error) {
	if img.Scan == nil {
		return savedImage{Image: img}, nil
	}
	packages := make(map[evidence.Package]int, len(img.Scan.Packages))
	for i, p := range img.Scan.Packages {
		packages[p] = i
	}
	scan := &savedScan{Scan: img.Scan}
	if img.Scan.Findings != nil {
		scan.Findings = make([]savedFinding, len(img.Scan.Findings))
	}
	for i := range scan.Findings {
		f := &img.Scan.Findings[i]
		place, err := t.place(f)
		if err != nil {
			return savedImage{}, err
		}
		saved := savedFinding{Advisory: &place, FixedVersion: f.FixedVersion, Status: f.Status}
		if at, ok := packages[f.Package]; ok {
			saved.PackageAt = &at
		} else {
			saved.Package = &f.Package
		}
		scan.Findings[i] = saved
	}
	return savedImage{Image: img, Scan: scan}, nil
}

func (t *advisoryTable) place(f *evidence.Finding) (int, error) {
	b, err := encode(savedAdvisory{Finding: *f})
	if err != nil {
		return 0, err
	}
	place, ok := t.places[b]
	if !ok {
		place = len(t.advisories)
		t.advisories = append(t.advisories, b)
		t.places[b] = place
	}
	return place, nil
}

// encode encodes v on one line. Every purl has an & in it, which reads better
// and faster without an escape.
func encode(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// lineWriter writes parts of a JSON document and keeps the first error.
type lineWriter struct {
	w   io.Writer
	err error
}

func (e *lineWriter) raw(s string) {
	if e.err == nil {
		_, e.err = io.WriteString(e.w, s)
	}
}

func (e *lineWriter) value(v any) {
	text, err := encode(v)
	if err != nil && e.err == nil {
		e.err = err
	}
	e.raw(text)
}
