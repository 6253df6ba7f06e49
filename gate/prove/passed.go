package prove

import (
	"context"
	"crypto/x509"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
)

// Passed returns those of the attachments that say of the digest that it passed,
// whoever signed them. Nothing in them is believed.
func Passed(all []Attachment, digest string) []Attachment {
	var out []Attachment
	for i := range all {
		b, err := all[i].bundleOf()
		if err != nil || b.GetDsseEnvelope() == nil {
			continue
		}
		st, err := ParseStatement(b.GetDsseEnvelope().GetPayload())
		if err != nil || !st.About(digest) {
			continue
		}
		if v, err := st.Summary(); err == nil && v.Result == ResultPassed {
			out = append(out, all[i])
		}
	}
	return out
}

// Made reports whether one of the attachments is of this signer. Of an identity, the
// certificates are compared and not verified: the answer only makes us say more.
func (s *Signing) Made(ctx context.Context, all []Attachment) (bool, error) {
	own, err := s.owner(ctx)
	if err != nil {
		return false, err
	}
	for i := range all {
		if b, err := all[i].bundleOf(); err == nil && own(b) {
			return true, nil
		}
	}
	return false, nil
}

// owner returns what tells our own bundles from those of others.
func (s *Signing) owner(ctx context.Context) (func(*bundle.Bundle) bool, error) {
	if s.owned == nil {
		return func(b *bundle.Bundle) bool { return certificateOf(b) == nil && checkOwn(b, s.pair) == nil }, nil
	}
	der, err := s.owned.get(ctx)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	mine, err := certificate.SummarizeCertificate(c)
	if err != nil {
		return nil, err
	}
	return func(b *bundle.Bundle) bool {
		c := certificateOf(b)
		if c == nil {
			return false
		}
		theirs, err := certificate.SummarizeCertificate(c)
		return err == nil && theirs.SubjectAlternativeName == mine.SubjectAlternativeName && theirs.Issuer == mine.Issuer
	}, nil
}

// certificateOf is the certificate of a bundle, nil for none.
func certificateOf(b *bundle.Bundle) *x509.Certificate {
	content, err := b.VerificationContent()
	if err != nil {
		return nil
	}
	return content.Certificate()
}
