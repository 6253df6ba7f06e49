package promote

import "context"

// AttachReferrer stores a manifest that refers to subject, and makes sure that the
// target lists it: of two jobs that attach at the same time, a registry without the
// API for referrers may lose one.
func AttachReferrer(ctx context.Context, target Target, subject string, m Manifest) error {
	if err := target.PutManifest(ctx, m); err != nil {
		return err
	}
	p := &Promotion{target: target}
	return p.referrer(subject, m).settle(ctx)
}

// referrer returns a promotion to the same target that only attaches one manifest to
// subject.
func (p *Promotion) referrer(subject string, m Manifest) *Promotion {
	parent := &node{Manifest: Manifest{Descriptor: Descriptor{Digest: subject}}, referrers: []string{m.Digest}}
	return &Promotion{target: p.target, o: p.o, nodes: []*node{parent, {Manifest: m, why: "referrer", parent: subject}}, wrote: true}
}

// AttachTag adds the layers of a manifest to what a tag of cosign names, and makes
// sure that they stay there.
func AttachTag(ctx context.Context, target Target, tag string, m Manifest) error {
	p := &Promotion{target: target, cosign: []tagged{{tag, &node{Manifest: m}}}}
	before, err := p.current(ctx, tag)
	if err != nil {
		return err
	}
	p.Plan.Tags = []TagSet{{Name: tag, Before: before, After: m.Digest, Merge: before != ""}}
	return p.settle(ctx)
}
