package proof

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/timestamp"

	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
)

// signBlob is the bundle that cosign sign-blob writes.
func signBlob(t *testing.T, key crypto.Signer, file []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(file)
	digest, hash, algorithm := sum[:], crypto.SHA256, "SHA2_256"
	if ec, ok := key.(*ecdsa.PrivateKey); ok && ec.Curve == elliptic.P384() {
		large := sha512.Sum384(file)
		digest, hash, algorithm = large[:], crypto.SHA384, "SHA2_384"
	}
	signed := digest
	if _, ok := key.(ed25519.PrivateKey); ok {
		signed, hash = file, crypto.Hash(0)
	}
	sig, err := key.Sign(rand.Reader, signed, hash)
	if err != nil {
		t.Fatal(err)
	}
	return blobBundle(t, algorithm, digest, sig, map[string]any{"publicKey": map[string]any{"hint": "x"}})
}

func blobBundle(t *testing.T, algorithm string, digest, sig []byte, material map[string]any) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"mediaType":            "application/vnd.dev.sigstore.bundle.v0.3+json",
		"verificationMaterial": material,
		"messageSignature":     map[string]any{"messageDigest": map[string]any{"algorithm": algorithm, "digest": digest}, "signature": sig},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signKeyless is the bundle that cosign sign-blob writes for an identity, with a timestamp
// and without a log. stamped is what the authority confirms, nil for the signature.
func signKeyless(t *testing.T, s *provetest.Sigstore, by provetest.Claims, at time.Time, file, stamped []byte) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := s.Certificate(by, key.Public(), at)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(file)
	sig, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if stamped == nil {
		stamped = sig
	}
	sum := sha256.Sum256(stamped)
	asked, err := (&timestamp.Request{HashAlgorithm: crypto.SHA256, HashedMessage: sum[:]}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(s.URL+"/tsa/api/v1/timestamp", "application/timestamp-query", bytes.NewReader(asked))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	stamp, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return blobBundle(t, "SHA2_256", digest[:], sig, map[string]any{
		"certificate":               map[string]any{"rawBytes": certificate},
		"timestampVerificationData": map[string]any{"rfc3161Timestamps": []map[string]any{{"signedTimestamp": stamp}}},
	})
}

// A file is signed by an identity only when its certificate, the time of the signature and
// the signature itself are confirmed by a trusted root.
func TestFileSignerKeyless(t *testing.T) {
	s, other := provetest.NewSigstore(t), provetest.NewSigstore(t)
	parsed := func(raw []byte) []*prove.Root {
		r, err := prove.ParseRoots(raw)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	// A root that knows a log wants an entry in it.
	roots := func(s *provetest.Sigstore) []*prove.Root {
		var doc map[string]any
		if err := json.Unmarshal(s.Root, &doc); err != nil {
			t.Fatal(err)
		}
		delete(doc, "tlogs")
		raw, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return parsed(raw)
	}
	file := []byte(`{"a": 1}`)
	vendor := provetest.Claims{Issuer: "https://login.example.no", Email: "vex@vendor.example.no", Verified: true}
	signers := []policy.Signer{{Name: "vendor", Identity: "vex@vendor.example.no", Issuer: vendor.Issuer}}
	by := func(change func(*provetest.Claims)) provetest.Claims {
		c := vendor
		change(&c)
		return c
	}
	now := time.Now()
	good := signKeyless(t, s, vendor, now, file, nil)
	for name, c := range map[string]struct {
		file, bundle []byte
		roots        []*prove.Root
		want         bool
	}{
		"the vendor":                 {file, good, roots(s), true},
		"no root":                    {file, good, nil, false},
		"another root":               {file, good, roots(other), false},
		"no entry in the log":        {file, good, parsed(s.Root), false},
		"another file":               {[]byte(`{"a": 2}`), good, roots(s), false},
		"another identity":           {file, signKeyless(t, s, by(func(c *provetest.Claims) { c.Email = "x@vendor.example.no" }), now, file, nil), roots(s), false},
		"another issuer":             {file, signKeyless(t, s, by(func(c *provetest.Claims) { c.Issuer = "https://login.example.com" }), now, file, nil), roots(s), false},
		"an authority of one's own":  {file, signKeyless(t, other, vendor, now, file, nil), roots(s), false},
		"signed after its time":      {file, signKeyless(t, s, vendor, now.Add(-time.Hour), file, nil), roots(s), false},
		"another signature is timed": {file, signKeyless(t, s, vendor, now, file, []byte("another")), roots(s), false},
	} {
		signed, err := FileSigner(c.file, c.bundle, "f.sigstore.json", signers, c.roots)
		if (err == nil) != c.want || err == nil && (signed == nil || !strings.Contains(fmt.Sprintf("%+v", *signed), "vendor")) {
			t.Errorf("%s: %+v, %v", name, signed, err)
		}
	}
}

func keyOf(t *testing.T, k provetest.Key) crypto.Signer {
	t.Helper()
	block, _ := pem.Decode(k.Private)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.Signer)
}

