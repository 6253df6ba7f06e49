package prove

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/digitorus/timestamp"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	rekortiles "github.com/sigstore/rekor-tiles/v2/pkg/generated/protobuf"
	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/tle"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1" // tle reads entries of this kind
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"
	"google.golang.org/protobuf/encoding/protojson"
)

// confirmation has a signature confirmed by a log and by a timestamp authority.
type confirmation struct {
	signing     *Signing
	ctx         context.Context //nolint:containedctx // lives as long as one signature
	client      *http.Client
	envelope    *protodsse.Envelope
	signed      []byte // what was signed
	signature   []byte
	certificate []byte // DER; nil for a key
}

// timestamp returns the answer of the timestamp authority.
func (c *confirmation) timestamp() ([]byte, error) {
	sum := sha256.Sum256(c.signature)
	body, err := (&timestamp.Request{HashAlgorithm: crypto.SHA256, HashedMessage: sum[:]}).Marshal()
	if err != nil {
		return nil, err
	}
	answer, err := post(c.ctx, c.client, "the timestamp authority", c.signing.services.Timestamps, "application/timestamp-query", body, nil)
	if err != nil {
		return nil, err
	}
	stamp, err := timestamp.ParseResponse(answer)
	if err != nil {
		return nil, fmt.Errorf("the answer of the timestamp authority cannot be read: %w", err)
	}
	if !bytes.Equal(stamp.HashedMessage, sum[:]) {
		return nil, errors.New("the timestamp authority answers about another signature")
	}
	return answer, nil
}

// logEntry enters the signature in the log.
func (c *confirmation) logEntry() (*rekorv1.TransparencyLogEntry, error) {
	if c.signing.services.RekorVersion == 2 {
		return c.logEntry2()
	}
	return c.logEntry1()
}

// logEntry1 enters it in a log of version 1.
func (c *confirmation) logEntry1() (*rekorv1.TransparencyLogEntry, error) {
	envelope, err := json.Marshal(c.envelope)
	if err != nil {
		return nil, err
	}
	verifier, err := c.verifierPEM()
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "0.0.1", "kind": "dsse",
		"spec": map[string]any{"proposedContent": map[string]any{"envelope": string(envelope), "verifiers": [][]byte{verifier}}},
	})
	if err != nil {
		return nil, err
	}
	answer, err := c.log("/api/v1/log/entries", body)
	if err != nil {
		return nil, err
	}
	var entries models.LogEntry
	if err := json.Unmarshal(answer, &entries); err != nil {
		return nil, fmt.Errorf("the answer of the log cannot be read: %w", err)
	}
	for _, e := range entries {
		if len(entries) == 1 && complete(&e) {
			return tle.GenerateTransparencyLogEntry(e)
		}
	}
	return nil, errors.New("the answer of the log is not one complete entry")
}

// complete reports whether an entry has what is read of it without a check.
func complete(e *models.LogEntryAnon) bool {
	v := e.Verification
	if e.LogID == nil || e.LogIndex == nil || e.IntegratedTime == nil || v == nil || v.InclusionProof == nil {
		return false
	}
	p := v.InclusionProof
	return p.RootHash != nil && p.LogIndex != nil && p.TreeSize != nil && p.Checkpoint != nil
}

// verifierPEM is the certificate, otherwise the public key.
func (c *confirmation) verifierPEM() ([]byte, error) {
	if c.certificate != nil {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.certificate}), nil
	}
	return c.signing.pair.publicPEM()
}

// logEntry2 enters it in a log of version 2, which keeps the hash of what was signed.
func (c *confirmation) logEntry2() (*rekorv1.TransparencyLogEntry, error) {
	pair := c.signing.pair
	details, err := signature.GetDefaultAlgorithmDetails(pair.public, options.WithED25519ph())
	if err != nil {
		return nil, err
	}
	if pair.details.GetHashType() == 0 {
		return nil, errors.New("a log of version 2 takes no signature of a key of the kind Ed25519: use another key, or a log of version 1")
	}
	verifier := &rekortiles.Verifier{KeyDetails: details.GetSignatureAlgorithm()}
	if c.certificate != nil {
		verifier.Verifier = &rekortiles.Verifier_X509Certificate{X509Certificate: &protocommon.X509Certificate{RawBytes: c.certificate}}
	} else {
		der, err := x509.MarshalPKIXPublicKey(pair.public)
		if err != nil {
			return nil, err
		}
		verifier.Verifier = &rekortiles.Verifier_PublicKey{PublicKey: &rekortiles.PublicKey{RawBytes: der}}
	}
	sum := details.GetHashType().New()
	sum.Write(c.signed)
	body, err := protojson.Marshal(&rekortiles.CreateEntryRequest{Spec: &rekortiles.CreateEntryRequest_HashedRekordRequestV002{
		HashedRekordRequestV002: &rekortiles.HashedRekordRequestV002{
			Digest: sum.Sum(nil), Signature: &rekortiles.Signature{Content: c.signature, Verifier: verifier},
		},
	}})
	if err != nil {
		return nil, err
	}
	answer, err := c.log("/api/v2/log/entries", body)
	if err != nil {
		return nil, err
	}
	var out rekorv1.TransparencyLogEntry
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(answer, &out); err != nil {
		return nil, fmt.Errorf("the answer of the log cannot be read: %w", err)
	}
	return &out, nil
}

func (c *confirmation) log(path string, body []byte) ([]byte, error) {
	address := strings.TrimRight(c.signing.services.Rekor, "/") + path
	return post(c.ctx, c.client, "the log", address, "application/json", body, nil)
}

// post makes a request to a service and returns its answer.
func post(ctx context.Context, client *http.Client, who, address, contentType string, body []byte, header http.Header) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if header != nil {
		q.Header = header
	}
	q.Header.Set("Content-Type", contentType)
	resp, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers with status %d: %s", who, resp.StatusCode, answer)
	}
	return answer, nil
}
