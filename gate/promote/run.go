package promote

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// attempts bounds how often a list or tag that another job changed is written
// again.
const attempts = 8

// Run carries out the plan. When it returns nil, every tag names the judged digest,
// and everything that belongs to it is at the target, byte for byte. Otherwise the
// error is an [*Incomplete]. A run that was ended can be repeated; what is at the
// target already is not copied again.
func (p *Promotion) Run(ctx context.Context) error {
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"copy the blobs", p.copyBlobs},
		{"copy the manifests", p.copyManifests},
		{"compare the manifests with those of the source", p.compare},
		{"complete the lists of what belongs to the image", p.settle},
		{"attach what belongs to the image at the target", p.beforeTags},
		{"set the tags", p.setTags},
		{"record the promotion", p.writeRecords},
	} {
		if err := step.do(ctx); err != nil {
			return &Incomplete{Err: err, Step: step.name, State: p.state(ctx)}
		}
	}
	return nil
}

// state says what the tags name after a failure.
func (p *Promotion) state(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	set, old := 0, 0
	for _, t := range p.ImageTags() {
		now, err := p.current(ctx, t.Name)
		switch {
		case err != nil:
			return "what the tags of " + p.target.Name() + " name could not be read"
		case now == t.After:
			set++
		default:
			old++
		}
	}
	switch {
	case set == 0:
		return "no tag of " + p.target.Name() + " was changed: run the promotion again"
	case old == 0:
		return "the tags of " + p.target.Name() + " name the judged digest already: run the promotion again to complete it"
	}
	return fmt.Sprintf("%d of %d tags of %s name the judged digest: run the promotion again", set, set+old, p.target.Name())
}

// ImageTags are the tags that the user asked for, without those of cosign.
func (p *Promotion) ImageTags() []TagSet { return p.Plan.Tags[len(p.cosign):] }

// Had reports whether the records of the target say that a tag named before what it
// is to name.
func (p *Promotion) Had(ctx context.Context, t TagSet) (bool, error) {
	return Had(ctx, p.target, t.Name, t.Before, t.After)
}

// image is the manifest that was judged.
func (p *Promotion) image() *node {
	return p.nodes[slices.IndexFunc(p.nodes, func(n *node) bool { return n.Digest == p.Plan.Digest })]
}

func (p *Promotion) copyBlobs(ctx context.Context) error {
	var blobs []Descriptor
	seen := map[string]bool{}
	for _, n := range p.nodes {
		for _, b := range n.blobs {
			if !seen[b.Digest] {
				seen[b.Digest] = true
				blobs = append(blobs, b)
			}
		}
	}
	// The largest first, so that the last to finish is a small one.
	slices.SortStableFunc(blobs, func(a, b Descriptor) int { return int(min(max(b.Size-a.Size, -1), 1)) })
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.jobs())
	var mu sync.Mutex
	done := 0
	for _, b := range blobs {
		g.Go(func() error {
			if err := p.copyBlob(ctx, b); err != nil {
				return fmt.Errorf("blob %s: %w", b.Digest, err)
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			p.observe(Event{What: "blob", Name: b.Digest, Bytes: b.Size, Done: done, All: len(blobs)})
			return nil
		})
	}
	return g.Wait()
}

func (p *Promotion) copyBlob(ctx context.Context, b Descriptor) error {
	has, err := p.target.HasBlob(ctx, b)
	if err != nil || has {
		return err
	}
	if foreign(b) {
		has, err := p.source.HasBlob(ctx, b)
		if err != nil || !has {
			return err
		}
	}
	return p.target.CopyBlob(ctx, b, p.source)
}

// foreign reports whether a blob may be outside of registries by the terms of its
// licence: layers of older Windows images. Who pulls the image fetches it from the
// address that the manifest names.
func foreign(b Descriptor) bool {
	return strings.HasPrefix(b.MediaType, "application/vnd.docker.image.rootfs.foreign.diff.tar") ||
		strings.HasPrefix(b.MediaType, "application/vnd.oci.image.layer.nondistributable.v1.tar")
}

