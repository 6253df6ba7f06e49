package gate

import (
	"errors"
	"fmt"

	"github.com/imagegate/imagegate/policy/evidence"
)

// Saved is evidence as it is kept in a file, to be judged again later.
type Saved struct {
	// SchemaVersion is that of the file it was read from. [Saved.Write] writes
	// the newest form, whatever stands here.
	SchemaVersion int              `json:"schemaVersion"`
	Images        []evidence.Image `json:"images"`
	// Missing are the images that were asked for and could not be seen. They
	// have no verdict when the file is judged: else a file that lost its worst
	// image would pass.
	Missing []SavedMissing `json:"missing,omitempty"`
}

// SavedMissing is an image without evidence.
type SavedMissing struct {
	Reference string `json:"reference"`
	Platform  string `json:"platform,omitempty"`
	Reason    string `json:"reason"`
}

// Save collects what results were judged by.
func Save(results []Result) *Saved {
	s := &Saved{SchemaVersion: fileVersion, Images: []evidence.Image{}}
	for i := range results {
		r := &results[i]
		if r.Err == nil && r.Evidence != nil {
			s.Images = append(s.Images, *r.Evidence)
			continue
		}
		s.Missing = append(s.Missing, missing(r))
	}
	return s
}

func missing(r *Result) SavedMissing {
	m := SavedMissing{Reference: r.Ref, Reason: "nothing was collected"}
	if r.Evidence != nil {
		m.Platform = r.Evidence.Platform
	}
	if r.Err != nil {
		m.Reason = r.Err.Error()
	}
	return m
}

// Results returns the images that were never seen, as results without verdict.
func (s *Saved) Results() []Result {
	var results []Result
	for _, m := range s.Missing {
		results = append(results, Result{Ref: m.Reference, Err: &Fault{
			Phase: PhaseEvaluate,
			Err:   fmt.Errorf("the evidence is missing: %s", m.Reason),
			Hint:  "collect the evidence again with imagegate check --evidence",
		}})
	}
	return results
}

// complete checks what any file of evidence has.
func (s *Saved) complete() error {
	for i := range s.Images {
		if err := completeImage(&s.Images[i]); err != nil {
			return fmt.Errorf("image %d: %w", i+1, err)
		}
	}
	if len(s.Images)+len(s.Missing) == 0 {
		return errors.New("it holds no image")
	}
	return nil
}

// completeImage checks what any evidence has, whatever the policy asks for.
func completeImage(img *evidence.Image) error {
	switch {
	case img.SchemaVersion != evidence.SchemaVersion:
		return fmt.Errorf("it has schemaVersion %d and this imagegate reads only %d: collect the evidence again with this version",
			img.SchemaVersion, evidence.SchemaVersion)
	case img.Reference.Asked == "" || img.Reference.Source == "":
		return errors.New("it has no reference")
	case img.Digest == "":
		return errors.New("it has no digest")
	}
	return nil
}

func wrongVersion(got int) error {
	return fmt.Errorf("it has schemaVersion %d and this imagegate reads only %d and %d: collect the evidence again with this version",
		got, fileVersionFull, fileVersion)
}
