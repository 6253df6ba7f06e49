package promote

import (
	"context"
	"errors"
	"fmt"
)

// AttachReferrer stores a manifest that refers to subject, and makes sure that the
// target lists it: of two jobs that attach at the same time, a registry without the
// API for referrers may lose one.
func AttachReferrer(ctx context.Context, target Target, subject string, m Manifest) error {
	if err := target.PutManifest(ctx, m); err != nil {
		return err
	}
	parent := &node{Manifest: Manifest{Descriptor: Descriptor{Digest: subject}}, referrers: []string{m.Digest}}
	p := &Promotion{target: target, nodes: []*node{parent, {Manifest: m, why: "referrer", parent: subject}}, wrote: true}
	return p.settle(ctx)
}

// AttachTag adds the layers of a manifest to what a tag of cosign names, and makes
// sure that they stay there.
func AttachTag(ctx context.Context, target Target, tag string, m Manifest) error {
	p := &Promotion{target: target, cosign: []tagged{{tag, &node{Manifest: m}}}}
	before, err := target.Tag(ctx, tag)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("tag %s in %s: %w", tag, target.Name(), err)
	}
	p.Plan.Tags = []TagSet{{Name: tag, Before: before.Digest, After: m.Digest, Merge: before.Digest != ""}}
	return p.settle(ctx)
}
