package provetest

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	"github.com/go-openapi/runtime"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	rekortiles "github.com/sigstore/rekor-tiles/v2/pkg/generated/protobuf"
	rekornote "github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/types"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1" // the only kind of entry here
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore/pkg/signature"
	formats "github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/encoding/protojson"
)

// logEntry answers as Rekor of version 1 does.
func (s *Sigstore) logEntry(w http.ResponseWriter, q *http.Request) error {
	proposed, err := models.UnmarshalProposedEntry(q.Body, runtime.JSONConsumer())
	if err != nil {
		return err
	}
	entry, err := types.CreateVersionedEntry(proposed)
	if err != nil {
		return err
	}
	body, err := types.CanonicalizeEntry(q.Context(), entry)
	if err != nil {
		return err
	}
	id, err := s.vs.RekorLogID()
	if err != nil {
		return err
	}
	at, index := time.Now().Unix(), int64(0)
	promise, err := s.vs.RekorSignPayload(tlog.RekorPayload{Body: base64.StdEncoding.EncodeToString(body), IntegratedTime: at, LogIndex: index, LogID: id})
	if err != nil {
		return err
	}
	proof, err := s.vs.GetInclusionProof(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	return json.NewEncoder(w).Encode(models.LogEntry{hex.EncodeToString(rfc6962.DefaultHasher.HashLeaf(body)): {
		Body: base64.StdEncoding.EncodeToString(body), IntegratedTime: &at, LogID: &id, LogIndex: &index,
		Verification: &models.LogEntryAnonVerification{InclusionProof: proof, SignedEntryTimestamp: promise},
	}})
}

// logEntry2 answers as Rekor of version 2 does: with a proof, and without a time.
func (s *Sigstore) logEntry2(w http.ResponseWriter, q *http.Request) error {
	raw, err := io.ReadAll(q.Body)
	if err != nil {
		return err
	}
	var asked rekortiles.CreateEntryRequest
	if err := protojson.Unmarshal(raw, &asked); err != nil {
		return err
	}
	h := asked.GetHashedRekordRequestV002()
	serialized, err := protojson.Marshal(&rekortiles.Entry{
		ApiVersion: "0.0.2", Kind: "hashedrekord",
		Spec: &rekortiles.Spec{Spec: &rekortiles.Spec_HashedRekordV002{HashedRekordV002: &rekortiles.HashedRekordLogEntryV002{
			Data: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: h.GetDigest()}, Signature: h.GetSignature(),
		}}},
	})
	if err != nil {
		return err
	}
	body, err := jsoncanonicalizer.Transform(serialized)
	if err != nil {
		return err
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(body)
	checkpoint, err := s.checkpoint(leaf)
	if err != nil {
		return err
	}
	answer, err := protojson.Marshal(&protorekor.TransparencyLogEntry{
		LogId: &protocommon.LogId{KeyId: logID(s.rekor2)}, KindVersion: &protorekor.KindVersion{Kind: "hashedrekord", Version: "0.0.2"}, CanonicalizedBody: body,
		InclusionProof: &protorekor.InclusionProof{TreeSize: 1, RootHash: leaf, Checkpoint: &protorekor.Checkpoint{Envelope: checkpoint}},
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	_, err = w.Write(answer)
	return err
}

// checkpoint signs a tree of one leaf.
func (s *Sigstore) checkpoint(leaf []byte) (string, error) {
	signer, err := signature.LoadECDSASignerVerifier(s.rekor2, crypto.SHA256)
	if err != nil {
		return "", err
	}
	n, err := rekornote.NewNoteSigner(context.Background(), rekor2Origin, signer)
	if err != nil {
		return "", err
	}
	signed, err := note.Sign(&note.Note{Text: string(formats.Checkpoint{Origin: rekor2Origin, Size: 1, Hash: leaf}.Marshal())}, n)
	return string(signed), err
}
