package promote

import (
	"context"
	"errors"
	"fmt"
)

// Prepare finds out what belongs to the digest and what the tags of the target name
// now. It writes nothing.
func Prepare(ctx context.Context, source Repository, digest string, target Target, tags []string, o Options) (*Promotion, error) {
	if len(tags) == 0 {
		return nil, errors.New("no tag to set")
	}
	w := &walker{source: source, attachments: o.Attachments != AttachmentsNone, seen: map[string]*node{}, fetched: map[string]Manifest{}}
	if _, err := w.walk(ctx, digest, "image", "", 0); err != nil {
		return nil, err
	}
	p := &Promotion{source: source, target: target, o: o, nodes: w.order, cosign: w.tags}
	p.Plan = Plan{Source: source.Name(), Target: target.Name(), Digest: digest, Gone: w.gone}
	blobs := map[string]bool{}
	for _, n := range p.nodes {
		p.Plan.Nodes = append(p.Plan.Nodes, Node{Descriptor: n.Descriptor, Why: n.why, Parent: n.parent})
		for _, b := range n.blobs {
			if !blobs[b.Digest] {
				blobs[b.Digest] = true
				p.Plan.Blobs++
				p.Plan.Bytes += b.Size
			}
		}
	}
	return p, p.tags(ctx, tags)
}

// tags adds the tags to the plan, those of cosign first: the tag of the image must
// not be there before its signatures are.
func (p *Promotion) tags(ctx context.Context, tags []string) error {
	for _, c := range p.cosign {
		before, err := p.current(ctx, c.tag)
		if err != nil {
			return err
		}
		p.Plan.Tags = append(p.Plan.Tags, TagSet{Name: c.tag, Before: before, After: c.node.Digest, Merge: before != "" && before != c.node.Digest})
	}
	for _, tag := range tags {
		before, err := p.current(ctx, tag)
		if err != nil {
			return err
		}
		if err := p.expected(tag, before); err != nil {
			return err
		}
		p.Plan.Tags = append(p.Plan.Tags, TagSet{Name: tag, Before: before, After: p.Plan.Digest})
	}
	return nil
}

// current returns the digest that a tag of the target names, "" for none.
func (p *Promotion) current(ctx context.Context, tag string) (string, error) {
	m, err := p.target.Tag(ctx, tag)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("tag %s in %s: %w", tag, p.target.Name(), err)
	}
	return m.Digest, nil
}

// expected compares a tag with what [Options.IfTarget] asks for. A tag that names
// the digest already is what the promotion would make of it.
func (p *Promotion) expected(tag, now string) error {
	switch {
	case p.o.IfTarget == "", now == p.Plan.Digest, p.o.IfTarget == Absent && now == "", p.o.IfTarget == now:
		return nil
	case now == "":
		return fmt.Errorf("tag %s does not exist in %s, but was expected to name %s", tag, p.target.Name(), p.o.IfTarget)
	case p.o.IfTarget == Absent:
		return fmt.Errorf("tag %s exists in %s: it names %s", tag, p.target.Name(), now)
	}
	return fmt.Errorf("tag %s in %s names %s, but was expected to name %s", tag, p.target.Name(), now, p.o.IfTarget)
}
