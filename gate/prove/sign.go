package prove

import (
	"context"
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/sign"
)

// Signing signs statements, with a key or with an identity.
type Signing struct {
	// open returns what to sign with. It is called for each statement, as late as
	// possible: tokens and certificates live ten minutes.
	open func(ctx context.Context) (sign.Keypair, sign.BundleOptions, error)
}

// KeySigning signs with a private key: PKCS#8 as PEM, or the encrypted form of
// cosign with its password.
func KeySigning(pem, password []byte) (*Signing, error) {
	k, err := readKey(pem, password)
	if err != nil {
		return nil, err
	}
	return &Signing{open: func(context.Context) (sign.Keypair, sign.BundleOptions, error) { return k, sign.BundleOptions{}, nil }}, nil
}

// Sign returns the signed statement as a Sigstore bundle, in JSON.
func (s *Signing) Sign(ctx context.Context, st *Statement) ([]byte, error) {
	payload, err := st.Payload()
	if err != nil {
		return nil, err
	}
	pair, o, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	o.Context = ctx
	pb, err := sign.Bundle(&sign.DSSEData{Data: payload, PayloadType: PayloadType}, pair, o)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	b, err := bundle.NewBundle(pb)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return b.MarshalJSON()
}
