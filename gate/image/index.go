package image

import (
	"context"
	"slices"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const notAsked = "its platform was not asked for"

// The annotations with which BuildKit marks provenance and SBOM manifests.
const (
	annotationType    = "vnd.docker.reference.type"
	annotationSubject = "vnd.docker.reference.digest"
	attestationType   = "attestation-manifest"
)

// child is one manifest of an index.
type child struct {
	Descriptor
	index    string    // digest of the index that was asked for
	document *Document // when it has been read already
}

// index is an index with the indexes inside of it, sorted out by its
// descriptors alone.
type index struct {
	images  []child            // to be read
	others  []Platform         // of images that were not asked for
	skipped []evidence.Skipped // manifests that are not judged
	keys    map[string]string  // platform key to digest
}

// index sorts out the children of an index.
func (n *resolution) index(ctx context.Context, doc *Document, digest string) (*index, error) {
	children, err := n.flatten(ctx, doc, digest, 1)
	if err != nil {
		return nil, err
	}
	x := &index{keys: map[string]string{}}
	seen := map[string]int64{}
	for i := range children {
		c := &children[i]
		c.index = digest
		if size, twice := seen[c.Digest]; twice && size != c.Size {
			return nil, n.fault("index "+digest, Refuse("manifest %s has two sizes, %d and %d bytes", c.Digest, size, c.Size))
		}
		seen[c.Digest] = c.Size
		if err := n.sort(x, c, children); err != nil {
			return nil, n.fault("index "+digest, err)
		}
	}
	if len(x.images) == 0 && len(x.others) == 0 {
		return nil, n.fault("index "+digest, Refuse("it holds no image that could run"))
	}
	if len(x.images) == 0 {
		return nil, n.lacks(missing(n.resolver.platforms, x.others), x.others)
	}
	return x, nil
}

// flatten returns the manifests of an index and of the indexes inside of it.
func (n *resolution) flatten(ctx context.Context, doc *Document, digest string, depth int64) ([]child, error) {
	limits := &n.resolver.limits
	if depth > limits.IndexDepth {
		return nil, n.fault("index "+digest, &LimitError{Name: "index-depth", What: "the number of indexes within each other", Limit: limits.IndexDepth})
	}
	var list []child
	for i := range *doc.Manifests {
		d := &(*doc.Manifests)[i]
		if n.children++; n.children > limits.IndexChildren {
			return nil, n.fault("index "+digest, &LimitError{Name: "index-children", What: "the number of manifests in it", Limit: limits.IndexChildren})
		}
		if err := CheckDescriptor(d); err != nil {
			return nil, n.fault("index "+digest, Refuse("manifest %d: %v", i+1, err))
		}
		if !isIndexType(d.MediaType) {
			list = append(list, child{Descriptor: *d})
		} else {
			inner, err := n.inner(ctx, d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, inner...)
		}
	}
	return list, nil
}

// inner reads an index within an index.
func (n *resolution) inner(ctx context.Context, d *Descriptor, depth int64) ([]child, error) {
	got, err := n.from.Document(ctx, KindManifest, d)
	if err != nil {
		return nil, err
	}
	doc, err := ParseDocument(got.Raw, got.MediaType, d.MediaType)
	if err != nil {
		return nil, n.fault("index "+d.Digest, err)
	}
	return n.flatten(ctx, doc, d.Digest, depth)
}

// PlatformDigests returns the digests of the images that an index holds, also within
// indexes inside of it. It returns none for what is no index.
func PlatformDigests(ctx context.Context, root *Root, limits Limits) ([]string, error) {
	if root.Content == nil {
		return nil, nil
	}
	n := &resolution{resolver: &resolver{limits: limits.Filled()}, from: root.From, name: root.Name}
	doc, err := ParseDocument(root.Content.Raw, root.Content.MediaType, root.Descriptor.MediaType)
	if err != nil {
		return nil, n.fault("manifest "+root.Content.Digest, err)
	}
	if !doc.IsIndex() {
		return nil, nil
	}
	children, err := n.flatten(ctx, doc, root.Content.Digest, 1)
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range children {
		if c := &children[i]; !isAttestation(c, children) && !slices.Contains(out, c.Digest) {
			out = append(out, c.Digest)
		}
	}
	return out, nil
}

// sort puts one child among the images to judge, the other platforms or the
// skipped manifests. A child of an unknown kind is an error: it could be an
// image that a runtime chooses, and the gate would not have judged it.
func (n *resolution) sort(x *index, c *child, all []child) error {
	switch {
	case isSchema1Type(c.MediaType):
		return Refuse("manifest %s is a schema 1 manifest, which cannot be verified (push the image again with a current tool)", c.Digest)
	case !isManifestType(c.MediaType):
		return Refuse("manifest %s has the media type %s, which is not that of an image", c.Digest, words.Quote(c.MediaType))
	case c.Platform == nil:
		return x.add(c) // runtimes look into its config, and so do we: an artifact is found out there
	case !c.Platform.runnable():
		if !c.Platform.unknown() {
			return Refuse("manifest %s is for the platform %s, which is incomplete: a runtime may take it for its own", c.Digest, words.Quote(c.Platform.String()))
		}
		if !isAttestation(c, all) {
			return Refuse("manifest %s is for the platform %s, and it is not marked as an attestation of another manifest of the index", c.Digest, words.Quote(c.Platform.String()))
		}
		x.skipped = append(x.skipped, evidence.Skipped{
			Digest: c.Digest, Platform: c.Platform.String(), Reason: "attestation of " + c.Annotations[annotationSubject],
		})
		return nil
	}
	if err := c.Platform.check(); err != nil {
		return Refuse("manifest %s: %v", c.Digest, err)
	}
	return x.addPlatform(c, n.resolver.platforms)
}

// isAttestation reports whether c is what BuildKit puts beside an image of the
// same index.
func isAttestation(c *child, all []child) bool {
	subject := c.Annotations[annotationSubject]
	return c.Annotations[annotationType] == attestationType && subject != c.Digest &&
		slices.ContainsFunc(all, func(o child) bool {
			return o.Digest == subject && (o.Platform == nil || o.Platform.runnable())
		})
}

// add takes a child that has to be judged, once.
func (x *index) add(c *child) error {
	if !slices.ContainsFunc(x.images, func(o child) bool { return o.Digest == c.Digest && samePlatform(o.Platform, c.Platform) }) {
		x.images = append(x.images, *c)
	}
	return nil
}

func samePlatform(a, b *Platform) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.key() == b.key()
}

