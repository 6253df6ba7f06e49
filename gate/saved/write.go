package saved

import (
	"fmt"
	"io"
	"slices"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/findings"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

// WriteRun writes what the results of a run were judged by, and its documents, as
// [Reader.Read] reads it: one advisory and one image on each line. There is no
// function for the results alone: a file without the documents of its run would pass
// where the run did not.
func WriteRun(w io.Writer, run *gate.Run) error {
	results := run.Results
	t := new(table)
	images, lost := []image{}, []Missing{}
	for i := range results {
		r := &results[i]
		if r.Err != nil || r.Evidence == nil {
			lost = append(lost, missing(r))
			continue
		}
		img, err := t.image(r.Evidence)
		if err != nil {
			return err
		}
		images = append(images, img)
	}
	f := &fileWriter{w: w}
	f.printf(`{"schemaVersion":%d`, version)
	writeList(f, "advisories", t.Advisories)
	if len(t.vex) > 0 {
		writeList(f, "vex", t.vex)
	}
	if r := releaseOf(run); r != nil {
		writeValue(f, "release", r)
	}
	writeList(f, "images", images)
	if len(lost) > 0 {
		writeList(f, "missing", lost)
	}
	f.printf("}\n")
	return f.err
}

// fileWriter keeps the first error.
type fileWriter struct {
	w   io.Writer
	err error
}

func (f *fileWriter) printf(format string, args ...any) {
	if f.err == nil {
		_, f.err = fmt.Fprintf(f.w, format, args...)
	}
}

func writeValue[T any](f *fileWriter, key string, value *T) {
	b, err := strictjson.Marshal(value)
	if err != nil && f.err == nil {
		f.err = err
	}
	f.printf(",\n%q:%s", key, b)
}

func writeList[T any](f *fileWriter, key string, list []T) {
	f.printf(",\n%q:[", key)
	separator := "\n"
	for i := range list {
		b, err := strictjson.Marshal(&list[i])
		if err != nil && f.err == nil {
			f.err = err
		}
		f.printf("%s%s", separator, b)
		separator = ",\n"
	}
	f.printf("]")
}

// table collects what the images of a file name by its place.
type table struct {
	findings.Table
	vex []evidence.VEXDocument
}

func (t *table) image(img *evidence.Image) (image, error) {
	documents := t.documents(img)
	if img.Scan == nil {
		return image{Image: *img, VEXAt: documents}, nil
	}
	list, err := t.Refer(img.Scan.Findings, img.Scan.Packages)
	if err != nil {
		return image{}, err
	}
	s := &scan{Scan: *img.Scan, Findings: list}
	return image{Image: *img, Scan: s, VEXAt: documents}, nil
}

// documents returns the places of the VEX documents of an image, which it adds when they
// are new. Those of the images of a run are the same.
func (t *table) documents(img *evidence.Image) []int {
	var out []int
	for i := range img.VEX {
		d := &img.VEX[i]
		at := slices.IndexFunc(t.vex, func(o evidence.VEXDocument) bool {
			return o.Path == d.Path && o.SHA256 == d.SHA256 && slices.Equal(o.Signers, d.Signers)
		})
		if at < 0 {
			at, t.vex = len(t.vex), append(t.vex, *d)
		}
		out = append(out, at)
	}
	return out
}
