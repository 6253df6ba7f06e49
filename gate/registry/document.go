package registry

import (
	"fmt"
	"mime"
	"slices"
	"strings"
)

// The media types of documents.
const (
	typeOCIIndex       = "application/vnd.oci.image.index.v1+json"
	typeOCIManifest    = "application/vnd.oci.image.manifest.v1+json"
	typeOCIConfig      = "application/vnd.oci.image.config.v1+json"
	typeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	typeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	typeDockerConfig   = "application/vnd.docker.container.image.v1+json"
	typeSchema1        = "application/vnd.docker.distribution.manifest.v1+json"
	typeSchema1Signed  = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

// acceptedTypes is what we ask a registry for, all at once: a second request
// could be answered with something else.
func acceptedTypes() []string {
	return []string{typeOCIIndex, typeOCIManifest, typeDockerList, typeDockerManifest}
}

func isIndexType(t string) bool { return t == typeOCIIndex || t == typeDockerList }

func isManifestType(t string) bool { return t == typeOCIManifest || t == typeDockerManifest }

func isSchema1Type(t string) bool { return t == typeSchema1 || t == typeSchema1Signed }

// descriptor names a document or a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	URLs        []string          `json:"urls"`
	Annotations map[string]string `json:"annotations"`
	Platform    *platform         `json:"platform"`
}

// document is a manifest or an index, and which of the two: exactly one of
// Layers and Manifests is set.
type document struct {
	SchemaVersion int           `json:"schemaVersion"`
	Type          string        `json:"mediaType"`
	Config        *descriptor   `json:"config"`
	Layers        *[]descriptor `json:"layers"`
	Manifests     *[]descriptor `json:"manifests"`
	FSLayers      *[]struct{}   `json:"fsLayers"`
}

func (d *document) isIndex() bool { return d.Manifests != nil }

// documentShape is the keys of manifests and indexes.
func documentShape() shape {
	leaf := shape(nil)
	platform := shape{"architecture": leaf, "os": leaf, "os.version": leaf, "os.features": leaf, "variant": leaf, "features": leaf}
	desc := shape{
		"mediaType": leaf, "digest": leaf, "size": leaf, "urls": leaf, "data": leaf,
		"annotations": leaf, "artifactType": leaf, "platform": platform,
	}
	return shape{
		"schemaVersion": leaf, "mediaType": leaf, "artifactType": leaf, "annotations": leaf,
		"config": desc, "layers": desc, "manifests": desc, "subject": desc,
		"fsLayers": leaf, "signatures": leaf, "history": leaf, "name": leaf, "tag": leaf, "architecture": leaf,
	}
}

// parseDocument reads a manifest or an index whose bytes have been verified.
// claims are the media types that others gave it: the Content-Type header and
// the descriptor that named it, "" where there is none.
func parseDocument(raw []byte, claims ...string) (*document, error) {
	d := new(document)
	if err := decodeStrict(raw, documentShape(), d); err != nil {
		return nil, err
	}
	if d.FSLayers != nil || d.SchemaVersion == 1 || isSchema1Type(d.Type) || slices.ContainsFunc(claims, isSchema1Type) {
		return nil, fmt.Errorf("it is a schema 1 manifest, a format that ended in 2019 and cannot be verified (push the image again with a current tool)")
	}
	if d.SchemaVersion != 2 {
		return nil, fmt.Errorf("its schemaVersion is %d, not 2", d.SchemaVersion)
	}
	// CVE-2021-41190: what the document is would depend on a header.
	image, index := d.Layers != nil || d.Config != nil, d.Manifests != nil
	switch {
	case image && index:
		return nil, fmt.Errorf("it is both an image manifest and an index: tools disagree about which image it is")
	case !image && !index:
		return nil, fmt.Errorf("it is neither an image manifest nor an index (it has no layers and no manifests)")
	case image && d.Config == nil:
		return nil, fmt.Errorf("it has no config")
	case image && d.Layers == nil:
		return nil, fmt.Errorf("it has no list of layers")
	}
	for _, claim := range append(claims, d.Type) {
		if err := d.checkClaim(claim); err != nil {
			return nil, err
		}
	}
	return d, d.checkAgreement(claims)
}

