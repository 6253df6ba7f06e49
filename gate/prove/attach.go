package prove

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/gate/strictjson"
)

const (
	bundleType   = "application/vnd.dev.sigstore.bundle.v0.3+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	emptyType    = "application/vnd.oci.empty.v1+json"
	empty        = "{}"
)

// Places says where a bundle is attached.
type Places struct {
	Referrer bool // as a manifest that refers to the image, which needs OCI 1.1 or its fallback
	Tag      bool // under the tag of older versions of cosign, sha256-HEX.att
}

// manifest is an OCI manifest as it is written.
type manifest struct {
	SchemaVersion int                 `json:"schemaVersion"`
	MediaType     string              `json:"mediaType"`
	ArtifactType  string              `json:"artifactType,omitempty"`
	Config        promote.Descriptor  `json:"config"`
	Layers        []layer             `json:"layers"`
	Subject       *promote.Descriptor `json:"subject,omitempty"`
	Annotations   map[string]string   `json:"annotations,omitempty"`
}

// Attach attaches a bundle to the manifest subject of a repository. The referrer
// comes first: where tags are immutable, a second .att cannot be written.
func Attach(ctx context.Context, target promote.Target, subject promote.Descriptor, raw []byte, to Places, now time.Time) error {
	b, err := ParseBundle(raw)
	if err != nil {
		return err
	}
	if to.Referrer {
		if err := attachReferrer(ctx, target, subject, b, raw, now); err != nil {
			return fmt.Errorf("attach the decision to %s in %s: %w", subject.Digest, target.Name(), err)
		}
	}
	if to.Tag {
		if err := attachTag(ctx, target, subject, b); err != nil {
			return fmt.Errorf("attach the decision to %s in %s under a tag: %w", subject.Digest, target.Name(), err)
		}
	}
	return nil
}

func attachReferrer(ctx context.Context, target promote.Target, subject promote.Descriptor, b *bundle.Bundle, raw []byte, now time.Time) error {
	predicate := ""
	if e := b.GetDsseEnvelope(); e != nil {
		if s, err := ParseStatement(e.GetPayload()); err == nil {
			predicate = s.PredicateType
		}
	}
	m := manifest{
		SchemaVersion: 2, MediaType: manifestType, ArtifactType: bundleType,
		Config: promote.Describe(emptyType, []byte(empty)), Layers: []layer{{Descriptor: promote.Describe(bundleType, raw)}}, Subject: &subject,
		Annotations: map[string]string{ // those that cosign writes, and looks for
			"dev.sigstore.bundle.content":       "dsse-envelope",
			"dev.sigstore.bundle.predicateType": predicate,
			"org.opencontainers.image.created":  now.UTC().Format(time.RFC3339),
		},
	}
	document, err := push(ctx, target, m, []byte(empty), raw)
	if err != nil {
		return err
	}
	return promote.AttachReferrer(ctx, target, subject.Digest, document)
}

// attachTag attaches the envelope as cosign did before bundles: the certificate and
// the log entry are annotations.
func attachTag(ctx context.Context, target promote.Target, subject promote.Descriptor, b *bundle.Bundle) error {
	envelope, annotations, err := oldForm(b)
	if err != nil {
		return err
	}
	content := promote.Describe(envelopeType, envelope)
	config, err := strictjson.Marshal(map[string]any{
		"architecture": "", "os": "", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{content.Digest}},
	})
	if err != nil {
		return err
	}
	m := manifest{
		SchemaVersion: 2, MediaType: manifestType, Config: promote.Describe(configType, config),
		Layers: []layer{{Descriptor: content, Annotations: annotations}},
	}
	document, err := push(ctx, target, m, config, envelope)
	if err != nil {
		return err
	}
	return promote.AttachTag(ctx, target, promote.CosignTag(subject.Digest, ".att"), document)
}

// oldForm is the envelope and the annotations of cosign before bundles.
func oldForm(b *bundle.Bundle) (envelope []byte, annotations map[string]string, err error) {
	e := b.GetDsseEnvelope()
	if e == nil {
		return nil, nil, errors.New("the bundle holds no statement")
	}
	statement, err := ParseStatement(e.GetPayload())
	if err != nil {
		return nil, nil, err
	}
	// Byte for byte as it was entered in the log: cosign compares the hashes.
	if envelope, err = json.Marshal(e); err != nil {
		return nil, nil, err
	}
	annotations = map[string]string{annotationSignature: "", "predicateType": statement.PredicateType}
	if c := b.GetVerificationMaterial().GetCertificate(); c != nil {
		annotations[annotationCertificate] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.GetRawBytes()}))
	}
	if err := oldEntry(b, annotations); err != nil {
		return nil, nil, err
	}
	for _, t := range b.GetVerificationMaterial().GetTimestampVerificationData().GetRfc3161Timestamps() {
		annotations[annotationTimestamp], err = text(map[string][]byte{"SignedRFC3161Timestamp": t.GetSignedTimestamp()})
	}
	return envelope, annotations, err
}

// oldEntry adds the log entry. One of Rekor version 2 has no promise of the log, and
// the old form no place for its proof.
func oldEntry(b *bundle.Bundle, annotations map[string]string) (err error) {
	for _, entry := range b.GetVerificationMaterial().GetTlogEntries() {
		if entry.GetInclusionPromise() == nil {
			return errors.New("the entry of a log of version 2 cannot be kept under a tag: attach a referrer, or use a log of version 1")
		}
		payload := map[string]any{
			"body": entry.GetCanonicalizedBody(), "integratedTime": entry.GetIntegratedTime(),
			"logIndex": entry.GetLogIndex(), "logID": hex.EncodeToString(entry.GetLogId().GetKeyId()),
		}
		annotations[annotationBundle], err = text(map[string]any{"SignedEntryTimestamp": entry.GetInclusionPromise().GetSignedEntryTimestamp(), "Payload": payload})
	}
	return err
}

func text(v any) (string, error) {
	raw, err := strictjson.Marshal(v)
	return string(raw), err
}

// push uploads the blobs and returns the manifest, which is not put yet.
func push(ctx context.Context, target promote.Target, m manifest, blobs ...[]byte) (promote.Manifest, error) {
	for _, raw := range blobs {
		if err := promote.PutBlob(ctx, target, "application/octet-stream", raw); err != nil {
			return promote.Manifest{}, err
		}
	}
	raw, err := strictjson.Marshal(m)
	if err != nil {
		return promote.Manifest{}, err
	}
	return promote.Manifest{Raw: raw, Descriptor: promote.Describe(manifestType, raw)}, nil
}
