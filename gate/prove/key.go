package prove

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

// keypair is a private key, in memory or in a key management service.
type keypair struct {
	signer  signature.Signer
	public  crypto.PublicKey
	details signature.AlgorithmDetails
	id      string // "sha256:HEX"
}

func newKeypair(s signature.Signer) (*keypair, error) {
	pub, err := s.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	details, err := signature.GetDefaultAlgorithmDetails(pub)
	if err != nil {
		return nil, err
	}
	id, err := keyID(pub)
	return &keypair{signer: s, public: pub, details: details, id: id}, err
}

// hint is the digest of the key, as cosign writes it.
func (k *keypair) hint() string {
	sum, _ := hex.DecodeString(strings.TrimPrefix(k.id, "sha256:"))
	return base64.StdEncoding.EncodeToString(sum)
}

// publicPEM is the public key.
func (k *keypair) publicPEM() ([]byte, error) { return cryptoutils.MarshalPublicKeyToPEM(k.public) }

// sign signs data.
func (k *keypair) sign(ctx context.Context, data []byte) ([]byte, error) {
	return k.signer.SignMessage(bytes.NewReader(data), options.WithContext(ctx))
}

// ErrPassword is returned for an encrypted key when there is no password.
var ErrPassword = errors.New("the key is encrypted, and there is no password for it")

// readKey reads a private key: PKCS#8 as PEM, or the encrypted form of cosign.
func readKey(pem, password []byte) (*keypair, error) {
	if bytes.Contains(pem, []byte("-----BEGIN ENCRYPTED")) && password == nil {
		return nil, ErrPassword
	}
	private, err := cryptoutils.UnmarshalPEMToPrivateKey(pem, func(bool) ([]byte, error) { return password, nil })
	if err != nil {
		return nil, fmt.Errorf("the private key cannot be read: %w", err)
	}
	signer, err := signature.LoadDefaultSigner(private)
	if err != nil {
		return nil, fmt.Errorf("the private key cannot be used: %w", err)
	}
	return newKeypair(signer)
}