// copyManifests stores every manifest by its digest, children before parents: a
// registry refuses a manifest whose parts are missing. What is there already is asked
// at once.
func (p *Promotion) copyManifests(ctx context.Context) error {
	if err := p.each(ctx, p.nodes, p.look); err != nil {
		return err
	}
	for i, n := range p.nodes {
		if !n.there {
			p.wrote = true
			if err := p.target.PutManifest(ctx, n.Manifest); err != nil {
				return fmt.Errorf("%s %s: %w", n.why, n.Digest, err)
			}
		}
		p.observe(Event{What: "manifest", Name: n.Digest, Bytes: int64(len(n.Raw)), Done: i + 1, All: len(p.nodes)})
	}
	return nil
}

// look finds out whether the target has a manifest, byte for byte.
func (p *Promotion) look(ctx context.Context, n *node) error {
	has, err := p.target.Manifest(ctx, n.Digest)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	n.there = err == nil && bytes.Equal(has.Raw, n.Raw)
	return err
}

// compare reads back every manifest that was written.
func (p *Promotion) compare(ctx context.Context) error {
	written := slices.DeleteFunc(slices.Clone(p.nodes), func(n *node) bool { return n.there })
	return p.each(ctx, written, func(ctx context.Context, n *node) error {
		got, err := p.target.Manifest(ctx, n.Digest)
		if err == nil && !bytes.Equal(got.Raw, n.Raw) {
			err = errors.New("the target has other bytes")
		}
		return err
	})
}

