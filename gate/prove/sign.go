package prove

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

// Services are what confirms a signature beside its key. All addresses are those
// that the user named.
type Services struct {
	// Transport makes the requests; nil is the default of package http.
	Transport http.RoundTripper
	// Fulcio is the certificate authority; only identities need one.
	Fulcio string
	// Rekor is the transparency log, "" for none, and RekorVersion its version, 1 or 2.
	Rekor        string
	RekorVersion int
	// Timestamps is the timestamp authority, "" for none. A log of version 2 gives no
	// time, so a certificate needs one there.
	Timestamps string
}

// Signing signs statements, with a key or with an identity.
type Signing struct {
	// By names the key: its digest. It is "" for an identity, which is known when the
	// token is.
	By       string
	services Services
	// open returns what to sign with. It is called as late as possible: tokens and
	// certificates live ten minutes.
	open func(ctx context.Context) (sign.Keypair, error)
	// token returns a token of identity; nil for keys.
	token func(ctx context.Context) (string, error)
	owned *owned // the certificate of an identity
}

// KeySigning signs with a private key: PKCS#8 as PEM, or the encrypted form of
// cosign with its password.
func KeySigning(pem, password []byte, s Services) (*Signing, error) {
	k, err := readKey(pem, password)
	if err != nil {
		return nil, err
	}
	return keySigning(k, s), nil
}

func keySigning(k *keypair, s Services) *Signing {
	return &Signing{By: k.id, services: s, open: func(context.Context) (sign.Keypair, error) { return k, nil }}
}

// Sign returns the signed statement as a Sigstore bundle, in JSON.
func (s *Signing) Sign(ctx context.Context, st *Statement) ([]byte, error) {
	payload, err := st.Payload()
	if err != nil {
		return nil, err
	}
	pair, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	o := sign.BundleOptions{Context: ctx}
	if s.token != nil {
		o.CertificateProvider = s.owned
		o.CertificateProviderOptions = &sign.CertificateProviderOptions{}
	}
	s.confirm(ctx, &o)
	pb, err := sign.Bundle(&sign.DSSEData{Data: payload, PayloadType: PayloadType}, pair, o)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", foreign(err))
	}
	b, err := bundle.NewBundle(pb)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", foreign(err))
	}
	if err := checkOwn(b, pair); err != nil {
		return nil, fmt.Errorf("sign: the signature that was made does not hold: %w", foreign(err))
	}
	return b.MarshalJSON()
}

// confirm adds the log and the timestamp authority.
func (s *Signing) confirm(ctx context.Context, o *sign.BundleOptions) {
	client := &http.Client{Transport: s.transport(ctx)}
	if s.services.Rekor != "" {
		r := &rekor{ctx: ctx, url: s.services.Rekor, client: client}
		o.TransparencyLogs = []sign.Transparency{sign.NewRekor(&sign.RekorOptions{
			BaseURL: s.services.Rekor, Version: uint32(max(s.services.RekorVersion, 1)), Client: r, ClientV2: r,
		})}
	}
	if s.services.Timestamps != "" {
		o.TimestampAuthorities = []*sign.TimestampAuthority{sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{
			URL: s.services.Timestamps, Timeout: -1, Transport: client.Transport,
		})}
	}
}

func (s *Signing) transport(ctx context.Context) http.RoundTripper {
	next := s.services.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	return &service{ctx: ctx, next: next}
}

// checkOwn verifies a new signature with its own key: a key management service may
// sign in another way than its key says.
func checkOwn(b *bundle.Bundle, pair sign.Keypair) error {
	keys, err := keyVerifiers(pair.GetPublicKey())
	if err != nil {
		return err
	}
	content, err := b.SignatureContent()
	if err != nil {
		return err
	}
	var problems []error
	for _, k := range keys {
		err := verify.VerifySignature(content, &bundle.PublicKey{}, root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return k, nil }))
		if err == nil {
			return nil
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}
