package provetest

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/imagegate/imagegate/gate/gatetest"
)

// Sigstore is a whole instance on loopback: Fulcio, Rekor of version 1 and 2, a
// timestamp authority, and an issuer of tokens as GitHub has one. The requests go
// through the code that real ones go through.
type Sigstore struct {
	URL string // of all services

	// Root is the trusted root, and RootCT one that also demands the receipt of a
	// certificate log, which no certificate here has.
	Root, RootCT []byte

	server *httptest.Server
	vs     *ca.VirtualSigstore
	fulcio authority
	tsa    authority
	tsaKey *ecdsa.PrivateKey
	rekor2 *ecdsa.PrivateKey

	mu   sync.Mutex
	away map[string]int // status by the first part of the path
	seen []string
}

// authority is a certificate with its key.
type authority struct {
	certificate, issuer *x509.Certificate
	key                 *ecdsa.PrivateKey
}

// rekor2Origin is the name of the log of version 2.
const rekor2Origin = "log2.localhost"

// NewSigstore starts an instance that ends with the test.
func NewSigstore(t testing.TB) *Sigstore {
	t.Helper()
	s := StartSigstore()
	t.Cleanup(s.Close)
	return s
}

// StartSigstore starts an instance.
func StartSigstore() *Sigstore {
	s := &Sigstore{away: map[string]int{}}
	s.make()
	mux := http.NewServeMux()
	for path, handle := range map[string]func(http.ResponseWriter, *http.Request) error{
		"POST /fulcio/api/v2/signingCert": s.signingCert,
		"POST /rekor/api/v1/log/entries":  s.logEntry,
		"POST /rekor2/api/v2/log/entries": s.logEntry2,
		"POST /tsa/api/v1/timestamp":      s.timestamp,
		"GET /github/token":               s.githubToken,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, q *http.Request) {
			if status := s.meet(q); status != 0 {
				http.Error(w, "away", status)
				return
			}
			if err := handle(w, q); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		})
	}
	s.server = httptest.NewServer(mux)
	s.URL = s.server.URL
	return s
}

// Close ends the services.
func (s *Sigstore) Close() { s.server.Close() }

// Away makes a service ("fulcio", "rekor", "rekor2", "tsa" or "github") answer with
// a status, 0 for its real answers.
func (s *Sigstore) Away(service string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away[service] = status
}

// Requests are the paths that were asked for.
func (s *Sigstore) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}

func (s *Sigstore) meet(q *http.Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, q.URL.Path)
	return s.away[strings.Split(q.URL.Path, "/")[1]]
}

// make makes the keys and the trusted roots.
func (s *Sigstore) make() {
	s.vs = gatetest.Must(ca.NewVirtualSigstore())
	rootCert, rootKey, err := ca.GenerateRootCa()
	gatetest.Must(0, err)
	s.fulcio.issuer, s.tsa.issuer = rootCert, rootCert
	s.fulcio.certificate, s.fulcio.key, err = ca.GenerateFulcioIntermediate(rootCert, rootKey)
	gatetest.Must(0, err)
	s.tsa.certificate, s.tsa.key, err = ca.GenerateTSAIntermediate(rootCert, rootKey)
	gatetest.Must(0, err)
	s.tsaKey = gatetest.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	leaf := gatetest.Must(ca.GenerateTSALeafCert(time.Now().Add(-time.Minute), s.tsaKey, s.tsa.certificate, s.tsa.key))
	s.rekor2 = gatetest.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	start := time.Now().Add(-time.Hour)
	cas := []root.CertificateAuthority{&root.FulcioCertificateAuthority{
		Root: rootCert, Intermediates: []*x509.Certificate{s.fulcio.certificate}, ValidityPeriodStart: start, URI: "https://fulcio.localhost",
	}}
	tsas := []root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{
		Root: rootCert, Intermediates: []*x509.Certificate{s.tsa.certificate}, Leaf: leaf, ValidityPeriodStart: start, URI: "https://tsa.localhost",
	}}
	s.tsa.certificate = leaf
	logs := decodeIDs(s.vs.RekorLogs())
	id := logID(s.rekor2)
	logs[hex.EncodeToString(id)] = &root.TransparencyLog{
		BaseURL: "https://" + rekor2Origin, ID: id, ValidityPeriodStart: start, HashFunc: crypto.SHA256, PublicKey: s.rekor2.Public(), SignatureHashFunc: crypto.SHA256,
	}
	s.Root = trustedRoot(cas, nil, tsas, logs)
	s.RootCT = trustedRoot(cas, decodeIDs(s.vs.CTLogs()), tsas, logs)
}

func trustedRoot(cas []root.CertificateAuthority, ct map[string]*root.TransparencyLog, tsas []root.TimestampingAuthority, logs map[string]*root.TransparencyLog) []byte {
	return gatetest.Must(gatetest.Must(root.NewTrustedRoot(root.TrustedRootMediaType01, cas, ct, tsas, logs)).MarshalJSON())
}

