package image

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/words"
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

// The media types of the layers of an OCI image.
const (
	TypeLayer     = "application/vnd.oci.image.layer.v1.tar"
	TypeLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip"
	TypeLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd"
)

// AcceptedTypes lists the media types that one request to a registry accepts.
// There is no second request, because its answer could be another document.
func AcceptedTypes() []string {
	return []string{typeOCIIndex, typeOCIManifest, typeDockerList, typeDockerManifest}
}

func isIndexType(t string) bool { return t == typeOCIIndex || t == typeDockerList }

func isManifestType(t string) bool { return t == typeOCIManifest || t == typeDockerManifest }

func isSchema1Type(t string) bool { return t == typeSchema1 || t == typeSchema1Signed }

// Descriptor names a document or a blob.
type Descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	URLs        []string          `json:"urls"`
	Annotations map[string]string `json:"annotations"`
	Platform    *Platform         `json:"platform"`
}

// Document is a manifest or an index, and which of the two: exactly one of
// Layers and Manifests is set.
type Document struct {
	SchemaVersion int           `json:"schemaVersion"`
	Type          string        `json:"mediaType"`
	Config        *Descriptor   `json:"config"`
	Layers        *[]Descriptor `json:"layers"`
	Manifests     *[]Descriptor `json:"manifests"`
	FSLayers      *[]struct{}   `json:"fsLayers"`
}

// IsIndex reports whether d is an index.
func (d *Document) IsIndex() bool { return d.Manifests != nil }

// ParseDocument reads a manifest or an index whose bytes have been verified.
// claims are the media types that others gave it: the Content-Type header and
// the descriptor that named it, "" where there is none.
func ParseDocument(raw []byte, claims ...string) (*Document, error) {
	d := new(Document)
	if err := strictjson.Unmarshal(raw, d, strictjson.AllowUnknownKeys()); err != nil {
		return nil, err
	}
	if err := d.Check(claims...); err != nil {
		return nil, err
	}
	return d, nil
}

// Check reports whether d is a manifest or an index; claims are as in
// [ParseDocument].
func (d *Document) Check(claims ...string) error {
	if d.FSLayers != nil || d.SchemaVersion == 1 || isSchema1Type(d.Type) || slices.ContainsFunc(claims, isSchema1Type) {
		return fmt.Errorf("it is a schema 1 manifest, a format that ended in 2019 and cannot be verified (push the image again with a current tool)")
	}
	if d.SchemaVersion != 2 {
		return fmt.Errorf("its schemaVersion is %d, not 2", d.SchemaVersion)
	}
	// CVE-2021-41190: what the document is would depend on a header.
	image, index := d.Layers != nil || d.Config != nil, d.Manifests != nil
	switch {
	case image && index:
		return fmt.Errorf("it is both an image manifest and an index: tools disagree about which image it is")
	case !image && !index:
		return fmt.Errorf("it is neither an image manifest nor an index (it has no layers and no manifests)")
	case image && d.Config == nil:
		return fmt.Errorf("it has no config")
	case image && d.Layers == nil:
		return fmt.Errorf("it has no list of layers")
	}
	for _, claim := range append(claims, d.Type) {
		if err := d.checkClaim(claim); err != nil {
			return err
		}
	}
	return d.checkAgreement(claims)
}

// checkClaim compares what the document is with what it is said to be.
func (d *Document) checkClaim(mediaType string) error {
	switch {
	case mediaType == "":
		return nil
	case d.IsIndex() && isIndexType(mediaType), !d.IsIndex() && isManifestType(mediaType):
		return nil
	case isIndexType(mediaType) || isManifestType(mediaType):
		return fmt.Errorf("its media type is %s, but its content is that of %s: tools disagree about what it is", mediaType, d.noun())
	}
	return fmt.Errorf("its media type %s is not that of an image", words.Quote(mediaType))
}

// checkAgreement compares the media types that were given with each other:
// header, descriptor and document must name the same format.
func (d *Document) checkAgreement(claims []string) error {
	first := ""
	for _, t := range append([]string{d.Type}, claims...) {
		if t == "" {
			continue
		}
		first = cmp.Or(first, t)
		if t != first {
			return fmt.Errorf("its media type is %s in one place and %s in another", first, t)
		}
	}
	return nil
}

func (d *Document) noun() string {
	if d.IsIndex() {
		return "an index"
	}
	return "an image manifest"
}

// CheckDescriptor refuses descriptors that do not pin their content.
func CheckDescriptor(d *Descriptor) error {
	if err := CheckDigest(d.Digest); err != nil {
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
	case TypeLayer, TypeLayerGzip, TypeLayerZstd,
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd":
		return nil
	}
	switch {
	case strings.Contains(t, "nondistributable") || strings.Contains(t, ".foreign."):
		return fmt.Errorf("it is a foreign layer (%s): its content is not in the registry, so it cannot be verified and is never fetched; build on a base image without such layers", words.Quote(t))
	case strings.HasSuffix(t, "+encrypted"):
		return fmt.Errorf("it is encrypted (%s), so nothing in it can be judged; check the image before it is encrypted, or a copy made with skopeo copy --decryption-key", words.Quote(t))
	}
	return fmt.Errorf("its media type %s is not that of a file system layer: "+anArtifact, words.Quote(t))
}

// anArtifact ends the refusal of a manifest that is none of an image.
const anArtifact = "this is an artifact, not an image (a chart, a signature, a bill of materials); give the reference of an image"

// checkManifest checks everything that a manifest says about its parts.
func checkManifest(d *Document, limits *Limits) error {
	if err := CheckDescriptor(d.Config); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if t := d.Config.MediaType; t != typeOCIConfig && t != typeDockerConfig {
		return fmt.Errorf("the media type of its config is %s: "+anArtifact, words.Quote(t))
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
		if err := CheckDescriptor(l); err != nil {
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

// MediaType is what the document is: as it says itself, as the registry says,
// or as its content shows. Those that are given agree with each other.
func (d *Document) MediaType(claim string) string {
	switch {
	case d.Type != "":
		return d.Type
	case claim != "":
		return claim
	case d.IsIndex():
		return typeOCIIndex
	}
	return typeOCIManifest
}
