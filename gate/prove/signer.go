package prove

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// Signer is somebody whose signatures are believed: the holder of a key, or an
// identity that an issuer has confirmed. Name is how messages and rules call it.
type Signer struct {
	Name string
	// Key is a public key as PEM.
	Key []byte
	// Identity is the subject of the certificate, and may have the wildcards * (not
	// across a slash) and **. IdentityRegexp is a regular expression instead, and has
	// to match the whole subject.
	Identity, IdentityRegexp string
	// Issuer is the OIDC issuer that confirmed the identity, exactly.
	Issuer string
}

// signer is a Signer that has been read.
type signer struct {
	Signer
	keys     []root.TimeConstrainedVerifier // the key, with each hash that signers use
	keyID    string
	identity func(san string) bool
}

func newSigner(s Signer) (*signer, error) {
	r := &signer{Signer: s}
	switch {
	case s.Name == "":
		return nil, errors.New("a trusted signer has no name")
	case (s.Key != nil) == (s.Identity != "" || s.IdentityRegexp != ""):
		return nil, fmt.Errorf("the signer %s must have either a key or an identity", s.Name)
	case s.Key != nil:
		return r, r.readKey()
	case s.Issuer == "":
		return nil, fmt.Errorf("the signer %s has an identity and no issuer: anyone can get any identity from an issuer of their own", s.Name)
	case s.Identity != "" && s.IdentityRegexp != "":
		return nil, fmt.Errorf("the signer %s has an identity and a regular expression for it: use one", s.Name)
	case s.IdentityRegexp != "":
		re, err := regexp.Compile(`^(?:` + s.IdentityRegexp + `)$`)
		if err != nil {
			return nil, fmt.Errorf("the signer %s: its regular expression: %w", s.Name, err)
		}
		r.identity = re.MatchString
	default:
		if !doublestar.ValidatePattern(s.Identity) {
			return nil, fmt.Errorf("the signer %s: the identity %q is no valid pattern", s.Name, s.Identity)
		}
		r.identity = func(san string) bool {
			ok, err := doublestar.Match(s.Identity, san)
			return ok && err == nil
		}
	}
	return r, nil
}

// readKey reads the key. Sigstore has no algorithm for one that is too weak.
func (s *signer) readKey() error {
	pub, err := cryptoutils.UnmarshalPEMToPublicKey(s.Key)
	if err != nil {
		return fmt.Errorf("the key of the signer %s: %w", s.Name, err)
	}
	if s.keyID, err = keyID(pub); err != nil {
		return fmt.Errorf("the key of the signer %s: %w", s.Name, err)
	}
	s.keys, err = keyVerifiers(pub)
	if err != nil {
		return fmt.Errorf("the key of the signer %s: %w", s.Name, err)
	}
	return nil
}

// keyVerifiers returns a verifier for each hash that signers use with a key. Cosign
// signs with SHA-256 and larger curves too.
func keyVerifiers(pub crypto.PublicKey) ([]root.TimeConstrainedVerifier, error) {
	v, err := signature.LoadDefaultVerifier(pub)
	if err != nil {
		return nil, err
	}
	all := []root.TimeConstrainedVerifier{root.NewExpiringKey(v, time.Time{}, time.Time{})}
	if ec, ok := pub.(*ecdsa.PublicKey); ok && ec.Curve != elliptic.P256() {
		v, err := signature.LoadVerifier(pub, crypto.SHA256)
		if err != nil {
			return nil, err
		}
		all = append(all, root.NewExpiringKey(v, time.Time{}, time.Time{}))
	}
	return all, nil
}

// keyID is the digest of a public key, by which people tell keys apart.
func keyID(pub crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}
