package prove

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json/v2"
	"encoding/pem"
	"errors"
	"fmt"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// Annotations of cosign.
const (
	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	annotationBundle      = "dev.sigstore.cosign/bundle"
	annotationTimestamp   = "dev.sigstore.cosign/rfc3161timestamp"
)

// bundleOf returns the attachment as a Sigstore bundle. What cosign keeps in
// annotations is put where a bundle has it, so that one verifier reads all forms.
func (a *Attachment) bundleOf() (*bundle.Bundle, error) {
	if len(a.Raw) > maxBundle {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(a.Raw), maxBundle)
	}
	if a.Form == FormBundle {
		return ParseBundle(a.Raw)
	}
	material, err := a.material()
	if err != nil {
		return nil, err
	}
	b := &protobundle.Bundle{MediaType: bundlePrefix + "+json;version=0.1", VerificationMaterial: material}
	switch a.Form {
	case FormEnvelope:
		b.Content, err = envelopeContent(a.Raw)
	case FormSimple:
		b.Content, err = a.simpleContent()
	default:
		err = fmt.Errorf("unknown form %q", a.Form)
	}
	if err != nil {
		return nil, err
	}
	out, err := bundle.NewBundle(b)
	if err != nil {
		return nil, foreign(err)
	}
	return out, nil
}

// ParseBundle reads a Sigstore bundle.
func ParseBundle(raw []byte) (*bundle.Bundle, error) {
	if len(raw) > maxBundle {
		return nil, fmt.Errorf("the bundle has %d bytes, more than %d", len(raw), maxBundle)
	}
	var b bundle.Bundle
	if err := b.UnmarshalJSON(raw); err != nil {
		return nil, fmt.Errorf("the bundle cannot be read: %w", foreign(err))
	}
	return &b, nil
}

// envelopeContent reads a DSSE envelope.
func envelopeContent(raw []byte) (*protobundle.Bundle_DsseEnvelope, error) {
	var e struct {
		PayloadType string `json:"payloadType"`
		Payload     []byte `json:"payload"`
		Signatures  []struct {
			KeyID string `json:"keyid"`
			Sig   []byte `json:"sig"`
		} `json:"signatures"`
	}
	if err := strictjson.Unmarshal(raw, &e, strictjson.AllowUnknownKeys()); err != nil {
		return nil, fmt.Errorf("the envelope cannot be read: %w", err)
	}
	out := &protodsse.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}
	for _, s := range e.Signatures {
		out.Signatures = append(out.Signatures, &protodsse.Signature{Keyid: s.KeyID, Sig: s.Sig})
	}
	return &protobundle.Bundle_DsseEnvelope{DsseEnvelope: out}, nil
}

// simpleContent is the signature of a payload of cosign.
func (a *Attachment) simpleContent() (*protobundle.Bundle_MessageSignature, error) {
	sig, err := base64.StdEncoding.DecodeString(a.Annotations[annotationSignature])
	if err != nil || len(sig) == 0 {
		return nil, errors.New("the annotation with the signature is missing or no base64")
	}
	sum := sha256.Sum256(a.Raw)
	return &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
		MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: sum[:]},
		Signature:     sig,
	}}, nil
}

// material is the certificate, the log entry and the timestamp of annotations.
func (a *Attachment) material() (*protobundle.VerificationMaterial, error) {
	m := &protobundle.VerificationMaterial{}
	if text := a.Annotations[annotationCertificate]; text != "" {
		block, _ := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("the annotation with the certificate is no PEM")
		}
		m.Content = &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: &protocommon.X509CertificateChain{
			Certificates: []*protocommon.X509Certificate{{RawBytes: block.Bytes}},
		}}
	} else {
		m.Content = &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{}}
	}
	if text := a.Annotations[annotationBundle]; text != "" {
		entry, err := logEntry([]byte(text))
		if err != nil {
			return nil, err
		}
		m.TlogEntries = []*rekorv1.TransparencyLogEntry{entry}
	}
	if text := a.Annotations[annotationTimestamp]; text != "" {
		var t struct{ SignedRFC3161Timestamp []byte }
		if err := strictjson.Unmarshal([]byte(text), &t, strictjson.AllowUnknownKeys()); err != nil {
			return nil, fmt.Errorf("the annotation with the timestamp cannot be read: %w", err)
		}
		m.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: t.SignedRFC3161Timestamp}},
		}
	}
	return m, nil
}

// logEntry reads an entry of Rekor v1 as cosign keeps it: with the promise of the
// log to include it, and without a proof.
func logEntry(raw []byte) (*rekorv1.TransparencyLogEntry, error) {
	var b struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		}
	}
	if err := strictjson.Unmarshal(raw, &b, strictjson.AllowUnknownKeys()); err != nil {
		return nil, fmt.Errorf("the annotation with the log entry cannot be read: %w", err)
	}
	id, err := hex.DecodeString(b.Payload.LogID)
	if err != nil {
		return nil, errors.New("the annotation with the log entry: logID is not hexadecimal")
	}
	var kind struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	if err := json.Unmarshal(b.Payload.Body, &kind); err != nil {
		return nil, fmt.Errorf("the annotation with the log entry: its body cannot be read: %w", foreign(err))
	}
	return &rekorv1.TransparencyLogEntry{
		LogIndex: b.Payload.LogIndex, LogId: &protocommon.LogId{KeyId: id}, IntegratedTime: b.Payload.IntegratedTime,
		KindVersion:       &rekorv1.KindVersion{Kind: kind.Kind, Version: kind.Version},
		InclusionPromise:  &rekorv1.InclusionPromise{SignedEntryTimestamp: b.SignedEntryTimestamp},
		CanonicalizedBody: b.Payload.Body,
	}, nil
}
