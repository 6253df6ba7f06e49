// Package saved keeps evidence in files, to be judged again later.
//
// A file is one JSON object with the keys schemaVersion, advisories, vex, release,
// images and missing, in this order; vex is there when the policy named VEX documents,
// and release when documents were judged. What findings say about a vulnerability is in
// advisories, and VEX documents are in vex, once for the whole file. A finding names its
// advisory by its place there and its package by its place in the packages of the scan,
// and an image names VEX documents by their places, all counted from 0.
package saved

import (
	"fmt"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/findings"
	"github.com/imagegate/imagegate/policy/evidence"
)

// version is the version of the form of files. The first form repeated the texts
// of an advisory in every finding.
const version = 2

// Missing is an image that was asked for and could not be seen. It has no
// verdict when the file is judged: a file that lost its worst image must not pass.
type Missing struct {
	Reference string `json:"reference"`
	Platform  string `json:"platform,omitempty"`
	Reason    string `json:"reason"`
}

// Result returns the result of judging the image: no verdict.
func (m *Missing) Result() gate.Result {
	return gate.Result{Ref: m.Reference, Err: &gate.Fault{
		Phase: gate.PhaseEvaluate,
		Err:   fmt.Errorf("the evidence is missing: %s", m.Reason),
		Hint:  "collect the evidence again with imagegate check --evidence",
	}}
}

func missing(r *gate.Result) Missing {
	m := Missing{Reference: r.Ref, Reason: "nothing was collected"}
	if r.Evidence != nil {
		m.Platform = r.Evidence.Platform
	}
	if r.Err != nil {
		m.Reason = r.Err.Error()
	}
	return m
}

// The types below are what a file holds. Their own fields hide those of the
// embedded type with the same key.
type (
	image struct {
		evidence.Image
		Scan  *scan `json:"scan,omitempty"`
		VEXAt []int `json:"vex,omitempty"`
	}
	scan struct {
		evidence.Scan
		Findings []findings.Finding `json:"findings,omitzero"`
	}
)
