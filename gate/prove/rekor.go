package prove

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	rekortiles "github.com/sigstore/rekor-tiles/v2/pkg/generated/protobuf"
	"github.com/sigstore/rekor/pkg/generated/client/entries"
	"github.com/sigstore/rekor/pkg/generated/models"
	"google.golang.org/protobuf/encoding/protojson"
)

// rekor writes to a transparency log of version 1 or 2. The clients of the projects
// cannot be given a transport, so they know neither our certificates nor our bounds.
// It implements the clients that sigstore-go takes.
type rekor struct {
	ctx    context.Context //nolint:containedctx // the interface of version 1 has none
	url    string
	client *http.Client
}

// CreateLogEntry writes to a log of version 1.
func (r *rekor) CreateLogEntry(params *entries.CreateLogEntryParams, _ ...entries.ClientOption) (*entries.CreateLogEntryCreated, error) {
	body, err := json.Marshal(params.ProposedEntry)
	if err != nil {
		return nil, err
	}
	answer, err := r.post(r.ctx, "/api/v1/log/entries", body)
	if err != nil {
		return nil, err
	}
	var entry models.LogEntry
	if err := json.Unmarshal(answer, &entry); err != nil {
		return nil, fmt.Errorf("the answer of the log cannot be read: %w", foreign(err))
	}
	for id, e := range entry {
		if len(entry) == 1 && complete(&e) {
			return &entries.CreateLogEntryCreated{ETag: id, Payload: entry}, nil
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

// Add writes to a log of version 2.
func (r *rekor) Add(ctx context.Context, entry any) (*rekorv1.TransparencyLogEntry, error) {
	q, ok := entry.(*rekortiles.HashedRekordRequestV002)
	if !ok {
		return nil, fmt.Errorf("the log takes no entry of the type %T", entry)
	}
	body, err := protojson.Marshal(&rekortiles.CreateEntryRequest{Spec: &rekortiles.CreateEntryRequest_HashedRekordRequestV002{HashedRekordRequestV002: q}})
	if err != nil {
		return nil, err
	}
	answer, err := r.post(ctx, "/api/v2/log/entries", body)
	if err != nil {
		return nil, err
	}
	var out rekorv1.TransparencyLogEntry
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(answer, &out); err != nil {
		return nil, fmt.Errorf("the answer of the log cannot be read: %w", foreign(err))
	}
	return &out, nil
}

func (r *rekor) post(ctx context.Context, path string, body []byte) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(r.url, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Accept", "application/json")
	resp, err := r.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the log answers with status %d: %w", resp.StatusCode, foreign(errors.New(string(answer))))
	}
	return answer, nil
}
