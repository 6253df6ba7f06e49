package gate

import (
	"context"
	"fmt"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// stoppedEarly is why an image has no verdict although nothing is known to be
// wrong with it.
type stoppedEarly struct{ ref, why string }

func (e *stoppedEarly) Error() string {
	return fmt.Sprintf("--fail-fast ended the run: %s %s", e.ref, e.why)
}

// preview decides of every image what can be decided without a layer, so that
// nothing is fetched where a name or a config is reason enough to stop. What it
// resolves is kept for the run itself.
func (r *run) preview(ctx context.Context, refs []string) {
	each(len(refs), func(i int) {
		defer func() {
			if p := recover(); p != nil {
				return // the run itself meets it again, and reports it
			}
		}()
		res, err := r.resolve(ctx, refs[i])
		if err != nil {
			r.failed(&Result{Ref: refs[i], Err: err})
			return
		}
		for j := range res.Targets {
			img := res.Targets[j].Image
			if verdict, ok := r.early(&img); ok {
				r.failed(&Result{Ref: refs[i], Evidence: &img, Verdict: verdict})
			}
		}
	})
}

// early returns a denial for which no layer has to be read. Without FailFast
// there is none: a denied image is still told all that is wrong with it.
func (r *run) early(img *evidence.Image) (policy.Verdict, bool) {
	if !r.gate.FailFast || r.gate.Policy == nil || img.ID() == "" || !r.gate.Policy.NeedsFor(img.Reference).Layers() {
		return policy.Verdict{}, false
	}
	verdict := r.gate.Policy.Evaluate(img, r.now)
	return verdict, verdict.Decision == policy.Denied
}

// failed ends the run if the result is no pass and FailFast is set. The first
// one to do so is the reason that all others give.
func (r *run) failed(result *Result) {
	switch result.Decision() {
	case policy.Passed:
	case policy.Denied:
		r.stop(&stoppedEarly{result.Ref, "was denied"})
	default:
		r.stop(&stoppedEarly{result.Ref, "has no verdict"})
	}
}
