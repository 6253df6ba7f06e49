package registry

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
)

// ResolverOptions narrows what a [gate.Resolver] finds.
type ResolverOptions struct {
	// Platforms are the platforms to judge, os/architecture[/variant]; all that
	// an image has when empty.
	Platforms []string
}

// Resolver returns a resolver that reads registries, oci: and tar: references.
func (c *Client) Resolver(o ResolverOptions) (gate.Resolver, error) {
	platforms, err := parsePlatforms(o.Platforms)
	if err != nil {
		return nil, fmt.Errorf("platform %w", err)
	}
	return &resolver{client: c, platforms: platforms}, nil
}

type resolver struct {
	client    *Client
	platforms []platform // asked for; none means all
}

// origin is a place that an image is read from. Everything it returns has been
// compared with the descriptor that asked for it.
type origin interface {
	// describedDocument reads the manifest, index or config that d names.
	describedDocument(ctx context.Context, k kind, d *descriptor) (*reading, error)
	// open opens the layer that d names; its bytes are not verified.
	open(d *descriptor) func(context.Context) (io.ReadCloser, error)
}

// Resolve implements [gate.Resolver].
func (r *resolver) Resolve(ctx context.Context, ref string) (*gate.Resolution, error) {
	parsed, err := ParseReference(ref)
	if err != nil {
		return nil, &gate.Fault{Phase: gate.PhaseResolve, Err: err}
	}
	switch parsed.Source {
	case evidence.SourceOCI:
		return r.layout(ctx, parsed)
	case evidence.SourceTar:
		return r.archive(ctx, parsed)
	}
	return r.registry(ctx, parsed)
}

// registry resolves a name in a registry.
func (r *resolver) registry(ctx context.Context, parsed evidence.Reference) (*gate.Resolution, error) {
	from, err := r.client.remote(ctx, parsed.Registry, parsed.Repository, gate.PhaseResolve)
	if err != nil {
		return nil, err
	}
	root, err := from.root(ctx, tagOf(parsed), parsed.Digest)
	if err != nil {
		return nil, err
	}
	return r.resolve(ctx, &resolution{resolver: r, ref: parsed, from: from, name: parsed.Asked}, root, &descriptor{Digest: root.digest})
}

// resolution is one call of Resolve.
type resolution struct {
	resolver *resolver
	ref      evidence.Reference
	from     origin
	name     string // of the image, for messages
	children int64  // descriptors seen in indexes
}

// resolve turns the document that a reference led to into targets. d is what
// named it; its media type and platform may be missing.
func (r *resolver) resolve(ctx context.Context, n *resolution, root *reading, d *descriptor) (*gate.Resolution, error) {
	doc, err := parseDocument(root.raw, root.contentType, d.MediaType)
	if err != nil {
		err = n.fault("manifest "+root.digest, err)
		if bytes.HasPrefix(bytes.TrimSpace(root.raw), []byte("<")) {
			err = &gate.Fault{Phase: gate.PhaseResolve, Err: err, Hint: "a web page came instead: check the registry's address, and whether a proxy wants a login"}
		}
		return nil, err
	}
	out := &gate.Resolution{Reference: n.ref, Digest: root.digest}
	if !doc.isIndex() {
		d.Digest = root.digest
		t, err := n.target(ctx, &child{descriptor: *d, document: doc})
		if err != nil {
			return nil, err
		}
		t.Image.Platforms = []string{t.Image.Platform}
		have := []platform{t.platform}
		if lacking := missing(r.platforms, have); len(lacking) > 0 {
			return nil, n.lacks(lacking, have)
		}
		out.Targets = []gate.Target{t.Target}
		return out, nil
	}
	index, err := n.index(ctx, doc, root.digest)
	if err != nil {
		return nil, err
	}
	return out, n.targets(ctx, index, root.digest, out)
}

// fault is an error about one document of the image.
func (n *resolution) fault(what string, err error) error {
	f := &gate.Fault{Phase: gate.PhaseResolve, Err: fmt.Errorf("%s of %s: %w", what, n.name, err)}
	var limit *LimitError
	if errors.As(err, &limit) {
		f.Hint = limit.hint()
	}
	return f
}

// lacks is the error for platforms that were asked for and are not there.
func (n *resolution) lacks(wanted []string, have []platform) error {
	return &gate.Fault{
		Phase: gate.PhaseResolve,
		Err:   fmt.Errorf("%s has no image for %s; it has %s", n.name, strings.Join(wanted, ", "), strings.Join(platformNames(have), ", ")),
		Hint:  "ask for a platform that is there, or for none to judge all of them",
	}
}

// resolved is a target with its platform taken apart.
type resolved struct {
	gate.Target
	platform platform
}

// target reads a manifest's config and makes a target of both. The platform
// that an index gives the manifest must be that of its config: the index
// decides which machine runs the image, the config what the image is for.
func (n *resolution) target(ctx context.Context, c *child) (*resolved, error) {
	limits := &n.resolver.client.limits
	doc := c.document
	if doc == nil {
		got, err := n.from.describedDocument(ctx, kindManifest, &c.descriptor)
		if err != nil {
			return nil, err
		}
		if doc, err = parseDocument(got.raw, got.contentType, c.MediaType); err != nil {
			return nil, n.fault("manifest "+c.Digest, err)
		}
		if doc.isIndex() {
			return nil, n.fault("manifest "+c.Digest, refuse("it is an index where a manifest belongs"))
		}
	}
	if err := checkManifest(doc, limits); err != nil {
		return nil, n.fault("manifest "+c.Digest, err)
	}
	config, err := n.from.describedDocument(ctx, kindConfig, doc.Config)
	if err != nil {
		return nil, err
	}
	parsed, err := parseConfig(config.raw, *doc.Layers)
	if err != nil {
		return nil, n.fault("config "+doc.Config.Digest, err)
	}
	if c.Platform != nil && c.Platform.contradicts(parsed.platform) {
		return nil, n.fault("config "+doc.Config.Digest, refuse("it is for %s, but the index offers the image for %s", parsed.platform, *c.Platform))
	}
	return n.assemble(c, doc, config.raw, parsed), nil
}

// assemble makes the target of documents that have been checked.
func (n *resolution) assemble(c *child, doc *document, raw []byte, config *configFile) *resolved {
	p := config.platform
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
			Digest: l.Digest, DiffID: config.RootFS.DiffIDs[i], MediaType: l.MediaType, Size: l.Size, Open: n.from.open(l),
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
