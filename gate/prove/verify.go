package prove

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// Reason is why an attachment is not believed.
type Reason string

// Reasons.
const (
	ReasonMalformed Reason = "malformed"        // it cannot be read
	ReasonSigner    Reason = "untrusted-signer" // the signature is right, or its key unknown; the signer is not trusted
	ReasonSignature Reason = "bad-signature"    // signature, certificate, log entry or time do not hold
	ReasonSubject   Reason = "wrong-subject"    // it is about another image
	ReasonNoRoot    Reason = "no-trusted-root"  // it was signed without a key, and no trusted root is known
)

// Refusal is why an attachment is not believed.
type Refusal struct {
	Place  string
	Reason Reason
	Err    error
}

// Error says what was refused and why.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: %v", r.Place, r.Err) }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// Verified is an attachment that a trusted signer has signed, about the digest that
// was asked for.
type Verified struct {
	// Signers are the names of all trusted signers that the signature is from.
	Signers []string
	// By is the subject of the certificate, or the digest of the key.
	By string
	// Issuer confirmed the identity; "" for a key.
	Issuer string
	// Signed is the earliest time at which a timestamp authority or a log saw the
	// signature. It is zero where no trusted party saw it, as with a key alone. The
	// signature is not younger than this. That it is not older cannot be known with a
	// key: anyone can have an old signature timestamped again.
	Signed time.Time
	// Statement is what was signed. A signature of cosign in its older form states
	// nothing beyond the digest, and has none.
	Statement *Statement
	// Attachment is where it came from.
	Attachment *Attachment
}

// Verifier believes some signers. It needs no network.
type Verifier struct {
	signers []*signer
	roots   []*Root
}

// NewVerifier returns a verifier that believes the signers. The roots say which
// certificate authorities, logs and timestamp authorities confirm identities; each
// is used by itself. None are needed for keys.
func NewVerifier(signers []Signer, roots ...*Root) (*Verifier, error) {
	v := &Verifier{roots: roots}
	for _, s := range signers {
		r, err := newSigner(s)
		if err != nil {
			return nil, err
		}
		v.signers = append(v.signers, r)
	}
	return v, nil
}

// NeedsRoot reports whether one of the signers is an identity, and no root is known
// that could confirm it.
func (v *Verifier) NeedsRoot() bool {
	return len(v.roots) == 0 && slices.ContainsFunc(v.signers, func(s *signer) bool { return s.identity != nil })
}

// VerifyAll verifies attachments about a digest. It returns those that are believed,
// and why the others are not, both in the order of the attachments.
func (v *Verifier) VerifyAll(all []Attachment, digest string) (verified []Verified, refused []Refusal) {
	for i := range all {
		one, refusal := v.Verify(&all[i], digest)
		if refusal != nil {
			refused = append(refused, *refusal)
			continue
		}
		verified = append(verified, *one)
	}
	return verified, refused
}

// Verify returns who signed the attachment and what it says about the digest,
// "sha256:HEX", or why it is not believed.
func (v *Verifier) Verify(a *Attachment, digest string) (*Verified, *Refusal) {
	refuse := func(reason Reason, err error) (*Verified, *Refusal) {
		return nil, &Refusal{Place: a.Place, Reason: reason, Err: err}
	}
	b, err := a.bundleOf()
	if err != nil {
		return refuse(ReasonMalformed, err)
	}
	content, err := b.VerificationContent()
	if err != nil {
		return refuse(ReasonMalformed, foreign(err))
	}
	var got *Verified
	var reason Reason
	if content.Certificate() != nil {
		got, reason, err = v.certificate(b, a, digest)
	} else {
		got, reason, err = v.key(b, a, digest)
	}
	if err != nil {
		return refuse(reason, err)
	}
	got.Attachment = a
	if reason, err = got.subject(b, digest); err != nil {
		return refuse(reason, err)
	}
	return got, nil
}

