package gate

import (
	"context"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// prove collects signatures, attestations and the base image if the policy asks for
// them, and the signed decision if that takes the place of a scan.
func (r *run) prove(ctx context.Context, ref string, t *Target) (*evidence.Proof, *policy.RuleResult, error) {
	need := r.gate.Policy.ProofNeedFor(t.Image.Reference)
	if !need.Any() && r.gate.Decider == nil {
		return nil, nil, nil
	}
	if need.Any() && r.gate.Prover == nil {
		return nil, nil, internal(PhaseProve, "the policy asks for signatures and the gate has nothing that reads them")
	}
	if err := acquire(ctx, r.network); err != nil {
		return nil, nil, fault(ctx, PhaseProve, err)
	}
	defer release(r.network)
	r.observe(Event{Image: ref, Platform: t.Image.Platform, Phase: PhaseProve})
	var proof *evidence.Proof
	var err error
	if need.Any() {
		if proof, err = r.gate.Prover.Prove(ctx, t, need); err == nil && proof == nil {
			err = internal(PhaseProve, "neither a proof nor an error was returned")
		}
	}
	if err != nil || r.gate.Decider == nil {
		return proof, nil, r.unproven(ctx, err)
	}
	answer, decision, err := r.gate.Decider.Decide(ctx, t)
	if proof == nil {
		proof = &evidence.Proof{Repository: t.Image.Reference.Name}
	}
	proof.Decision = decision
	return proof, &answer, r.unproven(ctx, err)
}

func (r *run) unproven(ctx context.Context, err error) error {
	if err = stopped(ctx, err); err != nil {
		return fault(ctx, PhaseProve, err)
	}
	return nil
}
