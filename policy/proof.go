package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// ProofNeedFor returns what has to be collected of signatures, attestations and
// base images to judge this image.
func (p *Policy) ProofNeedFor(ref evidence.Reference) evidence.ProofNeed {
	var n evidence.ProofNeed
	for _, state := range p.states(ref) {
		for _, purpose := range []struct{ rule, purpose string }{
			{ruleSignatures, ForSignature}, {ruleApprovals, ForApproval}, {ruleProvenance, ForProvenance},
		} {
			rule := p.lang.lookup(purpose.rule)
			if _, asked := rule.asked(state); rule.active(state) || asked && len(promoteRequireKey.value(state)) > 0 { // which asks regardless of levels
				n.Attached = true
				wantSigners(&n, state, purpose.purpose)
			}
		}
		if p.lang.lookup(ruleBaseImage).active(state) {
			n.Base = true
			for _, glob := range baseAllowKey.value(state) {
				if !slices.Contains(n.Bases, glob) {
					n.Bases = append(n.Bases, glob)
				}
			}
		}
	}
	if n.Base {
		n.Attached = true // provenance names base images too
	}
	return n
}

// wantSigners asks for all signers that are trusted for a purpose: which of them a
// rule names can differ from day to day.
func wantSigners(n *evidence.ProofNeed, s *settings, purpose string) {
	for _, signer := range trustKey.value(s) {
		asked := evidence.AskedSigner{Key: signer.Key, Fingerprint: signer.Fingerprint, Identity: signer.Identity, Issuer: signer.Issuer}
		if slices.Contains(signer.For, purpose) && !slices.Contains(n.Signers, asked) {
			n.Signers = append(n.Signers, asked)
		}
	}
}

// attached returns the proof if signatures by these signers were looked for, and
// otherwise the answer that says what is missing.
func (j *judge) attached(signers []Signer) (*evidence.Proof, *answer) {
	proof := j.img.Proof
	if proof == nil || !proof.Attached {
		a := missing("signatures and attestations were not looked for")
		return nil, &a
	}
	for i := range signers {
		asked := evidence.Signer{Key: signers[i].Fingerprint, Identity: signers[i].Identity, Issuer: signers[i].Issuer}
		if !slices.Contains(proof.Asked, asked) {
			a := missing("it was not looked for signatures of " + signers[i].String())
			return nil, &a
		}
	}
	return proof, nil
}

// isSubject reports whether a digest is that of the image or of the index that it
// was chosen from: the index names the image by its digest, so a signature over the
// index is one over the image.
func (j *judge) isSubject(digest string) bool {
	return digest != "" && (digest == j.img.Digest || digest == j.img.IndexDigest)
}

// unproven is the answer when no trusted signature was found. What could not be
// read may be what is missing: then there is no verdict.
func unproven(proof *evidence.Proof, signers []Signer, format string, args ...any) answer {
	a := failing(format, args...)
	if proof.Root == nil && slices.ContainsFunc(signers, func(s Signer) bool { return s.Key == "" }) {
		a.result = ResultUndecided
		a.message += "; certificates could not be verified without a trusted root"
		a.cure = "name the trusted root: --trusted-root FILE"
	}
	if r := proof.Root; r != nil && r.Newest != nil && slices.ContainsFunc(signers, func(s Signer) bool { return s.Key == "" }) {
		a.message += fmt.Sprintf("; the newest part of the trusted root %s is of %s", words.Quote(r.Source), r.Newest.UTC().Format(time.DateOnly))
		if r.Ended != nil {
			a.message += fmt.Sprintf(", and it confirms no signature made after %s", r.Ended.UTC().Format(time.DateOnly))
		}
	}
	for _, g := range proof.Unverified {
		a.details = append(a.details, g.From+": "+g.Reason)
	}
	if len(proof.Gaps) > 0 {
		a.result = ResultUndecided
		a.message += fmt.Sprintf("; %s could not be read", words.Plural(len(proof.Gaps), "attachment"))
		a.details = nil
		for _, g := range proof.Gaps {
			a.details = append(a.details, g.From+": "+g.Reason)
		}
	}
	return a
}

// checkProof reports what the rules about signatures, attestations and base images
// leave open, and signers that they name wrongly.
func (d *decoder) checkProof(p *Policy) {
	for _, s := range p.everySettings() {
		if o := signaturesKey.of(s); o.set {
			d.checkSigners(p, o.pos, ruleSignatures, o.value, ForSignature)
		}
		if o := approvalsKey.of(s); o.set {
			for _, r := range o.value {
				d.checkSigners(p, o.pos, ruleApprovals+".by", r.by, ForApproval)
			}
			d.checkApprovalsCanBeMet(p, o)
		}
		if o := provenanceByKey.of(s); o.set {
			d.checkSigners(p, o.pos, provenanceByKey.path, o.value, ForProvenance)
		}
		if pos, set := s.set(provenanceRule().keys...); set && !provenanceByKey.of(s).set {
			d.failPos(pos, "add provenance.signed-by: [NAME]", "provenance has no signed-by: anyone may attach provenance that is not signed")
		}
		if pos, set := s.set(baseImageRule().keys...); set && !baseAllowKey.of(s).set {
			d.failPos(pos, "add base-image.allow: [\"registry.example.no/base/**\"]", "base-image has no allow: imagegate would have to ask every registry that an image names")
		}
	}
	pos, set := p.base.set(decisionRule().keys...)
	if !set {
		return
	}
	if o := decisionByKey.of(&p.base); o.set {
		d.checkSigners(p, o.pos, decisionByKey.path, o.value, ForDecision)
	} else {
		d.failPos(pos, "add decision.signed-by: [NAME]", "decision has no signed-by")
	}
	if !decisionMaxAgeKey.of(&p.base).set {
		d.failPos(pos, "add decision.max-age, such as 7d", "decision has no max-age: what was decided once would count for ever")
	}
}
