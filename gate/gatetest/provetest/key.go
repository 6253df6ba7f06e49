package provetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/imagegate/imagegate/gate/gatetest"
)

// Key is a pair of keys as PEM.
type Key struct{ Private, Public []byte }

// NewKey returns a new key on the curve P-256.
func NewKey(t testing.TB) Key {
	t.Helper()
	return KeyOf(t, gatetest.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
}

// KeyOf returns a private key as PEM.
func KeyOf(t testing.TB, k crypto.Signer) Key {
	t.Helper()
	return Key{
		Private: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: gatetest.Must(x509.MarshalPKCS8PrivateKey(k))}),
		Public:  pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: gatetest.Must(x509.MarshalPKIXPublicKey(k.Public()))}),
	}
}

// NewEncryptedKey returns a new key as cosign keeps it, encrypted with a password.
func NewEncryptedKey(t testing.TB, password string) Key {
	t.Helper()
	private, public, err := cryptoutils.GeneratePEMEncodedECDSAKeyPair(elliptic.P256(), cryptoutils.StaticPasswordFunc([]byte(password)))
	if err != nil {
		t.Fatal(err)
	}
	return Key{Private: private, Public: public}
}
