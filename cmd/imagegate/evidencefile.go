package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/policy/evidence"
)

// maxEvidence bounds a file of saved evidence.
const maxEvidence = 1 << 30

// evidenceFile is the form in which evidence is saved.
type evidenceFile struct {
	SchemaVersion int              `json:"schemaVersion"`
	Images        []evidence.Image `json:"images"`
	// Missing are the images that were asked for and could not be seen. They
	// have no verdict when the file is judged: else a file that lost its worst
	// image would pass.
	Missing []missingImage `json:"missing,omitempty"`
}

type missingImage struct {
	Reference string `json:"reference"`
	Platform  string `json:"platform,omitempty"`
	Reason    string `json:"reason"`
}

// saveEvidence writes what results were judged by.
func saveEvidence(path string, results []gate.Result) error {
	file := evidenceFile{SchemaVersion: evidence.SchemaVersion, Images: []evidence.Image{}}
	for i := range results {
		r := &results[i]
		switch {
		case r.Err == nil && r.Evidence != nil:
			file.Images = append(file.Images, *r.Evidence)
		default:
			file.Missing = append(file.Missing, missing(r))
		}
	}
	return report.WriteFile(path, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", " ")
		return enc.Encode(file)
	})
}

func missing(r *gate.Result) missingImage {
	m := missingImage{Reference: r.Ref, Reason: "nothing was collected"}
	if r.Evidence != nil {
		m.Platform = r.Evidence.Platform
	}
	if r.Err != nil {
		m.Reason = r.Err.Error()
	}
	return m
}

// readEvidence reads a file of saved evidence strictly: what this version does
// not understand could be what a newer one refuses images for.
func readEvidence(path string) (*evidenceFile, error) {
	data, err := readFileUpTo(path, maxEvidence)
	if err != nil {
		return nil, fmt.Errorf("read evidence: %w", err)
	}
	file, err := parseEvidence(data)
	if err != nil {
		return nil, fmt.Errorf("read evidence %s: %w", path, err)
	}
	return file, nil
}

func parseEvidence(data []byte) (*evidenceFile, error) {
	var head struct {
		SchemaVersion *int `json:"schemaVersion"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("it is not JSON as imagegate check --evidence writes it: %w", err)
	}
	switch {
	case head.SchemaVersion == nil:
		return nil, errors.New("it has no schemaVersion: imagegate check --evidence writes files that can be read here")
	case *head.SchemaVersion != evidence.SchemaVersion:
		return nil, fmt.Errorf("it has schemaVersion %d and this imagegate reads only %d: collect the evidence again with this version",
			*head.SchemaVersion, evidence.SchemaVersion)
	}
	file := new(evidenceFile)
	if err := decodeStrictly(data, file); err != nil {
		return nil, err
	}
	for i := range file.Images {
		if err := completeImage(&file.Images[i]); err != nil {
			return nil, fmt.Errorf("image %d: %w", i+1, err)
		}
	}
	if len(file.Images)+len(file.Missing) == 0 {
		return nil, errors.New("it holds no image")
	}
	return file, nil
}

// completeImage checks what any evidence has, whatever the policy asks for.
func completeImage(img *evidence.Image) error {
	switch {
	case img.SchemaVersion != evidence.SchemaVersion:
		return fmt.Errorf("it has schemaVersion %d and this imagegate reads only %d", img.SchemaVersion, evidence.SchemaVersion)
	case img.Reference.Asked == "" || img.Reference.Source == "":
		return errors.New("it has no reference")
	case img.Digest == "":
		return errors.New("it has no digest")
	}
	return nil
}

// results turns the images that were never seen into results.
func (f *evidenceFile) missingResults() []gate.Result {
	var results []gate.Result
	for _, m := range f.Missing {
		err := &gate.Fault{
			Phase: gate.PhaseEvaluate,
			Err:   fmt.Errorf("the evidence is missing: %s", m.Reason),
			Hint:  "collect the evidence again with imagegate check --evidence",
		}
		results = append(results, gate.Result{Ref: m.Reference, Err: err})
	}
	return results
}

// decodeStrictly decodes one JSON document into v, a pointer to a struct, and
// refuses what encoding/json overlooks: unknown keys, keys that differ from a
// field's in case, keys that stand twice, and anything after the document.
func decodeStrictly(data []byte, v any) error {
	if err := checkKeys(data, v); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON document")
	}
	return nil
}
