package proof

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// Decider judges images by signed decisions. It implements [gate.Decider].
type Decider struct {
	// Repository opens a repository by name.
	Repository func(name string) (promote.Repository, error)
	Verifier   *prove.Verifier
	// Demand is what a decision must meet. Its resource is that of each image.
	Demand prove.Demand

	attached shared[*prove.Found] // by repository and digest
}

var _ gate.Decider = (*Decider)(nil)

// SignersOf are signers of a policy as the verifier of signatures reads them.
func SignersOf(all []policy.Signer) []prove.Signer {
	var out []prove.Signer
	for _, s := range all {
		one := prove.Signer{Name: s.Name, Identity: s.Identity, Issuer: s.Issuer}
		if s.Key != "" {
			one.Key = []byte(s.Key)
		}
		out = append(out, one)
	}
	return out
}

// DemandOf is what a policy demands of decisions.
func DemandOf(d policy.Decisions, now time.Time) prove.Demand {
	return prove.Demand{Verifier: d.Verifier, Policy: d.Policy, BasePolicy: d.BasePolicy, MaxAge: d.MaxAge, Now: now}
}

// Decide implements [gate.Decider]. A decision about the index is one about each of
// its platforms.
func (d *Decider) Decide(ctx context.Context, t *gate.Target) (policy.RuleResult, *evidence.Decision, error) {
	from, err := place(t.Image.Reference)
	if err != nil {
		return policy.RuleResult{}, nil, err
	}
	r := policy.RuleResult{Allowed: d.allowed(), Cure: "judge the image without --decision, or attach a decision about it: imagegate check --attest"}
	if from.Source != evidence.SourceRegistry || t.Image.Digest == "" {
		r.Message = from.Name + " is not in a registry, where decisions are attached"
		return r, nil, nil
	}
	demand := d.Demand
	demand.Resources = []string{prove.RepositoryURI(from.Name)}
	repo, err := d.Repository(from.Name)
	if err != nil {
		return policy.RuleResult{}, nil, err
	}
	var all []prove.Verified
	for _, digest := range []string{t.Image.Digest, t.Image.IndexDigest} {
		if digest == "" {
			continue
		}
		found, err := find(ctx, &d.attached, repo, digest)
		if err != nil {
			// What could not be read may be the newest decision.
			r.Message = short("what is attached cannot be read: " + err.Error())
			return r, nil, context.Cause(ctx)
		}
		verified, refused := d.Verifier.VerifyAll(found.Attachments, digest)
		all = append(all, verified...)
		r.Details = append(r.Details, reasons(refused)...)
	}
	newest, refused := prove.Decide(all, demand)
	r.Details = append(r.Details, reasons(refused)...)
	r.Result, r.Message = judged(newest, from.Name, demand.MaxAge)
	if newest == nil {
		return r, nil, nil
	}
	if r.Result == policy.ResultPass {
		r.Cure = ""
	}
	return r, &evidence.Decision{
		Time: newest.Summary.TimeVerified, Signers: []evidence.Signer{signerOf(&newest.Verified)}, From: newest.Attachment.Place,
		Policy: "sha256:" + newest.Summary.Policy.Digest["sha256"],
	}, nil
}

// judged says what the newest decision means.
func judged(newest *prove.Decision, repository string, maxAge time.Duration) (policy.Result, string) {
	if newest == nil {
		return policy.ResultUndecided, "there is no decision that counts about this image in " + repository
	}
	by := words.And(newest.Signers)
	if at := newest.Summary.TimeVerified; !at.IsZero() {
		by += " on " + at.UTC().Format("2006-01-02 15:04 UTC")
	}
	switch {
	case newest.Expired:
		return policy.ResultUndecided, fmt.Sprintf("the newest decision, by %s, is longer ago than %s", by, words.Duration(maxAge))
	case newest.Refused != nil:
		return policy.ResultUndecided, fmt.Sprintf("the newest decision, by %s, does not count: %s", by, short(newest.Refused.Err.Error()))
	case newest.Failed():
		return policy.ResultFail, fmt.Sprintf("the newest decision, by %s, is that the image may not ship", by)
	case newest.Passed():
		return policy.ResultPass, fmt.Sprintf("the newest decision, by %s, is that the image may ship", by)
	}
	return policy.ResultUndecided, "the newest decision, by " + by + ", cannot be read"
}

// allowed says what is asked of a decision.
func (d *Decider) allowed() string {
	parts := []string{"a decision that the image may ship"}
	if d.Demand.Verifier != "" {
		parts = append(parts, "by "+d.Demand.Verifier)
	}
	if d.Demand.Policy != "" {
		parts = append(parts, "under the policy "+d.Demand.Policy)
	}
	if d.Demand.BasePolicy != "" {
		parts = append(parts, "under a policy that builds on "+d.Demand.BasePolicy)
	}
	return strings.Join(append(parts, "at most "+words.Duration(d.Demand.MaxAge)+" old"), ", ")
}

func reasons(refused []prove.Refusal) []string {
	var out []string
	for i := range refused[:min(len(refused), maxListed)] {
		out = append(out, short(refused[i].Error()))
	}
	return out
}
