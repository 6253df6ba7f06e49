package prove

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// PredicateEvidence is the predicate type of a seal: a statement about a file of
// evidence.
const PredicateEvidence = "https://github.com/imagegate/imagegate/evidence/v1"

// Sealed is the predicate of a seal.
type Sealed struct {
	Tool string    `json:"tool"` // that collected the evidence
	Time time.Time `json:"time"` // when the run began that collected it
}

// NewSeal returns the statement that a file of evidence, by its digest sha256:HEX, is
// what a run has collected.
func NewSeal(name, digest string, s Sealed) (*Statement, error) {
	hash, ok := strings.CutPrefix(digest, "sha256:")
	if !ok {
		return nil, fmt.Errorf("%q is no digest", digest)
	}
	s.Time = s.Time.UTC().Truncate(time.Second)
	predicate, err := strictjson.Marshal(s)
	if err != nil {
		return nil, err
	}
	return &Statement{
		Type: StatementType, Subject: []Resource{{Name: name, Digest: map[string]string{"sha256": hash}}},
		PredicateType: PredicateEvidence, Predicate: predicate,
	}, nil
}

// Seal returns the predicate of a seal. A decision about an image is no seal, though
// the same signer may have made both.
func (s *Statement) Seal() (*Sealed, error) {
	if s == nil || s.PredicateType != PredicateEvidence {
		return nil, errors.New("it is no seal of evidence")
	}
	var out Sealed
	if err := strictjson.Unmarshal(s.Predicate, &out, strictjson.AllowUnknownKeys()); err != nil {
		return nil, fmt.Errorf("the seal cannot be read: %w", err)
	}
	return &out, nil
}