// each does something for several manifests at once.
func (p *Promotion) each(ctx context.Context, nodes []*node, do func(context.Context, *node) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.jobs())
	for _, n := range nodes {
		g.Go(func() error {
			if err := do(ctx, n); err != nil {
				return fmt.Errorf("%s %s: %w", n.why, n.Digest, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (p *Promotion) jobs() int {
	if p.o.Jobs < 1 {
		return 4
	}
	return p.o.Jobs
}

// settle completes the lists of referrers and the tags of cosign. Both are
// documents that other jobs change too, without a way to compare and set: of two
// jobs that write at the same time one loses
// (https://github.com/google/go-containerregistry/issues/2205). So they are read
// back after a random pause, until they were complete twice.
func (p *Promotion) settle(ctx context.Context) error {
	if len(p.cosign) == 0 && !slices.ContainsFunc(p.nodes, func(n *node) bool { return len(n.referrers) > 0 }) {
		return nil // nothing is attached
	}
	shared, err := p.target.ListsInTags(ctx)
	if err != nil {
		return err
	}
	shared = shared || len(p.cosign) > 0
	for try, complete := 0, 0; ; try++ {
		began := time.Now()
		missing, err := p.repair(ctx)
		switch {
		case err != nil:
			return err
		case missing == "":
			complete++
		case try >= attempts:
			return fmt.Errorf("%s is missing at the target, although it was written %d times: other jobs write there at the same time", missing, try)
		default:
			complete = 0
		}
		if complete > 0 && (!p.wrote || !shared) || complete > 1 {
			return nil
		}
		if err := p.pause(ctx, time.Since(began)); err != nil {
			return err
		}
	}
}

// repair writes what is missing in the lists, and returns the name of one such
// thing, "" when there was none.
func (p *Promotion) repair(ctx context.Context) (string, error) {
	first := ""
	for _, n := range p.nodes {
		missing, err := p.missing(ctx, n)
		if err != nil {
			return "", err
		}
		for _, m := range missing {
			p.wrote = true
			first = cmp.Or(first, "referrer "+m.Digest)
			if err := p.target.PutManifest(ctx, m.Manifest); err != nil {
				return "", fmt.Errorf("referrer %s of %s: %w", m.Digest, n.Digest, err)
			}
		}
	}
	for _, c := range p.cosign {
		set, err := p.mergeTag(ctx, c)
		if err != nil {
			return "", fmt.Errorf("tag %s: %w", c.tag, err)
		}
		if set {
			p.wrote = true
			first = cmp.Or(first, "tag "+c.tag)
		}
	}
	return first, nil
}

// missing returns the referrers of a manifest that the target does not list.
func (p *Promotion) missing(ctx context.Context, n *node) ([]*node, error) {
	if len(n.referrers) == 0 {
		return nil, nil
	}
	listed, err := p.target.Referrers(ctx, n.Digest)
	if err != nil {
		return nil, fmt.Errorf("referrers of %s in %s: %w", n.Digest, p.target.Name(), err)
	}
	var out []*node
	for _, want := range n.referrers {
		if !slices.ContainsFunc(listed, func(d Descriptor) bool { return d.Digest == want }) {
			i := slices.IndexFunc(p.nodes, func(m *node) bool { return m.Digest == want })
			out = append(out, p.nodes[i])
		}
	}
	return out, nil
}

func (p *Promotion) beforeTags(ctx context.Context) error {
	if p.o.BeforeTags == nil {
		return nil
	}
	return p.o.BeforeTags(ctx)
}

// longestPause limits the pause before a list is read back.
const longestPause = 5 * time.Second

// pause waits for a random time, so that of two jobs one is first. round is how
// long this job took to read and write the lists. Another job that read a list
// before this one wrote it needs about as long until it writes: the pause is longer,
// so that what that job loses is seen.
func (p *Promotion) pause(ctx context.Context, round time.Duration) error {
	round = min(round, longestPause/4)
	return p.wait(ctx, 50*time.Millisecond+2*round+rand.N(300*time.Millisecond+2*round))
}

// setTags sets the tags that were asked for, and reads each back.
func (p *Promotion) setTags(ctx context.Context) error {
	image := p.image()
	tags := p.ImageTags()
	for i, t := range tags {
		now, err := p.current(ctx, t.Name)
		if err != nil {
			return err
		}
		if now != t.Before && now != t.After {
			return fmt.Errorf("tag %s in %s changed while it was promoted: it named %s and names %s now", t.Name, p.target.Name(), cmp.Or(t.Before, "nothing"), cmp.Or(now, "nothing"))
		}
		// An immutable tag refuses even the digest that it has
		// (https://github.com/aws/containers-roadmap/issues/2179).
		if now != t.After {
			if err := p.target.PutTag(ctx, t.Name, image.Manifest); err != nil {
				return fmt.Errorf("tag %s: %w", t.Name, err)
			}
			if err := p.readBack(ctx, t); err != nil {
				return err
			}
		}
		p.observe(Event{What: "tag", Name: t.Name, Done: i + 1, All: len(tags)})
	}
	return nil
}

// readBack waits until a tag names the digest. Some registries set tags later.
func (p *Promotion) readBack(ctx context.Context, t TagSet) error {
	for try := 0; ; try++ {
		now, err := p.current(ctx, t.Name)
		switch {
		case err != nil:
			return err
		case now == t.After:
			return nil
		case now != t.Before && now != "":
			return fmt.Errorf("tag %s in %s names %s: another job set it at the same time", t.Name, p.target.Name(), now)
		case try == attempts:
			return fmt.Errorf("tag %s in %s was set and still names %s", t.Name, p.target.Name(), cmp.Or(now, "nothing"))
		}
		if err := p.wait(ctx, time.Duration(try+1)*250*time.Millisecond); err != nil {
			return err
		}
	}
}

func (p *Promotion) observe(e Event) {
	if p.o.Observe != nil {
		p.o.Observe(e)
	}
}

func (p *Promotion) wait(ctx context.Context, d time.Duration) error {
	if p.o.Wait != nil {
		return p.o.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
