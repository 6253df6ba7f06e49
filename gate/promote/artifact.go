package promote

import (
	"context"
	"encoding/json/v2"
)

// fileManifest is the manifest of an artifact of OCI 1.1 with one layer.
type fileManifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	ArtifactType  string       `json:"artifactType"`
	Config        Descriptor   `json:"config"`
	Layers        []Descriptor `json:"layers"`
}

// PushFile stores a file as an artifact with an empty config and one layer, lets the
// tag name it unless that is "", and returns its digest.
func PushFile(ctx context.Context, target Target, tag, artifactType, layerType string, file []byte) (string, error) {
	m := fileManifest{
		SchemaVersion: 2, MediaType: manifestType, ArtifactType: artifactType,
		Config: Describe(emptyType, []byte(emptyBlob)), Layers: []Descriptor{Describe(layerType, file)},
	}
	if err := PutBlob(ctx, target, emptyType, []byte(emptyBlob)); err != nil {
		return "", err
	}
	if err := PutBlob(ctx, target, layerType, file); err != nil {
		return "", err
	}
	raw, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		return "", err
	}
	document := Manifest{Raw: raw, Descriptor: Describe(manifestType, raw)}
	if err := target.PutManifest(ctx, document); err != nil {
		return "", err
	}
	if tag == "" {
		return document.Digest, nil
	}
	return document.Digest, target.PutTag(ctx, tag, document)
}
