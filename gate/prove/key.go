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

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

// keypair is a private key as sigstore-go signs with it: in memory, or in a key
// management service.
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

// GetHashAlgorithm implements sign.Keypair.
func (k *keypair) GetHashAlgorithm() protocommon.HashAlgorithm { return k.details.GetProtoHashType() }

// GetSigningAlgorithm implements sign.Keypair.
func (k *keypair) GetSigningAlgorithm() protocommon.PublicKeyDetails {
	return k.details.GetSignatureAlgorithm()
}

// GetHint implements sign.Keypair: the digest of the key, as cosign writes it.
func (k *keypair) GetHint() []byte {
	sum, _ := hex.DecodeString(strings.TrimPrefix(k.id, "sha256:"))
	return []byte(base64.StdEncoding.EncodeToString(sum))
}

// GetKeyAlgorithm implements sign.Keypair.
func (k *keypair) GetKeyAlgorithm() string {
	switch k.details.GetKeyType() {
	case signature.ECDSA:
		return "ECDSA"
	case signature.RSA:
		return "RSA"
	case signature.ED25519:
		return "ED25519"
	}
	return ""
}

// GetPublicKey implements sign.Keypair.
func (k *keypair) GetPublicKey() crypto.PublicKey { return k.public }

// GetPublicKeyPem implements sign.Keypair.
func (k *keypair) GetPublicKeyPem() (string, error) {
	b, err := cryptoutils.MarshalPublicKeyToPEM(k.public)
	return string(b), err
}

// SignData implements sign.Keypair.
func (k *keypair) SignData(ctx context.Context, data []byte) (sig, digest []byte, err error) {
	sig, err = k.signer.SignMessage(bytes.NewReader(data), options.WithContext(ctx))
	if err != nil {
		return nil, nil, err
	}
	if h := k.details.GetHashType(); h != 0 {
		sum := h.New()
		sum.Write(data)
		data = sum.Sum(nil)
	}
	return sig, data, nil
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