// Only a signature over the file itself, by one who is asked for, counts.
func TestFileSigner(t *testing.T) {
	file, other := []byte(`{"a": 1}`), []byte(`{"a": 2}`)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	large, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	vendor, stranger, ed, p384 := provetest.NewKey(t), provetest.NewKey(t), provetest.KeyOf(t, edKey), provetest.KeyOf(t, large)
	statement := func(predicate string) []byte {
		signing, err := prove.KeySigning(vendor.Private, nil, prove.Services{})
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(file)
		b, err := signing.Sign(context.Background(), &prove.Statement{
			Type: prove.StatementType, PredicateType: predicate, Predicate: []byte(`{}`),
			Subject: []prove.Resource{{Name: "f", Digest: map[string]string{"sha256": hex.EncodeToString(sum[:])}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	signers := []policy.Signer{{Name: "vendor", Key: string(vendor.Public)}, {Name: "ed", Key: string(ed.Public)}, {Name: "p384", Key: string(p384.Public)}, {Name: "mail", Identity: "a@example.no", Issuer: "https://login.example.no"}}
	good := signBlob(t, keyOf(t, vendor), file)
	for name, c := range map[string]struct {
		file, bundle []byte
		want         string // in the error, "" for none
	}{
		"the file":                      {file, good, ""},
		"an Ed25519 key":                {file, signBlob(t, edKey, file), ""},
		"a P-384 key":                   {file, signBlob(t, large, file), ""},
		"a statement of cosign":         {file, statement(predicateSign), ""},
		"another file":                  {other, good, "not signed with a trusted key"},
		"the signature of another file": {file, signBlob(t, keyOf(t, vendor), other), "not signed with a trusted key"},
		"a stranger":                    {file, signBlob(t, keyOf(t, stranger), file), "not signed with a trusted key"},
		"another digest in the bundle":  {other, []byte(strings.Replace(string(good), "SHA2_256", "SHA2_512", 1)), "trusted key"},
		"provenance of the file":        {file, statement("https://slsa.dev/provenance/v1"), "no signature over it"},
		"a seal over the file":          {file, statement(prove.PredicateEvidence), "no signature over it"},
		"a statement, another file":     {other, statement(predicateSign), "about another image"},
		"no bundle":                     {file, []byte("{}"), "bundle"},
		"nothing":                       {file, nil, "bundle"},
		"100 MB":                        {file, make([]byte, 100<<20), "more than"},
	} {
		by, err := FileSigner(c.file, c.bundle, "f.sigstore.json", signers, nil)
		if c.want == "" && (err != nil || by.Key == "") || c.want != "" && (err == nil || by != nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %+v, %v, want %q", name, by, err, c.want)
		}
	}
}
