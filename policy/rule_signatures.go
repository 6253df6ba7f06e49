package policy

import (
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const ruleSignatures = "signatures.require"

var signaturesKey = signersKey(ruleSignatures, "Signers that must have signed the image: all of them.", longer(same))

func signaturesSection() section {
	return section{name: "signatures", doc: "Who must have signed the image.", rules: []*Rule{{
		ID: ruleSignatures, Title: "Each of these signers has signed the image.",
		Why: "A digest says that bytes did not change. A signature says who published them.",
		How: "sign the image: cosign sign --key KEY IMAGE@DIGEST, or keyless in the workflow that the policy trusts",
		Settings: "a list of names of signers from trust, with for: [signature]. All of them must have signed. " +
			"A signature over the index counts for each of its platforms, because the index names them by digest; one over a platform counts for that platform alone. " +
			"Both forms of cosign are read: Sigstore bundles as referrers, and the tag sha256-HEX.sig. Keyless signatures need --trusted-root FILE.",
		Default: "not asked", Levels: true,
		Example: "trust:\n  - {name: release, identity: \"https://gitlab.com/acme/app//.gitlab-ci.yml@refs/tags/*\", issuer: \"https://gitlab.com\", for: [signature]}\nsignatures: {require: [release]}\n",
		keys:    []key{signaturesKey}, check: checkSignatures,
	}}}
}

func checkSignatures(j *judge) answer {
	names := signaturesKey.value(j.s)
	signers := j.s.signersOf(names, ForSignature)
	allowed := "an image signed by " + words.And(names)
	proof, lack := j.attached(signers)
	if lack != nil {
		return *lack
	}
	var have, lacking []string
	var lackingSigners []Signer
	for _, name := range names {
		one := j.s.signersOf([]string{name}, ForSignature)
		if signed := j.signature(proof, one); signed != "" {
			have = append(have, name+" signed "+signed)
			continue
		}
		lacking, lackingSigners = append(lacking, name), append(lackingSigners, one...)
	}
	a := passing("%s", words.And(have))
	if len(lacking) > 0 {
		a = unproven(proof, lackingSigners, "not signed by %s", words.And(lacking))
		a.details = append(a.details, otherSigners(proof)...)
	}
	a.allowed = allowed
	return a
}

// signature says what one of the signers has signed, "" for nothing.
func (j *judge) signature(proof *evidence.Proof, signers []Signer) string {
	for i := range proof.Signatures {
		s := &proof.Signatures[i]
		if signer, _ := signedBy(signers, s.Signers); signer == nil || !j.isSubject(s.Subject) {
			continue
		}
		if s.Subject == j.img.Digest {
			return "the image"
		}
		return "its index"
	}
	return ""
}

// otherSigners lists who signed the image and was not asked for.
func otherSigners(proof *evidence.Proof) []string {
	var out []string
	for _, s := range proof.Signatures {
		for _, by := range s.Signers {
			out = append(out, s.From+": signed by "+signerText(by))
		}
	}
	return out
}

func signerText(s evidence.Signer) string {
	if s.Key != "" {
		return "key " + shortDigest(s.Key)
	}
	return s.Identity + " (" + s.Issuer + ")"
}
