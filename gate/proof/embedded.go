package proof

import (
	"context"
	"io"
	"strings"

	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Bounds of what an index may hold of attestations.
const (
	maxEmbedded      = 16      // manifests for one platform
	maxEmbeddedBytes = 8 << 20 // of one statement
)

// The annotations of an index that BuildKit wrote.
const (
	annotationType    = "vnd.docker.reference.type"
	annotationSubject = "vnd.docker.reference.digest"
	attestationType   = "attestation-manifest"
	statementType     = "application/vnd.in-toto+json"
)

// manifest is what has to be known of a manifest or an index.
type manifest struct {
	Annotations map[string]string `json:"annotations"`
	Manifests   []descriptor      `json:"manifests"`
	Layers      []descriptor      `json:"layers"`
}

type descriptor struct {
	promote.Descriptor
	Annotations map[string]string `json:"annotations"`
}

// manifest reads a manifest once: the platforms of an image share their index.
func (w *work) manifest(ctx context.Context, digest string) (*manifest, error) {
	return w.manifests.get(w.repo.Name()+"@"+digest, func() (*manifest, error) {
		m, err := w.repo.Manifest(ctx, digest)
		if err != nil {
			return nil, err
		}
		var d manifest
		return &d, strictjson.Unmarshal(m.Raw, &d, strictjson.AllowUnknownKeys())
	})
}

// embedded reads the attestations that are part of the index, and the annotations
// that name the base image. They are not signed by themselves.
func (w *work) embedded(ctx context.Context) {
	if w.proof.Base != nil {
		if m, err := w.manifest(ctx, w.img.Digest); err == nil {
			w.fromAnnotations(m.Annotations, "annotation")
		}
	}
	if w.img.IndexDigest == "" {
		return
	}
	index, err := w.manifest(ctx, w.img.IndexDigest)
	if err != nil {
		w.gap(w.img.IndexDigest, "the index cannot be read: %v", err)
		return
	}
	w.fromAnnotations(index.Annotations, "annotation of the index")
	read := 0
	for _, d := range index.Manifests {
		switch {
		case d.Digest == w.img.Digest:
			w.fromAnnotations(d.Annotations, "annotation in the index")
		case d.Annotations[annotationType] != attestationType || d.Annotations[annotationSubject] != w.img.Digest:
		case read >= maxEmbedded:
			w.refuse(d.Digest, "the index has too many attestations")
		default:
			read++
			w.attestation(ctx, d.Digest)
		}
	}
}

// attestation reads one manifest of attestations.
func (w *work) attestation(ctx context.Context, digest string) {
	from := "index, " + digest
	m, err := w.manifest(ctx, digest)
	if err != nil {
		w.gap(from, "the attestations in the index cannot be read: %v", err)
		return
	}
	for _, l := range m.Layers[:min(len(m.Layers), maxEmbedded)] {
		if l.MediaType != statementType || !strings.Contains(l.Annotations["in-toto.io/predicate-type"], "provenance") {
			continue // bills of materials can be large, and no rule asks for them
		}
		if l.Size > maxEmbeddedBytes {
			w.refuse(from, "the statement is too large")
			continue
		}
		raw, err := w.blob(ctx, l.Descriptor)
		if err != nil {
			w.gap(from, "the statement %s cannot be read: %v", l.Digest, err)
			continue
		}
		s, err := prove.ParseStatement(raw)
		switch {
		case err != nil:
			w.refuse(from, err.Error())
		case !s.About(w.img.Digest):
			w.refuse(from, "the statement is about another image")
		default:
			w.statement(s, evidence.Statement{Subject: w.img.Digest, From: from, Embedded: true})
		}
	}
}

func (w *work) blob(ctx context.Context, d promote.Descriptor) ([]byte, error) {
	body, err := w.repo.OpenBlob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, maxEmbeddedBytes+1))
}
