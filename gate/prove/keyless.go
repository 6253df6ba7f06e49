package prove

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sigstore/sigstore-go/pkg/sign"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// audience is for whom a token of identity is issued.
const audience = "sigstore"

// spare is how long a certificate must be valid yet to be used once more.
const spare = 2 * time.Minute

// owned is a key that lives as long as the program, and a certificate for it. The
// statements of one run share it: each new one would be a request to the authority,
// and an entry in its public log.
type owned struct {
	mu          sync.Mutex
	pair        *sign.EphemeralKeypair
	certificate []byte
	until       time.Time
	signing     *Signing
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
	pair, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		return nil, err
	}
	out := &Signing{services: s, token: token, open: func(context.Context) (sign.Keypair, error) { return pair, nil }}
	out.owned = &owned{pair: pair, signing: out}
	return out, nil
}

// GetCertificate implements sign.CertificateProvider.
func (o *owned) GetCertificate(ctx context.Context, pair sign.Keypair, _ *sign.CertificateProviderOptions) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Until(o.until) > spare {
		return o.certificate, nil
	}
	token, err := o.signing.token(ctx)
	if err != nil {
		return nil, err
	}
	fulcio := sign.NewFulcio(&sign.FulcioOptions{BaseURL: strings.TrimRight(o.signing.services.Fulcio, "/"), Timeout: -1, Transport: o.signing.transport(ctx)})
	der, err := fulcio.GetCertificate(ctx, pair, &sign.CertificateProviderOptions{IDToken: token})
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