// checkClaim compares what the document is with what it is said to be.
func (d *document) checkClaim(mediaType string) error {
	switch {
	case mediaType == "":
		return nil
	case d.isIndex() && isIndexType(mediaType), !d.isIndex() && isManifestType(mediaType):
		return nil
	case isIndexType(mediaType) || isManifestType(mediaType):
		return fmt.Errorf("its media type is %s, but its content is that of %s: tools disagree about what it is", mediaType, d.noun())
	}
	return fmt.Errorf("its media type %s is not that of an image", quote(mediaType))
}

// checkAgreement compares the media types that were given with each other:
// header, descriptor and document must name the same format.
func (d *document) checkAgreement(claims []string) error {
	first := ""
	for _, t := range append([]string{d.Type}, claims...) {
		if t == "" {
			continue
		}
		if first == "" {
			first = t
		}
		if t != first {
			return fmt.Errorf("its media type is %s in one place and %s in another", first, t)
		}
	}
	return nil
}

func (d *document) noun() string {
	if d.isIndex() {
		return "an index"
	}
	return "an image manifest"
}

// mediaTypeOf reads a Content-Type header. "" is a header that is not there.
func mediaTypeOf(header string) string {
	if header == "" {
		return ""
	}
	t, _, err := mime.ParseMediaType(header)
	if err != nil {
		return header
	}
	return t
}

// checkDescriptor refuses descriptors that do not pin their content.
func checkDescriptor(d *descriptor) error {
	if err := checkDigest(d.Digest); err != nil {
		return err
	}
	if d.Size <= 0 {
		return fmt.Errorf("its descriptor gives it a size of %d bytes", d.Size)
	}
	if d.MediaType == "" {
		return fmt.Errorf("its descriptor has no media type")
	}
	if len(d.URLs) > 0 {
		return fmt.Errorf("its descriptor says to fetch it from elsewhere (urls): such content is never fetched")
	}
	return nil
}

// checkLayerType accepts the media types of file systems.
func checkLayerType(t string) error {
	switch t {
	case "application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd":
		return nil
	}
	switch {
	case strings.Contains(t, "nondistributable") || strings.Contains(t, ".foreign."):
		return fmt.Errorf("it is a foreign layer (%s), whose content lies outside of the registry: it cannot be verified and is never fetched", quote(t))
	case strings.HasSuffix(t, "+encrypted"):
		return fmt.Errorf("it is encrypted (%s)", quote(t))
	}
	return fmt.Errorf("its media type %s is not that of a file system layer: this is an artifact, not an image", quote(t))
}

// checkManifest checks everything that a manifest says about its parts.
func checkManifest(d *document, limits *Limits) error {
	if err := checkDescriptor(d.Config); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if t := d.Config.MediaType; t != typeOCIConfig && t != typeDockerConfig {
		return fmt.Errorf("the media type of its config is %s: this is an artifact, not an image", quote(t))
	}
	if n := int64(len(*d.Layers)); n > limits.Layers {
		return &LimitError{Name: "layers", What: fmt.Sprintf("its number of layers, %d,", n), Limit: limits.Layers}
	}
	sizes := map[string]int64{d.Config.Digest: d.Config.Size}
	for i := range *d.Layers {
		l := &(*d.Layers)[i]
		if err := checkLayerType(l.MediaType); err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
		if err := checkDescriptor(l); err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
		if l.Size > limits.BlobSize {
			return &LimitError{Name: "blob-size", What: fmt.Sprintf("the size of layer %d, %d bytes,", i+1, l.Size), Limit: limits.BlobSize}
		}
		if size, seen := sizes[l.Digest]; seen && size != l.Size {
			return fmt.Errorf("layer %d: %s has two sizes, %d and %d bytes", i+1, l.Digest, size, l.Size)
		}
		sizes[l.Digest] = l.Size
	}
	return nil
}

// mediaType is what the document is: as it says itself, as the registry says,
// or as its content shows. Those that are given agree with each other.
func (d *document) mediaType(claim string) string {
	switch {
	case d.Type != "":
		return d.Type
	case claim != "":
		return claim
	case d.isIndex():
		return typeOCIIndex
	}
	return typeOCIManifest
}
