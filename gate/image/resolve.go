package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// Kind is the kind of a document or a blob, for messages.
type Kind string

// The kinds.
const (
	KindManifest Kind = "manifest" // or an index
	KindConfig   Kind = "config"
	KindLayer    Kind = "layer"
)

// Source opens images of one kind of place.
type Source interface {
	// Open reads the document that ref names. ref is of this source.
	Open(ctx context.Context, ref evidence.Reference) (*Root, error)
}

// Root is what a reference names.
type Root struct {
	From Origin
	Name string // of the image, for messages
	// Content is the manifest or the index, and Descriptor what named it; all
	// of it but the digest may be missing.
	Content    *Content
	Descriptor Descriptor
	// Endpoint is where the engine is that the image was read from, if one was.
	Endpoint string
	// Saved is set instead of Content for an image without a manifest.
	Saved *Saved
}

// Saved is an image of docker save, which has no manifest.
type Saved struct {
	Config []byte
	Layers []Descriptor
}

// Origin is the place that one image is read from. All documents that it
// returns have been compared with the descriptor that asked for them.
type Origin interface {
	// Document reads the manifest, index or config that d names.
	Document(ctx context.Context, k Kind, d *Descriptor) (*Content, error)
	// Layer opens the layer that d names. Its bytes are not verified.
	Layer(d *Descriptor) func(context.Context) (io.ReadCloser, error)
}

// Options are the settings of a resolver.
type Options struct {
	// Sources are the places that images are read from.
	Sources map[evidence.Source]Source
	// Platforms are the platforms to judge, os/architecture[/variant]; all that
	// an image has when empty.
	Platforms []string
	// Limits bounds what an image may cost; zero fields have their defaults.
	Limits Limits
}

// NewResolver returns a resolver that reads the given sources.
func NewResolver(o Options) (gate.Resolver, error) {
	platforms, err := parsePlatforms(o.Platforms)
	if err != nil {
		return nil, fmt.Errorf("platform %w", err)
	}
	return &resolver{sources: o.Sources, platforms: platforms, limits: o.Limits.Filled()}, nil
}

type resolver struct {
	sources   map[evidence.Source]Source
	platforms []Platform // asked for; none means all
	limits    Limits
}

// Resolve implements [gate.Resolver].
func (r *resolver) Resolve(ctx context.Context, ref string) (*gate.Resolution, error) {
	parsed, err := ParseReference(ref)
	if err != nil {
		return nil, &gate.Fault{Phase: gate.PhaseResolve, Err: err}
	}
	source := r.sources[parsed.Source]
	if source == nil {
		return nil, &gate.Fault{Phase: gate.PhaseResolve, Err: fmt.Errorf("image reference %s: the source %s is not available here", words.Quote(ref), parsed.Source)}
	}
	root, err := source.Open(ctx, parsed)
	if err != nil {
		return nil, err
	}
	parsed.Endpoint = root.Endpoint
	n := &resolution{resolver: r, ref: parsed, from: root.From, name: root.Name}
	if root.Saved != nil {
		return n.saved(root)
	}
	return n.resolve(ctx, root.Content, &root.Descriptor)
}

// resolution is one call of Resolve.
type resolution struct {
	resolver *resolver
	ref      evidence.Reference
	from     Origin
	name     string // of the image, for messages
	children int64  // descriptors seen in indexes
}

// resolve turns the document that a reference led to into targets. d is what
// named it; its media type and platform may be missing.
func (n *resolution) resolve(ctx context.Context, root *Content, d *Descriptor) (*gate.Resolution, error) {
	doc, err := ParseDocument(root.Raw, root.MediaType, d.MediaType)
	if err != nil {
		err = n.fault("manifest "+root.Digest, err)
		if bytes.HasPrefix(bytes.TrimSpace(root.Raw), []byte("<")) {
			err = &gate.Fault{Phase: gate.PhaseResolve, Err: err, Hint: "a web page came instead: check the registry's address, and whether a proxy wants a login"}
		}
		return nil, err
	}
	out := &gate.Resolution{Reference: n.ref, Digest: root.Digest}
	if !doc.IsIndex() {
		d.Digest = root.Digest
		t, err := n.target(ctx, &child{Descriptor: *d, document: doc})
		if err != nil {
			return nil, err
		}
		t.Image.Platforms = []string{t.Image.Platform}
		have := []Platform{t.platform}
		if lacking := missing(n.resolver.platforms, have); len(lacking) > 0 {
			return nil, n.lacks(lacking, have)
		}
		out.Targets = []gate.Target{t.Target}
		return out, nil
	}
	index, err := n.index(ctx, doc, root.Digest)
	if err != nil {
		return nil, err
	}
	return out, n.targets(ctx, index, root.Digest, out)
}

