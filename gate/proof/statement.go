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

// readApproval reads the predicate of an approval.
func readApproval(s *prove.Statement) (*evidence.Approval, error) {
	var p struct {
		Policy struct {
			Digest map[string]string `json:"digest"`
		} `json:"policy"`
		Reason string `json:"reason"`
	}
	if err := strictjson.Unmarshal(s.Predicate, &p, strictjson.AllowUnknownKeys()); err != nil {
		return nil, fmt.Errorf("the approval cannot be read: %w", err)
	}
	hash := p.Policy.Digest["sha256"]
	if len(hash) != 64 || strings.Trim(hash, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("the approval names no policy: policy.digest.sha256 is %s", words.Quote(words.Clip(hash, 70)))
	}
	return &evidence.Approval{Policy: "sha256:" + hash, Reason: short(p.Reason)}, nil
}