// addPlatform refuses two manifests for one platform: which of them runs would
// be the runtime's choice, and each has its own.
func (x *index) addPlatform(c *child, want []Platform) error {
	key := c.Platform.key()
	if other, taken := x.keys[key]; taken && other != c.Digest {
		return Refuse("it has two manifests for %s, %s and %s: runtimes would not agree on which to run", c.Platform, other, c.Digest)
	} else if taken {
		return nil
	}
	x.keys[key] = c.Digest
	if !asked(*c.Platform, want) {
		x.others = append(x.others, *c.Platform)
		x.skipped = append(x.skipped, evidence.Skipped{Digest: c.Digest, Platform: c.Platform.String(), Reason: notAsked})
		return nil
	}
	return x.add(c)
}

// ambiguous looks at the platforms again, now with those that only the configs
// told.
func ambiguous(x *index, found []*resolved) error {
	keys := map[string]string{}
	for key, digest := range x.keys {
		keys[key] = digest
	}
	for _, t := range found {
		key := t.platform.key()
		if other, taken := keys[key]; taken && other != t.Image.Digest {
			return Refuse("it has two manifests for %s, %s and %s: runtimes would not agree on which to run", t.platform, other, t.Image.Digest)
		}
		keys[key] = t.Image.Digest
	}
	return nil
}
