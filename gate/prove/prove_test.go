package prove_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/prove"
)

var (
	image = "sha256:" + strings.Repeat("a", 64)
	other = "sha256:" + strings.Repeat("b", 64)
	noon  = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
)

func subject(digest string) prove.Resource {
	return prove.Resource{Name: "registry.example.no/app", Digest: map[string]string{"sha256": strings.TrimPrefix(digest, "sha256:")}}
}

// decision is the statement about a digest.
func decision(t testing.TB, digest, result string, at time.Time) *prove.Statement {
	t.Helper()
	s, err := prove.NewStatement(subject(digest), prove.Summary{
		Party: prove.VerifierID{ID: "https://example.no/imagegate"}, TimeVerified: at, ResourceURI: "registry.example.no/app@" + digest,
		Policy: prove.Resource{URI: "imagegate.yaml", Digest: map[string]string{"sha256": strings.Repeat("c", 64)}}, Result: result, Levels: []string{"IMAGEGATE_POLICY_" + result},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, k provetest.Key, s *prove.Statement) []byte {
	t.Helper()
	signing, err := prove.KeySigning(k.Private, nil, prove.Services{})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signing.Sign(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func verifier(t testing.TB, k provetest.Key) *prove.Verifier {
	t.Helper()
	v, err := prove.NewVerifier([]prove.Signer{{Name: "gate", Key: k.Public}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What is signed with a key is found and believed, and says what was signed.
func TestKey(t *testing.T) {
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsa3, _ := rsa.GenerateKey(rand.Reader, 3072)
	for name, k := range map[string]provetest.Key{
		"P-256": provetest.NewKey(t), "P-384": provetest.KeyOf(t, p384), "P-521": provetest.KeyOf(t, p521), "Ed25519": provetest.KeyOf(t, ed), "RSA": provetest.KeyOf(t, rsa3),
	} {
		t.Run(name, func(t *testing.T) {
			repo := provetest.NewRepository("registry.example.no/app")
			repo.Push(image, provetest.Bundle(sign(t, k, decision(t, image, prove.ResultPassed, noon))))
			found, err := prove.Find(context.Background(), repo, image)
			if err != nil || len(found.Attachments) != 1 || found.Skipped != nil {
				t.Fatalf("found %+v, %v", found, err)
			}
			got, refused := verifier(t, k).VerifyAll(found.Attachments, image)
			if len(got) != 1 || refused != nil {
				t.Fatalf("verified %v, refused %v", got, refused)
			}
			v, err := got[0].Statement.Summary()
			if err != nil || v.Result != prove.ResultPassed || !v.TimeVerified.Equal(noon) || got[0].Signers[0] != "gate" || !got[0].Signed.IsZero() {
				t.Fatalf("%+v %+v %v", got[0], v, err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	k, stranger := provetest.NewKey(t), provetest.NewKey(t)
	good := sign(t, k, decision(t, image, prove.ResultPassed, noon))
	for name, c := range map[string]struct {
		raw    []byte
		reason prove.Reason
	}{
		"another signer":   {sign(t, stranger, decision(t, image, prove.ResultPassed, noon)), prove.ReasonSigner},
		"another subject":  {sign(t, k, decision(t, other, prove.ResultPassed, noon)), prove.ReasonSubject},
		"changed":          {[]byte(strings.Replace(string(good), `"payload":"eyJf`, `"payload":"eyJg`, 1)), prove.ReasonSigner},
		"no bundle":        {[]byte(`{}`), prove.ReasonMalformed},
		"cut off":          {good[:len(good)/2], prove.ReasonMalformed},
		"an unknown field": {[]byte(strings.Replace(string(good), `{`, `{"x":1,`, 1)), prove.ReasonMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			got, refusal := verifier(t, k).Verify(&prove.Attachment{Form: prove.FormBundle, Raw: c.raw}, image)
			if got != nil || refusal == nil || refusal.Reason != c.reason {
				t.Fatalf("got %+v, refused %+v, want %s", got, refusal, c.reason)
			}
		})
	}
}
