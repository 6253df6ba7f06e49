package gate

import (
	"context"
	"slices"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Release is what became of the documents of a run.
type Release struct {
	Evidence *evidence.Release
	Verdict  policy.ReleaseVerdict
	// Alone lists the images that were named by themselves.
	Alone []string
	// Err is why there is no verdict, nil when the policy was evaluated.
	Err error
}

// Decision returns the outcome for the documents: the verdict's, and Undecided
// after an error.
func (r *Release) Decision() policy.Decision {
	if r.Err != nil {
		return policy.Undecided
	}
	return r.Verdict.Decision
}

// CheckRelease judges documents, the images that they name and the images of alone,
// which were named by themselves. Each reference is judged once.
func (g *Gate) CheckRelease(ctx context.Context, docs *evidence.Release, alone []string) ([]Result, *Release) {
	named := docs.Refs(g.Policy.JudgesDockerfileImages())
	refs := slices.Clone(alone)
	known := map[string]bool{}
	for _, ref := range alone {
		known[ref] = true
	}
	for _, ref := range named {
		if !known[ref] {
			refs = append(refs, ref)
		}
	}
	inner := *g
	inner.FailFast = false // what the image alone is denied for may be allowed in the release
	inner.more = map[string]wanted{}
	for _, ref := range named {
		inner.more[ref] = wanted{need: g.Policy.ReleaseNeeds(), users: docs.Users(ref)}
	}
	results := inner.Check(ctx, refs)
	return results, g.JudgeRelease(ctx, docs, alone, results)
}

// JudgeRelease judges documents by the evidence of images that were judged already,
// and tells each of them what the documents say about its user.
func (g *Gate) JudgeRelease(ctx context.Context, docs *evidence.Release, alone []string, results []Result) (release *Release) {
	release = &Release{Evidence: docs, Alone: alone}
	defer func() {
		if p := recover(); p != nil {
			release.Err = Panicked(PhaseEvaluate, p)
		}
	}()
	now := g.now()
	var images []*evidence.Image
	for i := range results {
		r := &results[i]
		if r.Err == nil && r.Evidence != nil {
			images = append(images, r.Evidence)
			byItself := slices.Contains(alone, r.Ref)
			r.InRelease = g.Policy.InRelease(&r.Verdict, r.Evidence, docs, byItself)
			g.Policy.NameUserOfDocuments(&r.Verdict, r.Evidence, docs, byItself)
		}
	}
	release.Verdict = g.Policy.EvaluateRelease(docs, images, now)
	if err := stopped(ctx, nil); err != nil {
		release.Err = fault(ctx, PhaseEvaluate, err)
	}
	return release
}

// revoke takes back a pass of the documents because of err.
func (r *Release) revoke(err error) {
	if r != nil && r.Decision() == policy.Passed {
		r.Err = err
	}
}

// outcome joins the decision about the images with that about the documents.
// Without any image the documents decide alone: a Dockerfile whose images are judged
// by their names.
func outcome(results []Result, release *Release) policy.Decision {
	images := Summarize(results)
	switch {
	case release == nil:
		return images
	case len(results) == 0 && len(release.Evidence.Refs(false)) == 0:
		return release.Decision()
	}
	both := []policy.Decision{images, release.Decision()}
	switch {
	case slices.Contains(both, policy.Denied):
		return policy.Denied
	case images == policy.Passed && release.Decision() == policy.Passed:
		return policy.Passed
	}
	return policy.Undecided
}
