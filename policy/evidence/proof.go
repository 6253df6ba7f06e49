package evidence

import "time"

// Proof is what others have signed about an image, and what is known of its base
// image. It states whose signature was verified. Whether that signer is trusted is
// for a policy to say.
type Proof struct {
	// Repository is where signatures and attestations were read: registry/repository.
	Repository string `json:"repository"`
	// Attached is true when the attachments of the image were read. Then Signatures
	// and Statements hold what was verified, and Gaps what could not be read.
	Attached bool `json:"attached"`
	// Asked are the signers that signatures were compared with: fingerprints of
	// public keys, and globs on identities with their issuers. Signatures of others
	// were not recognised.
	Asked []Signer `json:"asked,omitempty"`
	// Root is the trusted root that certificates were verified by, nil for none.
	Root *TrustedRoot `json:"root,omitempty"`

	Signatures []Signature `json:"signatures,omitempty"`
	Statements []Statement `json:"statements,omitempty"`
	// Unverified lists attachments that count for nothing: signed by others, about
	// another image, damaged, or too large for a signature.
	Unverified []Attachment `json:"unverified,omitempty"`
	// Gaps lists attachments that could not be read. Any of them could hold what
	// was looked for.
	Gaps []Attachment `json:"gaps,omitempty"`

	// Decision is the signed decision that the image was judged by instead of by its
	// layers, nil where those were judged.
	Decision *Decision `json:"decision,omitempty"`
	// Base is what is known of the base image, nil when it was not looked for.
	Base *BaseImage `json:"base,omitempty"`
}

// TrustedRoot is the file of certificates and logs that keyless signatures were
// verified by.
type TrustedRoot struct {
	Source string `json:"source"` // the file
	SHA256 string `json:"sha256"` // of its bytes, sha256:...
	// Newest is when its newest certificate authority, log or timestamp authority
	// began; nil for a root that was fetched just now.
	Newest *time.Time `json:"newest,omitempty"`
	// Ended is the moment after which it confirms no signature, nil for none.
	Ended *time.Time `json:"ended,omitempty"`
}

// Signer is who made a signature that was verified: a public key, or the identity
// in a certificate.
type Signer struct {
	Key      string `json:"key,omitempty"`      // fingerprint of the public key
	Identity string `json:"identity,omitempty"` // of the certificate: an e-mail address or a URI
	Issuer   string `json:"issuer,omitempty"`   // that vouches for the identity
	// Time is when a transparency log or a timestamp authority saw the signature,
	// nil when none did.
	Time *time.Time `json:"time,omitempty"`
}

// Signature is a signature over the digest of an image.
type Signature struct {
	Subject string   `json:"subject"` // digest that was signed: of the manifest or of its index
	Signers []Signer `json:"signers"` // verified
	From    string   `json:"from"`    // where it was found: a tag, or the digest of a referrer
}

// Statement is an in-toto statement about an image.
type Statement struct {
	Subject       string   `json:"subject"` // the digest in it that is the image's
	PredicateType string   `json:"predicateType"`
	Signers       []Signer `json:"signers,omitempty"` // verified; none when Embedded
	From          string   `json:"from"`
	// Embedded is true for an attestation that is part of the index, as BuildKit
	// writes it. It has no signature of its own: a signature over the index covers it.
	Embedded bool `json:"embedded,omitempty"`

	// The predicate, for the types that a policy asks about; nil for others.
	Provenance *Provenance `json:"provenance,omitempty"`
	Approval   *Approval   `json:"approval,omitempty"`
	// Problem says why the predicate could not be read, "" for nothing.
	Problem string `json:"problem,omitempty"`
}

// Provenance is what a statement says about how the image was built.
type Provenance struct {
	Version string `json:"version"` // of the SLSA predicate: 0.2 or 1
	Builder string `json:"builder"` // id, as written
	// Sources are the repositories that the build was started from, without scheme,
	// ".git" and ref: github.com/acme/app. Refs are the Git refs of it.
	Sources []string `json:"sources,omitempty"`
	Refs    []string `json:"refs,omitempty"`
}

// Decision is a signed decision that takes the place of a scan.
type Decision struct {
	Time    time.Time `json:"time"`    // as the verifier says
	Signers []Signer  `json:"signers"` // verified
	From    string    `json:"from"`    // where it was found
	Policy  string    `json:"policy"`  // digest over all that applied, sha256:...
}

// Approval is the consent of a person to ship the image under a policy.
type Approval struct {
	Policy string `json:"policy"` // digest over all that applies, sha256:...
	Reason string `json:"reason,omitempty"`
}

// Attachment is something that belongs to the image and was not used.
type Attachment struct {
	From   string `json:"from"`   // a tag, or the digest of a referrer
	Reason string `json:"reason"` // why it was not used
}

// BaseImage is what is known of the base image.
type BaseImage struct {
	// Candidates are the images that are named as the base, each with what became
	// of it. Labels and unsigned provenance name them, so that only Proven counts.
	Candidates []BaseCandidate `json:"candidates"`
}

// BaseCandidate is an image that something names as the base.
type BaseCandidate struct {
	Name     string   `json:"name"`             // registry/repository
	Tag      string   `json:"tag,omitempty"`    // "" when none was named
	Digest   string   `json:"digest,omitempty"` // as named; "" when none was
	NamedBy  []string `json:"namedBy"`          // "label org.opencontainers.image.base.name"
	Resolved string   `json:"resolved,omitempty"`
	// Proven is true when its layers are the first layers of the image.
	Proven bool `json:"proven"`
	// Layers is how many layers of the image are its own, when it is proven.
	Layers  int        `json:"layers,omitempty"`
	Created *time.Time `json:"created,omitempty"` // its own date, from its config
	// Recompressed is true when only the uncompressed layers are known to be the
	// same. That the image holds what its config says is known only when its layers
	// were read.
	Recompressed bool `json:"recompressed,omitempty"`
	// Problem says why it is not proven, "" when it is.
	Problem string `json:"problem,omitempty"`
	// Unread is true when it could not be fetched or was not asked for, so that it
	// may or may not be the base.
	Unread bool `json:"unread,omitempty"`
}

// ProofNeed says what has to be collected beside the image itself.
type ProofNeed struct {
	// Attached asks for signatures and attestations.
	Attached bool
	// Signers are whom signatures are compared with.
	Signers []AskedSigner
	// Base asks for the base image. Bases are globs on registry/repository: other
	// images are not fetched, whatever a label says.
	Base  bool
	Bases []string
}

// AskedSigner is a signer to look for: a public key, or an identity.
type AskedSigner struct {
	Key         string // PEM
	Fingerprint string // of the key
	Identity    string // glob
	Issuer      string
}

// Any reports whether anything has to be collected.
func (n *ProofNeed) Any() bool { return n.Attached || n.Base }
