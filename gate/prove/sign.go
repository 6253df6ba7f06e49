package prove

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
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
//
// The package sign of sigstore-go does the same. It links golang.org/x/crypto/openpgp,
// which is not safe and has no successor there (GO-2026-5932), and its clients take
// neither a context nor our certificates.
type Signing struct {
	// By names the key: its digest. It is "" for an identity, which is known when the
	// token is.
	By       string
	services Services
	pair     *keypair
	owned    *owned // the certificate of an identity; nil for keys
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

func keySigning(k *keypair, s Services) *Signing { return &Signing{By: k.id, services: s, pair: k} }

// Sign returns the signed statement as a Sigstore bundle, in JSON.
func (s *Signing) Sign(ctx context.Context, st *Statement) ([]byte, error) {
	payload, err := st.Payload()
	if err != nil {
		return nil, err
	}
	pb, err := s.bundle(ctx, payload)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", foreign(err))
	}
	b, err := bundle.NewBundle(pb)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", foreign(err))
	}
	if err := checkOwn(b, s.pair); err != nil {
		return nil, fmt.Errorf("sign: the signature that was made does not hold: %w", foreign(err))
	}
	return b.MarshalJSON()
}

// bundle signs a payload and has the signature confirmed.
func (s *Signing) bundle(ctx context.Context, payload []byte) (*protobundle.Bundle, error) {
	signed := dsse.PAE(PayloadType, payload)
	sig, err := s.pair.sign(ctx, signed)
	if err != nil {
		return nil, err
	}
	envelope := &protodsse.Envelope{PayloadType: PayloadType, Payload: payload, Signatures: []*protodsse.Signature{{Sig: sig}}}
	material := &protobundle.VerificationMaterial{}
	c := &confirmation{signing: s, ctx: ctx, client: s.client(ctx), envelope: envelope, signed: signed, signature: sig}
	if s.owned == nil {
		material.Content = &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{Hint: s.pair.hint()}}
	} else {
		if c.certificate, err = s.owned.get(ctx); err != nil {
			return nil, err
		}
		material.Content = &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: c.certificate}}
	}
	if s.services.Timestamps != "" {
		stamp, err := c.timestamp()
		if err != nil {
			return nil, err
		}
		material.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: stamp}},
		}
	}
	if s.services.Rekor != "" {
		entry, err := c.logEntry()
		if err != nil {
			return nil, err
		}
		material.TlogEntries = []*rekorv1.TransparencyLogEntry{entry}
	}
	return &protobundle.Bundle{
		MediaType: bundleType, VerificationMaterial: material, Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: envelope},
	}, nil
}

func (s *Signing) client(ctx context.Context) *http.Client {
	next := s.services.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	return &http.Client{Transport: &service{ctx: ctx, next: next}}
}

// checkOwn verifies a new signature with its own key: a key management service may
// sign in another way than its key says.
func checkOwn(b *bundle.Bundle, pair *keypair) error {
	keys, err := keyVerifiers(pair.public)
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
