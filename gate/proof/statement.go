package proof

import (
	"fmt"
	"strings"

	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// maxText bounds foreign texts in the evidence.
const maxText = 500

// short bounds foreign text.
func short(s string) string { return words.Clip(s, maxText) }

// statement adds a statement, with what its predicate says.
func (w *work) statement(s *prove.Statement, out evidence.Statement) {
	out.PredicateType = short(s.PredicateType)
	var err error
	switch s.PredicateType {
	case policy.ProvenanceV02, policy.ProvenanceV1:
		var d *dependencies
		if out.Provenance, d, err = readProvenance(s); err == nil {
			w.fromDependencies(d, out.From)
		}
	case policy.ApprovalType:
		out.Approval, err = readApproval(s)
	}
	if err != nil {
		out.Problem = short(err.Error())
	}
	w.proof.Statements = append(w.proof.Statements, out)
}

// approval is the predicate of an approval.
type approval struct {
	Policy struct {
		Digest map[string]string `json:"digest"`
	} `json:"policy"`
	Reason string `json:"reason,omitempty"`
}

// Approval is the statement that a person approves the image with a digest under the
// policy with a digest.
func Approval(repository, image, policyDigest, reason string) (*prove.Statement, error) {
	var a approval
	a.Reason = short(reason)
	algorithm, hash, _ := strings.Cut(policyDigest, ":")
	a.Policy.Digest = map[string]string{algorithm: hash}
	predicate, err := strictjson.Marshal(a)
	if err != nil {
		return nil, err
	}
	algorithm, hash, _ = strings.Cut(image, ":")
	s := &prove.Statement{
		Type: prove.StatementType, PredicateType: policy.ApprovalType, Predicate: predicate,
		Subject: []prove.Resource{{Name: repository, Digest: map[string]string{algorithm: hash}}},
	}
	_, err = readApproval(s)
	return s, err
}

// readApproval reads the predicate of an approval.
func readApproval(s *prove.Statement) (*evidence.Approval, error) {
	var p approval
	if err := strictjson.Unmarshal(s.Predicate, &p, strictjson.AllowUnknownKeys()); err != nil {
		return nil, fmt.Errorf("the approval cannot be read: %w", err)
	}
	hash := p.Policy.Digest["sha256"]
	if len(hash) != 64 || strings.Trim(hash, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("the approval names no policy: policy.digest.sha256 is %s", words.Quote(words.Clip(hash, 70)))
	}
	return &evidence.Approval{Policy: "sha256:" + hash, Reason: short(p.Reason)}, nil
}
