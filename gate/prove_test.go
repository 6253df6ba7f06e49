package gate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// signed asks for a signature of one person.
const signed = "version: 1\nextends: none\ntrust: [{name: a, identity: a@example.no, issuer: \"https://login.example.no\", for: [signature]}]\nsignatures: {require: [a]}\n"

type proverFunc func(ctx context.Context, t *gate.Target, need evidence.ProofNeed) (*evidence.Proof, error)

func (f proverFunc) Prove(ctx context.Context, t *gate.Target, need evidence.ProofNeed) (*evidence.Proof, error) {
	return f(ctx, t, need)
}

type deciderFunc func(ctx context.Context, t *gate.Target) (policy.RuleResult, *evidence.Decision, error)

func (f deciderFunc) Decide(ctx context.Context, t *gate.Target) (policy.RuleResult, *evidence.Decision, error) {
	return f(ctx, t)
}

// signedBy finds signatures of a person on every image.
func signedBy(person string) proverFunc {
	return func(_ context.Context, t *gate.Target, need evidence.ProofNeed) (*evidence.Proof, error) {
		p := &evidence.Proof{Attached: need.Attached, Root: &evidence.TrustedRoot{}}
		for _, s := range need.Signers {
			p.Asked = append(p.Asked, evidence.Signer{Identity: s.Identity, Issuer: s.Issuer})
		}
		by := evidence.Signer{Identity: person, Issuer: "https://login.example.no"}
		p.Signatures = []evidence.Signature{{Subject: t.Image.Digest, Signers: []evidence.Signer{by}}}
		return p, nil
	}
}

// Signatures are collected when the policy asks for them, and only then. Whatever
// keeps them from being collected is no pass.
func TestProofsAreCollectedOnDemand(t *testing.T) {
	broken := proverFunc(func(context.Context, *gate.Target, evidence.ProofNeed) (*evidence.Proof, error) {
		return nil, errors.New("broken")
	})
	nothing := proverFunc(func(context.Context, *gate.Target, evidence.ProofNeed) (*evidence.Proof, error) { return nil, nil })
	panics := proverFunc(func(context.Context, *gate.Target, evidence.ProofNeed) (*evidence.Proof, error) { panic("no") })
	for name, c := range map[string]struct {
		policy string
		prover gate.Prover
		want   policy.Decision
		say    string
	}{
		"signed":             {signed, signedBy("a@example.no"), policy.Passed, ""},
		"signed by another":  {signed, signedBy("b@example.no"), policy.Denied, ""},
		"not asked for":      {namesOnly, broken, policy.Passed, ""},
		"without a prover":   {signed, nil, policy.Undecided, "nothing that reads them"},
		"an error":           {signed, broken, policy.Undecided, "broken"},
		"neither of the two": {signed, nothing, policy.Undecided, "internal error"},
		"a panic":            {signed, panics, policy.Undecided, "panic"},
	} {
		g := &gate.Gate{Policy: parse(t, c.policy), Resolver: resolveTo("linux/amd64"), Prover: c.prover}
		r := g.Check(context.Background(), []string{"app:1"})
		if len(r) != 1 || r[0].Decision() != c.want || c.say != "" && (r[0].Err == nil || !strings.Contains(r[0].Err.Error(), c.say)) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A signed decision takes the place of the layers, which are not read.
func TestDecisionInsteadOfScan(t *testing.T) {
	for name, c := range map[string]struct {
		result policy.RuleResult
		err    error
		want   policy.Decision
	}{
		"passed":   {policy.RuleResult{Result: policy.ResultPass}, nil, policy.Passed},
		"failed":   {policy.RuleResult{Result: policy.ResultFail}, nil, policy.Denied},
		"none":     {policy.RuleResult{}, nil, policy.Undecided},
		"an error": {policy.RuleResult{Result: policy.ResultPass}, errors.New("broken"), policy.Undecided},
	} {
		scanned := 0
		g := &gate.Gate{
			Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64", "linux/arm64"),
			Scanner: scannerFunc(func(ctx context.Context, tgt *gate.Target, need evidence.Need) (*evidence.Scan, error) {
				scanned++
				return scanAs(1000)(ctx, tgt, need)
			}),
			Decider: deciderFunc(func(context.Context, *gate.Target) (policy.RuleResult, *evidence.Decision, error) {
				return c.result, &evidence.Decision{From: "x"}, c.err
			}),
			Now: func() time.Time { return time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC) },
		}
		results := g.Check(context.Background(), []string{"app:1"})
		for _, r := range append(results, g.Rejudge(context.Background(), results)...) {
			if r.Decision() != c.want || scanned > 0 {
				t.Errorf("%s: %s, %d scans: %+v", name, r.Decision(), scanned, r)
			}
			if c.err == nil && (r.Evidence.Proof == nil || r.Evidence.Proof.Decision == nil) {
				t.Errorf("%s: the evidence does not say that it rests on a decision", name)
			}
		}
	}
}

// What keeps signatures from being read is told, also where a decision takes the place
// of the layers.
func TestErrorsOfProofsBesideADecision(t *testing.T) {
	g := &gate.Gate{
		Policy: parse(t, signed), Resolver: resolveTo("linux/amd64"),
		Prover: proverFunc(func(context.Context, *gate.Target, evidence.ProofNeed) (*evidence.Proof, error) {
			return nil, errors.New("broken")
		}),
		Decider: deciderFunc(func(context.Context, *gate.Target) (policy.RuleResult, *evidence.Decision, error) {
			return policy.RuleResult{Result: policy.ResultPass}, &evidence.Decision{}, nil
		}),
	}
	r := g.Check(context.Background(), []string{"app:1"})
	if len(r) != 1 || r[0].Err == nil || !strings.Contains(r[0].Err.Error(), "broken") {
		t.Errorf("%+v", r)
	}
}
