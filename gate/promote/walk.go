package promote

import (
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"strings"
)

// Bounds of what may go along. Everyone who may write to the source repository may
// attach anything, so the work must have an end. What does not fit stops the
// promotion: an image that arrives without its signatures looks complete.
const (
	maxManifests = 1000
	maxReferrers = 100 // of one manifest
	maxDepth     = 4   // referrers of referrers
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
	Manifests []Descriptor `json:"manifests"`
	Subject   *Descriptor  `json:"subject"`
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
	n := &node{Manifest: m, why: why, parent: parent}
	w.seen[digest] = n
	for _, child := range d.Manifests {
		if _, err := w.walk(ctx, child.Digest, childWhy(why), digest, depth); err != nil {
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

func childWhy(why string) string {
	if why == "image" {
		return "platform"
	}
	return why + ", part"
}

// attachedTo visits the referrers of a manifest and its tags of cosign.
func (w *walker) attachedTo(ctx context.Context, n *node, depth int) error {
	found, err := w.source.Referrers(ctx, n.Digest)
	if err != nil {
		return fmt.Errorf("referrers of %s in %s: %w", n.Digest, w.source.Name(), err)
	}
	if len(found) > maxReferrers {
		return fmt.Errorf("%d manifests refer to %s, more than %d", len(found), n.Digest, maxReferrers)
	}
	if len(found) > 0 && depth >= maxDepth {
		return fmt.Errorf("referrers of %s are nested deeper than %d", n.Digest, maxDepth)
	}
	for _, r := range found {
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
	}
	for _, end := range cosignTags {
		tag := strings.Replace(n.Digest, ":", "-", 1) + end
		m, err := w.source.Tag(ctx, tag)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("tag %s in %s: %w", tag, w.source.Name(), err)
		}
		child, err := w.walk(ctx, m.Digest, "cosign "+end, n.Digest, depth+1)
		if err != nil {
			return err
		}
		w.tags = append(w.tags, tagged{tag, child})
	}
	return nil
}

// referrer visits a manifest if its subject is the one asked for.
func (w *walker) referrer(ctx context.Context, digest, subject string, depth int) (*node, error) {
	m, err := w.manifest(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("referrer %s of %s in %s: %w", digest, subject, w.source.Name(), err)
	}
	d, err := m.parse()
	if err != nil {
		return nil, err
	}
	if d.Subject == nil || d.Subject.Digest != subject {
		return nil, nil
	}
	return w.walk(ctx, digest, "referrer", subject, depth)
}
