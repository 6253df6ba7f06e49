package prove

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sigstore/sigstore/pkg/oauthflow"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// audience is for whom a token of identity is issued.
const audience = "sigstore"

// spare is how long a certificate must be valid yet to be used once more.
const spare = 2 * time.Minute

// owned is the certificate of a key that lives as long as the program. The statements
// of one run share it: each new one would be a request to the authority, and an entry
// in its public log.
type owned struct {
	signing     *Signing
	token       func(context.Context) (string, error)
	mu          sync.Mutex
	certificate []byte
	until       time.Time
}

// KeylessSigning signs with an identity. token returns a token that an OIDC issuer
// gave for the audience sigstore.
func KeylessSigning(token func(context.Context) (string, error), s Services) (*Signing, error) {
	if s.Rekor == "" && s.Timestamps == "" {
		return nil, errors.New("an identity needs a log or a timestamp authority: its certificate lives ten minutes, and later somebody has to confirm when it was used")
	}
	if s.RekorVersion == 2 && s.Timestamps == "" {
		return nil, errors.New("a log of version 2 confirms no time: name a timestamp authority as well")
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := signature.LoadDefaultSigner(private)
	if err != nil {
		return nil, err
	}
	pair, err := newKeypair(signer)
	if err != nil {
		return nil, err
	}
	out := &Signing{services: s, pair: pair}
	out.owned = &owned{signing: out, token: token}
	return out, nil
}

// get returns a certificate that is valid for a while yet.
func (o *owned) get(ctx context.Context) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Until(o.until) > spare {
		return o.certificate, nil
	}
	token, err := o.token(ctx)
	if err != nil {
		return nil, err
	}
	der, err := o.ask(ctx, token)
	if err != nil {
		// An authority may echo the token.
		return nil, errors.New(strings.ReplaceAll(err.Error(), token, "TOKEN"))
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("the certificate of the authority cannot be read: %w", err)
	}
	o.certificate, o.until = der, c.NotAfter
	return der, nil
}

// ask asks Fulcio for a certificate. The signature over the subject of the token
// proves that we have the key.
func (o *owned) ask(ctx context.Context, token string) ([]byte, error) {
	subject, err := subjectOf(token)
	if err != nil {
		return nil, err
	}
	proof, err := o.signing.pair.sign(ctx, []byte(subject))
	if err != nil {
		return nil, err
	}
	public, err := o.signing.pair.publicPEM()
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{"publicKeyRequest": map[string]any{
		"publicKey": map[string]string{"algorithm": "ECDSA", "content": string(public)}, "proofOfPossession": proof,
	}})
	if err != nil {
		return nil, err
	}
	address := strings.TrimRight(o.signing.services.Fulcio, "/") + "/api/v2/signingCert"
	answer, err := post(ctx, o.signing.client(ctx), "the certificate authority", address, "application/json", body, http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return nil, err
	}
	type chain struct {
		Chain struct {
			Certificates []string `json:"certificates"`
		} `json:"chain"`
	}
	var got struct {
		Embedded chain `json:"signedCertificateEmbeddedSct"`
		Detached chain `json:"signedCertificateDetachedSct"`
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		return nil, fmt.Errorf("the answer of the certificate authority cannot be read: %w", err)
	}
	certificates := append(got.Embedded.Chain.Certificates, got.Detached.Chain.Certificates...)
	if len(certificates) == 0 {
		return nil, errors.New("the certificate authority gave no certificate")
	}
	block, _ := pem.Decode([]byte(certificates[0]))
	if block == nil {
		return nil, errors.New("the certificate of the authority is no PEM")
	}
	return block.Bytes, nil
}

// subjectOf returns whom a token is about. The authority verifies the token.
func subjectOf(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("the token of the identity is no JSON web token")
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", errors.New("the token of the identity is no JSON web token")
	}
	return oauthflow.SubjectFromUnverifiedToken(claims)
}

// GitHubToken asks GitHub for a token of identity, at the address and with the
// credential that it gives to a job with the permission id-token: write.
func GitHubToken(ctx context.Context, transport http.RoundTripper, address, credential string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is no address")
	}
	query := u.Query()
	query.Set("audience", audience)
	u.RawQuery = query.Encode()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	q.Header.Set("Authorization", "bearer "+credential)
	client := &http.Client{Transport: &service{ctx: ctx, next: transport}}
	resp, err := client.Do(q)
	if err != nil {
		return "", fmt.Errorf("ask GitHub for a token: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return "", fmt.Errorf("ask GitHub for a token: %w", err)
	case resp.StatusCode != http.StatusOK:
		return "", fmt.Errorf("ask GitHub for a token: it answers with status %d", resp.StatusCode)
	}
	var t struct {
		Value string `json:"value"`
	}
	if err := strictjson.Unmarshal(raw, &t, strictjson.AllowUnknownKeys()); err != nil || t.Value == "" {
		return "", errors.New("ask GitHub for a token: its answer holds none")
	}
	return t.Value, nil
}