// subject reads what was signed, and refuses what is about another image.
func (g *Verified) subject(b *bundle.Bundle, digest string) (Reason, error) {
	if envelope := b.GetDsseEnvelope(); envelope != nil {
		s, err := ParseStatement(envelope.GetPayload())
		if err != nil {
			return ReasonMalformed, err
		}
		if !s.About(digest) {
			return ReasonSubject, fmt.Errorf("%s signed it, about another image: %s", g.By, s.subjects())
		}
		g.Statement = s
		return "", nil
	}
	if g.Attachment.Form == FormBundle {
		return "", nil // the signature is over the manifest, and was compared with its digest
	}
	var p struct {
		Critical struct {
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
	}
	if err := strictjson.Unmarshal(g.Attachment.Raw, &p, strictjson.AllowUnknownKeys()); err != nil {
		return ReasonMalformed, fmt.Errorf("the signed payload cannot be read: %w", err)
	}
	if p.Critical.Image.Digest != digest {
		return ReasonSubject, fmt.Errorf("%s signed it, about another image: %q", g.By, p.Critical.Image.Digest)
	}
	return "", nil
}

// subjects names the first subjects of a statement.
func (s *Statement) subjects() string {
	var names []string
	for _, r := range s.Subject[:min(len(s.Subject), 3)] {
		for algorithm, hex := range r.Digest {
			names = append(names, fmt.Sprintf("%.64q", algorithm+":"+hex))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// signed is what sigstore-go has to compare the signature with.
func signed(b *bundle.Bundle, a *Attachment, digest string) (verify.ArtifactPolicyOption, error) {
	switch {
	case b.GetDsseEnvelope() != nil:
		// The subject is compared afterwards, so that the reason can be told.
		return verify.WithoutArtifactUnsafe(), nil
	case a.Form == FormSimple:
		return verify.WithArtifact(bytes.NewReader(a.Raw)), nil
	case a.File != nil:
		return verify.WithArtifact(bytes.NewReader(a.File)), nil // not every kind of key signs a digest
	}
	// The bundle holds the signature of a file: of the manifest itself.
	algorithm, digits, _ := strings.Cut(digest, ":")
	sum, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("the digest %q: %w", digest, err)
	}
	return verify.WithArtifactDigest(algorithm, sum), nil
}

// certificate verifies a signature with a certificate by every root.
func (v *Verifier) certificate(b *bundle.Bundle, a *Attachment, digest string) (*Verified, Reason, error) {
	if len(v.roots) == 0 {
		return nil, ReasonNoRoot, errors.New("it was signed with an identity, and no trusted root is known: name one with --trusted-root FILE")
	}
	var last error
	for _, r := range v.roots {
		got, reason, err := v.certificateBy(r, b, a, digest)
		if err == nil || reason != ReasonSignature {
			return got, reason, err
		}
		last = err
	}
	return nil, ReasonSignature, last
}

func (v *Verifier) certificateBy(r *Root, b *bundle.Bundle, a *Attachment, digest string) (*Verified, Reason, error) {
	artifact, err := signed(b, a, digest)
	if err != nil {
		return nil, ReasonMalformed, err
	}
	sv, err := verify.NewVerifier(r.material, r.options()...)
	if err != nil {
		return nil, ReasonSignature, err
	}
	result, err := sv.Verify(b, verify.NewPolicy(artifact, verify.WithoutIdentitiesUnsafe()))
	if err != nil {
		return nil, ReasonSignature, fmt.Errorf("its signature does not hold: %w", foreign(err))
	}
	c := result.Signature.Certificate
	if c == nil {
		return nil, ReasonSignature, errors.New("it has no certificate")
	}
	got := &Verified{By: c.SubjectAlternativeName, Issuer: c.Issuer, Signed: earliest(result)}
	for _, s := range v.signers {
		if s.identity != nil && s.Issuer == got.Issuer && s.identity(got.By) {
			got.Signers = append(got.Signers, s.Name)
		}
	}
	if got.Signers == nil {
		return nil, ReasonSigner, fmt.Errorf("it was signed by %q, whom %q has confirmed; that signer is not trusted", got.By, got.Issuer)
	}
	return got, "", nil
}

// earliest is the first time at which a trusted party saw the signature.
func earliest(r *verify.VerificationResult) time.Time {
	var first time.Time
	for _, t := range r.VerifiedTimestamps {
		if first.IsZero() || t.Timestamp.Before(first) {
			first = t.Timestamp
		}
	}
	return first.UTC()
}

// key verifies a signature with each trusted key. The hint of the bundle is not
// signed, and is not used.
func (v *Verifier) key(b *bundle.Bundle, a *Attachment, digest string) (*Verified, Reason, error) {
	if _, err := signed(b, a, digest); err != nil {
		return nil, ReasonMalformed, err
	}
	var got *Verified
	for _, s := range v.signers {
		for _, k := range s.keys {
			if !v.signedWith(k, b, a, digest) {
				continue
			}
			got = cmp.Or(got, &Verified{By: s.keyID, Signed: v.seen(k, b, a, digest)})
			got.Signers = append(got.Signers, s.Name)
			break
		}
	}
	if got == nil {
		return nil, ReasonSigner, errors.New("it was not signed with a trusted key, or it was changed after it was signed")
	}
	return got, "", nil
}

// signedWith reports whether the signature is from the key.
func (v *Verifier) signedWith(k root.TimeConstrainedVerifier, b *bundle.Bundle, a *Attachment, digest string) bool {
	_, err := verifyKey(keyMaterial(k), b, a, digest, verify.WithNoObserverTimestamps())
	return err == nil
}

// seen is when a trusted party saw a signature with a key, zero if none did.
func (v *Verifier) seen(k root.TimeConstrainedVerifier, b *bundle.Bundle, a *Attachment, digest string) time.Time {
	for _, r := range v.roots {
		material := root.TrustedMaterialCollection{keyMaterial(k), r.material}
		// A log confirms a time only if its entry is asked for, and not all have one.
		for _, options := range [][]verify.VerifierOption{
			{verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1)},
			{verify.WithObserverTimestamps(1)},
		} {
			if result, err := verifyKey(material, b, a, digest, options...); err == nil {
				return earliest(result)
			}
		}
	}
	return time.Time{}
}

func verifyKey(m root.TrustedMaterial, b *bundle.Bundle, a *Attachment, digest string, options ...verify.VerifierOption) (*verify.VerificationResult, error) {
	artifact, err := signed(b, a, digest)
	if err != nil {
		return nil, err
	}
	sv, err := verify.NewVerifier(m, options...)
	if err != nil {
		return nil, err
	}
	return sv.Verify(b, verify.NewPolicy(artifact, verify.WithKey()))
}

func keyMaterial(k root.TimeConstrainedVerifier) root.TrustedMaterial {
	return root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return k, nil })
}