// decodeIDs repairs the ids of the logs of VirtualSigstore, which are hexadecimal
// where a trusted root has bytes.
func decodeIDs(logs map[string]*root.TransparencyLog) map[string]*root.TransparencyLog {
	for id, l := range logs {
		l.ID, _ = hex.DecodeString(id)
	}
	return logs
}

func logID(k *ecdsa.PrivateKey) []byte {
	sum := sha256.Sum256(gatetest.Must(x509.MarshalPKIXPublicKey(k.Public())))
	return sum[:]
}

// Claims are what a token says.
type Claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Email    string `json:"email,omitempty"`
	Verified bool   `json:"email_verified,omitempty"`
	Workflow string `json:"job_workflow_ref,omitempty"` // of GitHub
}

// Token returns an unsigned token with the claims.
func Token(c Claims) string {
	body, _ := json.Marshal(c)
	return "e30." + base64.RawURLEncoding.EncodeToString(body) + ".c2ln"
}

// GitHub is the issuer of GitHub's tokens.
const GitHub = "https://token.actions.githubusercontent.com"

// Workflow is the identity of a release workflow.
const Workflow = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3"

// WorkflowToken returns a token of [Workflow].
func WorkflowToken() string {
	return Token(Claims{Issuer: GitHub, Subject: "repo:acme/app:ref:refs/tags/v1.2.3", Workflow: strings.TrimPrefix(Workflow, "https://github.com/")})
}

// githubToken answers as the service of GitHub does.
func (s *Sigstore) githubToken(w http.ResponseWriter, q *http.Request) error {
	if q.Header.Get("Authorization") != "bearer runner" || q.URL.Query().Get("audience") != "sigstore" {
		return fmt.Errorf("the request has no credential or another audience: %s", q.URL.RawQuery)
	}
	return json.NewEncoder(w).Encode(map[string]any{"count": 1, "value": WorkflowToken()})
}

// signingCert answers as Fulcio does.
func (s *Sigstore) signingCert(w http.ResponseWriter, q *http.Request) error {
	parts := strings.Split(strings.TrimPrefix(q.Header.Get("Authorization"), "Bearer "), ".")
	if len(parts) != 3 {
		return fmt.Errorf("no token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	var claims Claims
	if err := json.Unmarshal(payload, &claims); err != nil {
		return err
	}
	var body struct {
		PublicKeyRequest struct {
			PublicKey         struct{ Content string }
			ProofOfPossession []byte
		}
	}
	if err := json.NewDecoder(q.Body).Decode(&body); err != nil {
		return err
	}
	pub, err := cryptoutils.UnmarshalPEMToPublicKey([]byte(body.PublicKeyRequest.PublicKey.Content))
	if err != nil {
		return err
	}
	v, err := signature.LoadDefaultVerifier(pub)
	if err != nil {
		return err
	}
	if err := v.VerifySignature(bytes.NewReader(body.PublicKeyRequest.ProofOfPossession), strings.NewReader(cmp.Or(claims.Email, claims.Subject))); err != nil {
		return fmt.Errorf("the key is not proven: %w", err)
	}
	der, err := s.Certificate(claims, pub, time.Now())
	if err != nil {
		return err
	}
	chain := []string{pemOf(der), pemOf(s.fulcio.certificate.Raw), pemOf(s.fulcio.issuer.Raw)}
	return json.NewEncoder(w).Encode(map[string]any{"signedCertificateEmbeddedSct": map[string]any{"chain": map[string]any{"certificates": chain}}})
}

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// Certificate makes the certificate that Fulcio makes for the claims.
func (s *Sigstore) Certificate(c Claims, pub crypto.PublicKey, at time.Time) ([]byte, error) {
	issuer, err := asn1.MarshalWithParams(c.Issuer, "utf8")
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(at.UnixNano()), NotBefore: at.Add(-time.Second), NotAfter: at.Add(10 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}, Value: []byte(c.Issuer)},
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}, Value: issuer},
		},
	}
	switch {
	case c.Email != "":
		template.EmailAddresses = []string{c.Email}
	case c.Workflow != "":
		template.URIs = []*url.URL{{Scheme: "https", Host: "github.com", Path: "/" + c.Workflow}}
	default:
		u, err := url.Parse(c.Subject)
		if err != nil {
			return nil, err
		}
		template.URIs = []*url.URL{u}
	}
	return x509.CreateCertificate(rand.Reader, template, s.fulcio.certificate, pub, s.fulcio.key)
}

// timestamp answers as a timestamp authority does.
func (s *Sigstore) timestamp(w http.ResponseWriter, q *http.Request) error {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return err
	}
	asked, err := timestamp.ParseRequest(body)
	if err != nil {
		return err
	}
	answer := timestamp.Timestamp{
		HashAlgorithm: asked.HashAlgorithm, HashedMessage: asked.HashedMessage, Time: time.Now(), Nonce: asked.Nonce,
		Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}, ExtraExtensions: asked.Extensions,
	}
	raw, err := answer.CreateResponseWithOpts(s.tsa.certificate, s.tsaKey, crypto.SHA256)
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	_, err = w.Write(raw)
	return err
}
