package promote

import (
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Bounds of what may go along. Everyone who may write to the source repository may
// attach anything, so the work must have an end. What does not fit stops the
// promotion: an image that arrives without its signatures looks complete.
const (
	maxManifests = 1000
	maxReferrers = 100 // of one manifest
	maxDepth     = 3   // referrers of referrers
	maxAttached  = 100 << 20
)

// cosignTags are the ends of the tags under which cosign keeps what belongs to a
// digest, where it does not use referrers.
var cosignTags = []string{".sig", ".att", ".sbom"}

// node is a manifest to copy.
type node struct {
	Manifest
	why, parent string
	blobs       []Descriptor
	referrers   []string // digests of the manifests that refer to it
	there       bool     // the target had it before, byte for byte
}

// tagged is a manifest and the tag of cosign that names it.
type tagged struct {
	tag  string
	node *node
}

// document is what a walk has to know of a manifest or index.
type document struct {
	Config    *Descriptor  `json:"config"`
	Layers    []Descriptor `json:"layers"`
	Blobs     []Descriptor `json:"blobs"` // artifact manifests of OCI 1.1 release candidates
	Manifests []child      `json:"manifests"`
	Subject   *Descriptor  `json:"subject"`
	// ArtifactType and Annotations tell a record of a promotion.
	ArtifactType string            `json:"artifactType"`
	Annotations  map[string]string `json:"annotations"`
}

// child is a manifest of an index.
type child struct {
	Descriptor
	Annotations map[string]string `json:"annotations"`
}

// whyBuildKit is what an attestation in an index is to it.
const whyBuildKit = "attestation of BuildKit"

// runs reports whether the manifest is of an image that a runtime can start: its config
// and one of its layers are those of an image. Signatures and attestations of cosign and
// BuildKit have such a config too, and other layers. Everyone who may write to the source
// repository can attach an image, and it would be in the target repository unjudged.
func (d *document) runs() bool {
	if d.Config == nil || !slices.Contains(imageConfigs, d.Config.MediaType) {
		return false
	}
	return slices.ContainsFunc(d.Layers, func(l Descriptor) bool {
		return slices.ContainsFunc(imageLayers, func(prefix string) bool { return strings.HasPrefix(l.MediaType, prefix) })
	})
}

var (
	imageConfigs = []string{"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
	imageLayers  = []string{"application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."}
)

// why says what the manifest is to its index. BuildKit keeps its attestations
// beside the platforms and marks them.
func (c *child) why(parent string) string {
	switch {
	case c.Annotations["vnd.docker.reference.type"] == "attestation-manifest":
		return whyBuildKit
	case parent == "image":
		return "platform"
	}
	return parent + ", part"
}

func (m *Manifest) parse() (*document, error) {
	var d document
	if err := json.Unmarshal(m.Raw, &d); err != nil {
		return nil, fmt.Errorf("manifest %s cannot be read: %w", m.Digest, err)
	}
	return &d, nil
}

// walker collects what belongs to a digest, children before parents.
type walker struct {
	source      Repository
	attachments bool
	fetched     map[string]Manifest
	seen        map[string]*node
	order       []*node
	tags        []tagged
	attached    int64
	gone        []Gone
}

// walk visits a manifest, what it consists of, and what is attached to it.
func (w *walker) walk(ctx context.Context, digest, why, parent string, depth int) (*node, error) {
	if n := w.seen[digest]; n != nil {
		return n, nil
	}
	if len(w.seen) >= maxManifests {
		return nil, fmt.Errorf("more than %d manifests belong to the image", maxManifests)
	}
	m, err := w.manifest(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("%s %s in %s: %w", why, digest, w.source.Name(), err)
	}
	d, err := m.parse()
	if err != nil {
		return nil, err
	}
	if (depth > 0 || why == whyBuildKit) && d.runs() {
		return nil, fmt.Errorf("%s is attached to %s as %s, and it is an image that can run and was not judged: remove it from %s, or build the index without it", digest, parent, why, w.source.Name())
	}
	if d.ArtifactType == RecordType {
		// With its subject the target would list it, and believe it.
		return nil, fmt.Errorf("%s %s in %s claims to be a record of a promotion, and a target writes its own: remove it from %s, or build the image without it",
			why, digest, w.source.Name(), w.source.Name())
	}
	n := &node{Manifest: m, why: why, parent: parent}
	w.seen[digest] = n
	for _, child := range d.Manifests {
		if _, err := w.walk(ctx, child.Digest, child.why(why), digest, depth); err != nil {
			return nil, err
		}
	}
	n.blobs = append(append(n.blobs, d.Layers...), d.Blobs...)
	if d.Config != nil {
		n.blobs = append(n.blobs, *d.Config)
	}
	if depth > 0 {
		for _, b := range n.blobs {
			w.attached += b.Size
		}
		if w.attached += int64(len(m.Raw)); w.attached > maxAttached {
			return nil, fmt.Errorf("attestations and signatures hold more than %d bytes", maxAttached)
		}
	}
	w.order = append(w.order, n)
	if w.attachments {
		return n, w.attachedTo(ctx, n, depth)
	}
	return n, nil
}

// manifest fetches a manifest once.
func (w *walker) manifest(ctx context.Context, digest string) (Manifest, error) {
	if m, ok := w.fetched[digest]; ok {
		return m, nil
	}
	m, err := w.source.Manifest(ctx, digest)
	if err == nil {
		w.fetched[digest] = m
	}
	return m, err
}

// attachedTo visits the referrers of a manifest and its tags of cosign.
func (w *walker) attachedTo(ctx context.Context, n *node, depth int) error {
	found, err := w.lookUp(ctx, n.Digest)
	if err != nil {
		return err
	}
	// The list of a registry without the API may hold more than referrers.
	if len(found.referrers) > maxManifests {
		return fmt.Errorf("%d manifests are listed as referrers of %s, more than %d", len(found.referrers), n.Digest, maxManifests)
	}
	for _, r := range found.referrers {
		// GitLab lists the platforms of an index as its referrers
		// (https://github.com/oras-project/oras-go/issues/1396), and the list is the
		// registry's word: the manifest itself decides.
		child, err := w.referrer(ctx, r.Digest, n.Digest, depth+1)
		if err != nil {
			return err
		}
		if child != nil {
			n.referrers = append(n.referrers, child.Digest)
		}
		if len(n.referrers) > maxReferrers {
			return fmt.Errorf("more than %d manifests refer to %s", maxReferrers, n.Digest)
		}
	}
	for i, m := range found.tagged {
		if m.Digest == "" {
			continue
		}
		child, err := w.walk(ctx, m.Digest, "cosign "+cosignTags[i], n.Digest, depth+1)
		if err != nil {
			return err
		}
		w.tags = append(w.tags, tagged{CosignTag(n.Digest, cosignTags[i]), child})
	}
	return nil
}

// attachments is what a repository says that it keeps for a manifest.
type attachments struct {
	referrers []Descriptor
	tagged    []Manifest // by [cosignTags]; without a digest where there is none
}

// lookUp asks for everything that may be attached to a manifest, at once: most of
// the answers are that there is nothing.
func (w *walker) lookUp(ctx context.Context, digest string) (*attachments, error) {
	a := &attachments{tagged: make([]Manifest, len(cosignTags))}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if a.referrers, err = w.source.Referrers(ctx, digest); err != nil {
			return fmt.Errorf("referrers of %s in %s: %w", digest, w.source.Name(), err)
		}
		return nil
	})
	for i, end := range cosignTags {
		g.Go(func() error {
			m, err := w.source.Tag(ctx, CosignTag(digest, end))
			if err != nil && !errors.Is(err, ErrNotFound) {
				return fmt.Errorf("tag %s in %s: %w", CosignTag(digest, end), w.source.Name(), err)
			}
			a.tagged[i] = m
			return nil
		})
	}
	return a, g.Wait()
}

// CosignTag is the tag under which cosign keeps what belongs to a digest; end is one
// of .sig, .att and .sbom.
func CosignTag(digest, end string) string { return strings.Replace(digest, ":", "-", 1) + end }

// referrer visits a manifest if its subject is the one asked for. Records of
// promotions stay where they are: they say which tags of that repository named the
// image, and are no part of it.
func (w *walker) referrer(ctx context.Context, digest, subject string, depth int) (*node, error) {
	m, err := w.manifest(ctx, digest)
	switch {
	case errors.Is(err, ErrNotFound):
		// A registry without the API does not change the list when it deletes what is
		// in it. It could as well leave a signature out of the list.
		w.gone = append(w.gone, Gone{Digest: digest, Subject: subject})
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("referrer %s of %s in %s: %w", digest, subject, w.source.Name(), err)
	}
	d, err := m.parse()
	if err != nil {
		return nil, err
	}
	if d.Subject == nil || d.Subject.Digest != subject || d.ArtifactType == RecordType {
		return nil, nil
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("%s is attached to %s, deeper than %d levels of referrers", digest, subject, maxDepth)
	}
	return w.walk(ctx, digest, "referrer", subject, depth)
}
