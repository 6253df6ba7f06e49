package saved

import (
	"io"

	"github.com/imagegate/imagegate/gate/findings"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Reader reads files of saved evidence. It decodes an advisory that is in many
// files once, so what it returns shares memory and must not be changed. It
// serves one goroutine.
type Reader struct {
	// OnRelease is called with the documents of a file, before its images. It may be
	// nil: then the images are read as if they had been named by themselves.
	OnRelease func(*Release) error

	known findings.Known
}

// NewReader returns a reader.
func NewReader() *Reader { return new(Reader) }

// Read reads one file from src. It calls visit for each image, as soon as it has
// read the image, and returns the images that are missing. What a newer imagegate
// could refuse an image for must not be overlooked, so everything that this
// version does not know is an error. After an error the file as a whole is no
// evidence, including the images that visit has seen.
func (r *Reader) Read(src io.Reader, visit func(*evidence.Image) error) ([]Missing, error) {
	f := &file{reader: r, json: strictjson.NewDecoder(src), visit: visit}
	if err := f.json.Object(f.member); err != nil {
		return nil, err
	}
	if f.version == 0 {
		return nil, noVersion(f.json)
	}
	if err := f.json.End(); err != nil {
		return nil, err
	}
	if f.images+len(f.missing) == 0 && f.release == nil {
		return nil, f.json.Errorf("the file has no image")
	}
	return f.missing, nil
}

// file is a file that is being read.
type file struct {
	reader     *Reader
	json       *strictjson.Decoder
	visit      func(*evidence.Image) error
	version    int
	advisories []*evidence.Advisory
	images     int
	missing    []Missing
	release    *Release
	vex        []evidence.VEXDocument
}

// member reads the value of a key of the file.
func (f *file) member(key string) error {
	switch {
	case key == "schemaVersion":
		return f.readVersion()
	case f.version == 0:
		return noVersion(f.json)
	case key == "advisories" && f.images > 0:
		return f.json.Errorf("advisories must come before images")
	case key == "advisories":
		return f.json.Array(f.readAdvisory)
	case key == "vex" && f.images > 0:
		return f.json.Errorf("vex must come before images")
	case key == "vex":
		return f.json.Array(f.readVEX)
	case key == "release":
		return f.readRelease()
	case key == "images":
		return f.json.Array(f.readImage)
	case key == "missing":
		return f.json.Decode(&f.missing)
	}
	return f.json.Errorf("unknown key %q", key)
}

func noVersion(d *strictjson.Decoder) error {
	return d.Errorf("the file does not begin with schemaVersion: is it a file that imagegate check --evidence wrote?")
}

func (f *file) readVersion() error {
	if err := f.json.Decode(&f.version); err != nil {
		return err
	}
	if f.version != version {
		return wrongVersion(f.json, f.version, version)
	}
	return nil
}

func wrongVersion(d *strictjson.Decoder, got, want int) error {
	return d.Errorf("schemaVersion is %d, and this imagegate reads only %d: collect the evidence again with this version", got, want)
}

func (f *file) readAdvisory() error {
	value, err := f.json.Value()
	if err != nil {
		return err
	}
	if value.Kind() != '{' {
		return f.json.Errorf("an advisory must be an object")
	}
	a, err := f.reader.known.Advisory(value, f.json.DecodeValue)
	if err != nil {
		return err
	}
	f.advisories = append(f.advisories, a)
	return nil
}

// readImage reads an image.
func (f *file) readImage() error {
	var saved image
	if err := f.json.Decode(&saved); err != nil {
		return err
	}
	img := &saved.Image
	switch {
	case img.SchemaVersion != evidence.SchemaVersion:
		return wrongVersion(f.json, img.SchemaVersion, evidence.SchemaVersion)
	case img.Reference.Asked == "" || img.Reference.Source == "":
		return f.json.Errorf("the image has no reference")
	case img.ID() == "":
		return f.json.Errorf("the image has no digest")
	}
	if saved.Scan != nil {
		img.Scan = &saved.Scan.Scan
		var err error
		if img.Scan.Findings, err = findings.Resolve(saved.Scan.Findings, f.advisories, img.Scan.Packages); err != nil {
			return f.json.Errorf("scan.%v", err)
		}
	}
	for _, at := range saved.VEXAt {
		if at < 0 || at >= len(f.vex) {
			return f.json.Errorf("vex of the image: %d is not one of the %d documents that the file has before the images", at, len(f.vex))
		}
		img.VEX = append(img.VEX, f.vex[at])
	}
	f.images++
	return f.visit(img)
}

// maxVEX bounds how many VEX documents a file has. A policy names at most 50, and many
// images may be judged by several.
const maxVEX = 1000

// readVEX reads a VEX document. Whether it is the one that a policy names is compared
// when an image is judged.
func (f *file) readVEX() error {
	var d evidence.VEXDocument
	if err := f.json.Decode(&d); err != nil {
		return err
	}
	switch {
	case d.SHA256 == "" || d.Content == "":
		return f.json.Errorf("a VEX document without sha256 or content")
	case len(f.vex) == maxVEX:
		return f.json.Errorf("more than %d VEX documents", maxVEX)
	}
	f.vex = append(f.vex, d)
	return nil
}