// saved makes the target of an image that has no manifest, and so no digest. It
// has the image ID that docker images shows: the digest of the config, which
// does not depend on how the layers are compressed.
func (n *resolution) saved(root *Root) (*gate.Resolution, error) {
	s, id := root.Saved, root.Descriptor.Digest
	config, err := parseConfig(s.Config, s.Layers)
	if err != nil {
		return nil, n.fault("config "+id, err)
	}
	have := []Platform{config.Platform}
	if lacking := missing(n.resolver.platforms, have); len(lacking) > 0 {
		return nil, n.lacks(lacking, have)
	}
	t := n.assemble(&child{Descriptor: Descriptor{Digest: id}}, &Document{Layers: &s.Layers}, s.Config, config)
	t.Image.Digest, t.Image.ImageID = "", id
	t.Image.Platforms = []string{t.Image.Platform}
	return &gate.Resolution{Reference: n.ref, Targets: []gate.Target{t.Target}}, nil
}

// fault is an error about one document of the image.
func (n *resolution) fault(what string, err error) error {
	f := &gate.Fault{Phase: gate.PhaseResolve, Err: fmt.Errorf("%s of %s: %w", what, n.name, err)}
	if limit, ok := errors.AsType[*LimitError](err); ok {
		f.Hint = limit.Hint()
	}
	return f
}

// lacks is the error for platforms that were asked for and are not there.
func (n *resolution) lacks(wanted []string, have []Platform) error {
	return &gate.Fault{
		Phase: gate.PhaseResolve,
		Err:   fmt.Errorf("%s has no image for %s; it has %s", n.name, strings.Join(wanted, ", "), strings.Join(platformNames(have), ", ")),
		Hint:  "ask for a platform that is there, or for none to judge all of them",
	}
}

// resolved is a target and its parsed platform.
type resolved struct {
	gate.Target
	platform Platform
}

// target reads a manifest's config and makes a target of both. The platform
// that an index gives the manifest must be that of its config: the index
// decides which machine runs the image, the config what the image is for.
func (n *resolution) target(ctx context.Context, c *child) (*resolved, error) {
	limits := &n.resolver.limits
	doc := c.document
	if doc == nil {
		got, err := n.from.Document(ctx, KindManifest, &c.Descriptor)
		if err != nil {
			return nil, err
		}
		if doc, err = ParseDocument(got.Raw, got.MediaType, c.MediaType); err != nil {
			return nil, n.fault("manifest "+c.Digest, err)
		}
		if doc.IsIndex() {
			return nil, n.fault("manifest "+c.Digest, Refuse("it is an index where a manifest belongs"))
		}
	}
	if err := checkManifest(doc, limits); err != nil {
		return nil, n.fault("manifest "+c.Digest, err)
	}
	config, err := n.from.Document(ctx, KindConfig, doc.Config)
	if err != nil {
		return nil, err
	}
	parsed, err := parseConfig(config.Raw, *doc.Layers)
	if err != nil {
		return nil, n.fault("config "+doc.Config.Digest, err)
	}
	if c.Platform != nil && c.Platform.contradicts(parsed.Platform) {
		return nil, n.fault("config "+doc.Config.Digest, Refuse("it is for %s, but the index offers the image for %s", parsed.Platform, *c.Platform))
	}
	return n.assemble(c, doc, config.Raw, parsed), nil
}

// assemble makes the target of documents that have been checked.
func (n *resolution) assemble(c *child, doc *Document, raw []byte, config *configFile) *resolved {
	p := config.Platform
	if c.Platform != nil {
		p = *c.Platform
	}
	t := &resolved{platform: p, Target: gate.Target{
		RawConfig: raw,
		Image: evidence.Image{
			SchemaVersion: evidence.SchemaVersion, Reference: n.ref, Digest: c.Digest, IndexDigest: c.index,
			Platform: p.String(), Config: config.facts(*doc.Layers),
		},
	}}
	for i := range *doc.Layers {
		l := &(*doc.Layers)[i]
		t.Layers = append(t.Layers, gate.Blob{
			Digest: l.Digest, DiffID: config.RootFS.DiffIDs[i], MediaType: l.MediaType, Size: l.Size, Open: n.from.Layer(l),
		})
	}
	return t
}

// parallel bounds how many children of an index are read at once.
const parallel = 4

// targets makes the targets of an index, in the index's order.
func (n *resolution) targets(ctx context.Context, x *index, digest string, out *gate.Resolution) error {
	found := make([]*resolved, len(x.images))
	errs := make([]error, len(x.images))
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i := range x.images {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			found[i], errs[i] = n.target(ctx, &x.images[i])
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return n.collect(x, found, out)
}

// collect checks the platforms once those that the index left open are known.
func (n *resolution) collect(x *index, found []*resolved, out *gate.Resolution) error {
	all := x.others
	for _, t := range found {
		all = append(all, t.platform)
	}
	if err := ambiguous(x, found); err != nil {
		return n.fault("index "+out.Digest, err)
	}
	want := n.resolver.platforms
	if lacking := missing(want, all); len(lacking) > 0 {
		return n.lacks(lacking, all)
	}
	out.Skipped = x.skipped
	for _, t := range found {
		if !asked(t.platform, want) {
			out.Skipped = append(out.Skipped, evidence.Skipped{Digest: t.Image.Digest, Platform: t.Image.Platform, Reason: notAsked})
			continue
		}
		t.Image.Platforms = platformNames(all)
		out.Targets = append(out.Targets, t.Target)
	}
	return nil
}
