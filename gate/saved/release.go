package saved

import (
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Release is what the documents of a run say, and which images were named by
// themselves as well.
type Release struct {
	Documents evidence.Release `json:"documents"`
	Alone     []string         `json:"alone"`
}

// releaseOf returns what is saved of a run with documents, nil for one without.
func releaseOf(run *gate.Run) *Release {
	if run.Release == nil || run.Release.Evidence == nil {
		return nil
	}
	r := &Release{Documents: *run.Release.Evidence, Alone: run.Release.Alone}
	if r.Alone == nil {
		r.Alone = []string{}
	}
	return r
}

// readRelease reads the documents. They are in front of the images, so that a reader
// of the images knows that these are judged together.
func (f *file) readRelease() error {
	if f.images > 0 {
		return f.json.Errorf("release must come before images")
	}
	if f.release != nil {
		return f.json.Errorf("release is written twice")
	}
	var r Release
	if err := f.json.Decode(&r); err != nil {
		return err
	}
	if r.Documents.SchemaVersion != evidence.SchemaVersion {
		return wrongVersion(f.json, r.Documents.SchemaVersion, evidence.SchemaVersion)
	}
	f.release = &r
	if f.reader.OnRelease == nil {
		return nil
	}
	return f.reader.OnRelease(&r)
}
