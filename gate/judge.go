package gate

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Judge evaluates evidence that was saved earlier, on all processors, and
// returns the results in the order of images. It needs neither Resolver nor
// Scanner.
func (g *Gate) Judge(ctx context.Context, images []evidence.Image) []Result {
	r := &run{gate: g, now: g.now()}
	results := make([]Result, len(images))
	inTurn(len(images), func(i int) {
		results[i] = r.judge(ctx, &images[i], nil)
	})
	return withoutPasses(ctx, results)
}

// judge evaluates evidence that was collected before. decision answers for the
// layers, nil where those are judged.
func (r *run) judge(ctx context.Context, img *evidence.Image, decision *policy.RuleResult) (result Result) {
	ref := img.Reference.Asked
	defer func() {
		if p := recover(); p != nil {
			result = Result{Ref: ref, Evidence: img, Err: Panicked(PhaseEvaluate, p)}
		}
	}()
	if r.gate.Policy == nil {
		return Result{Ref: ref, Evidence: img, Err: internal(PhaseEvaluate, "the gate has no policy")}
	}
	return r.evaluate(ctx, ref, img, decision)
}

// inTurn runs f for 0..n-1 on as many goroutines as there are processors, and
// waits for all. Evaluating takes microseconds, so that a goroutine for each
// would cost more than it is worth.
func inTurn(n int, f func(i int)) {
	var next atomic.Int64
	each(min(n, runtime.GOMAXPROCS(0)), func(int) {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	})
}
