package prove

import (
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate/strictjson"
)

const (
	// StatementType is the type of the statements that are written.
	StatementType = "https://in-toto.io/Statement/v1"
	// statementTypeOld is the type of statements of older build systems. BuildKit
	// writes it around provenance.
	statementTypeOld = "https://in-toto.io/Statement/v0.1"
	// PredicateSummary is the predicate type of a decision.
	PredicateSummary = "https://slsa.dev/verification_summary/v1"
	// PayloadType is the type of a statement within its envelope.
	PayloadType = "application/vnd.in-toto+json"
	// slsaVersion is the version of SLSA that defines the predicate.
	slsaVersion = "1.2"
)

// Results of a decision.
const (
	ResultPassed = "PASSED"
	ResultFailed = "FAILED"
)

// Bounds of a statement. Whoever may sign may be misled to sign anything.
const (
	maxSubjects = 1024
	maxInputs   = 1024
)

// Statement is an in-toto statement: a predicate about subjects.
type Statement struct {
	Type          string         `json:"_type"`
	Subject       []Resource     `json:"subject"`
	PredicateType string         `json:"predicateType"`
	Predicate     jsontext.Value `json:"predicate"`
}

// Resource is what a statement is about, or what it rests on.
type Resource struct {
	Name   string            `json:"name,omitempty"`
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest,omitempty"` // by algorithm, in hexadecimal
}

// Summary is the predicate of a decision: a SLSA verification summary, version 1.
type Summary struct {
	Party             VerifierID `json:"verifier"`
	TimeVerified      time.Time  `json:"timeVerified"`
	ResourceURI       string     `json:"resourceUri"`
	Policy            Resource   `json:"policy"`
	InputAttestations []Resource `json:"inputAttestations,omitempty"`
	Result            string     `json:"verificationResult"`
	Levels            []string   `json:"verifiedLevels"`
	SLSAVersion       string     `json:"slsaVersion,omitempty"`
}

// VerifierID says who decided.
type VerifierID struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version,omitempty"`
}

// ParseStatement reads a statement strictly: a document that two readers could
// understand differently is refused. Keys that in-toto does not define are ignored,
// as its specification asks.
func ParseStatement(payload []byte) (*Statement, error) {
	var s Statement
	if err := strictjson.Unmarshal(payload, &s, strictjson.AllowUnknownKeys()); err != nil {
		return nil, fmt.Errorf("the statement cannot be read: %w", err)
	}
	switch {
	case s.Type != StatementType && s.Type != statementTypeOld:
		return nil, fmt.Errorf("the type of the statement is %q, not %s", s.Type, StatementType)
	case s.PredicateType == "":
		return nil, errors.New("the statement has no predicateType")
	case len(s.Subject) == 0:
		return nil, errors.New("the statement has no subject")
	case len(s.Subject) > maxSubjects:
		return nil, fmt.Errorf("the statement has %d subjects, more than %d", len(s.Subject), maxSubjects)
	}
	for i := range s.Subject {
		if len(s.Subject[i].Digest) == 0 {
			return nil, fmt.Errorf("subject %d of the statement has no digest", i)
		}
	}
	return &s, nil
}

// About reports whether the digest, "sha256:HEX", is among the subjects.
func (s *Statement) About(digest string) bool {
	algorithm, hex, ok := strings.Cut(digest, ":")
	return ok && hex != "" && slices.ContainsFunc(s.Subject, func(r Resource) bool { return r.Digest[algorithm] == hex })
}

// Summary returns the predicate of a decision. It is an error if the statement has
// another predicate, or one from which no decision can be read.
func (s *Statement) Summary() (*Summary, error) {
	if s.PredicateType != PredicateSummary {
		return nil, fmt.Errorf("the statement is no decision: its predicate is %s", s.PredicateType)
	}
	var v Summary
	if err := strictjson.Unmarshal(s.Predicate, &v, strictjson.AllowUnknownKeys()); err != nil {
		return nil, fmt.Errorf("the verification summary cannot be read: %w", err)
	}
	return &v, v.check()
}

// check refuses what leaves open who decided what, when and by which policy.
func (v *Summary) check() error {
	switch {
	case v.Result != ResultPassed && v.Result != ResultFailed:
		return fmt.Errorf("the verificationResult is %q, neither %s nor %s", v.Result, ResultPassed, ResultFailed)
	case v.Party.ID == "":
		return errors.New("the verification summary does not say who decided: verifier.id is empty")
	case v.TimeVerified.Unix() <= 0:
		return errors.New("the verification summary has no timeVerified")
	case v.ResourceURI == "":
		return errors.New("the verification summary has no resourceUri")
	case len(v.InputAttestations) > maxInputs:
		return fmt.Errorf("the verification summary has %d inputAttestations, more than %d", len(v.InputAttestations), maxInputs)
	}
	return nil
}

// NewStatement returns the decision about one subject.
func NewStatement(subject Resource, v Summary) (*Statement, error) {
	v.SLSAVersion = slsaVersion
	v.TimeVerified = v.TimeVerified.UTC().Truncate(time.Second)
	if err := v.check(); err != nil {
		return nil, err
	}
	predicate, err := strictjson.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &Statement{Type: StatementType, Subject: []Resource{subject}, PredicateType: PredicateSummary, Predicate: predicate}, nil
}

// Payload returns the bytes to sign.
func (s *Statement) Payload() ([]byte, error) { return strictjson.Marshal(s) }
