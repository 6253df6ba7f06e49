package gate

import (
	"context"
	"time"

	"github.com/imagegate/imagegate/policy"
)

// Promotion is what a run copied, or would have copied.
type Promotion struct {
	Source string // repository
	Digest string // of the image or index that was judged
	// DryRun is true when nothing was to be written.
	DryRun bool
	// Emergency is why an image was promoted that the policy denies, nil for every
	// other promotion.
	Emergency *Emergency
	Rollback  string // why a tag may go back, "" when that was not asked for
	Targets   []PromotionTarget
	// Failed is true when an error ended it. A refusal by a rule is none.
	Failed bool
}

// Emergency is the decision of a person to promote an image that the policy denies.
type Emergency struct {
	Reason string
	By     string    // named by the policy
	Until  time.Time // last day, midnight UTC
}

// PromotionTarget is one repository of a promotion.
type PromotionTarget struct {
	Target string // registry/repository
	// Done is true when every tag names the judged digest, and everything that
	// belongs to it is there.
	Done bool
	// Error is why it is not done and what the state of the target is, "" before it
	// was tried.
	Error string
	Nodes []PromotedManifest // children before parents
	Blobs int
	Bytes int64 // of all blobs together
	Tags  []PromotedTag
}

// PromotedManifest is a manifest that goes along, and why.
type PromotedManifest struct {
	MediaType, Digest string
	Size              int64
	Why               string
	Parent            string // digest of the manifest that it belongs to, "" for none
}

// PromotedTag is a tag and what it names before and after.
type PromotedTag struct {
	Name, Before, After string // digests, "" for none
	// Merge is true for a tag of cosign whose signatures are joined with those of the
	// target.
	Merge bool
}

// Done reports whether the image is at every target.
func (p *Promotion) Done() bool {
	if p == nil || p.DryRun || len(p.Targets) == 0 {
		return false
	}
	for i := range p.Targets {
		if !p.Targets[i].Done {
			return false
		}
	}
	return true
}

// Unpromoted takes back every pass, because err kept the image from being promoted.
func (r *Run) Unpromoted(err error) {
	if r.Promotion != nil {
		r.Promotion.Failed = true
	}
	revoke(r.Results, &Fault{Phase: PhasePromote, Err: err})
}

// Excused reports whether the run ends well although an image fails: it was promoted
// in an emergency.
func (r *Run) Excused() bool {
	return r.Outcome() == policy.Denied && r.Promotion != nil && r.Promotion.Emergency != nil && r.Promotion.Done()
}

// Unfinished reports whether an image that fails was to be promoted in an emergency,
// and an error ended that. The same promotion may work when it is run again.
func (r *Run) Unfinished() bool {
	return r.Outcome() == policy.Denied && r.Promotion != nil && r.Promotion.Emergency != nil && r.Promotion.Failed
}

// Rejudge evaluates results again whose evidence has grown. What has no verdict
// because of an error keeps that error.
func (g *Gate) Rejudge(ctx context.Context, results []Result) []Result {
	r := &run{gate: g, now: g.now()}
	out := make([]Result, len(results))
	for i := range results {
		out[i] = results[i]
		if results[i].Err != nil || results[i].Evidence == nil {
			continue
		}
		out[i] = r.judge(ctx, results[i].Evidence, results[i].ByDecision)
		out[i].Ref, out[i].Skipped = results[i].Ref, results[i].Skipped
	}
	return withoutPasses(ctx, out)
}
