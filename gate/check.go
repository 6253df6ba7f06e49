package gate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/plan"
)

// networkJobs bounds how many references are resolved at once. Resolving waits
// for the network and costs no processor, so it does not follow [Gate.Jobs].
const networkJobs = 8

// Gate judges images. Policy and Resolver are required; Scanner may be nil only
// when the policy needs no layer.
type Gate struct {
	Policy   *policy.Policy
	Resolver Resolver
	Scanner  Scanner
	// Prover may be nil only when the policy asks for no signature, attestation or
	// base image.
	Prover Prover
	// Decider, when set, judges images by signed decisions instead of by their
	// layers, which are then not read.
	Decider Decider
	// Now is the clock, time.Now when nil. It is read once per run, so that all
	// images are judged at the same moment.
	Now func() time.Time
	// Jobs bounds how many images are scanned at once; less than 1 means 1.
	Jobs int
	// FailFast ends the run at the first image that does not pass. What needs no
	// layer is decided first, of all images, before a layer of any is read.
	FailFast bool
	// Observe is called for every step, from many goroutines at once. It may be
	// nil.
	Observe func(Event)

	// more is what the documents of a release need of images, by reference.
	more map[string]wanted
	// Given tells an image what is given with the question: its baseline, and evidence
	// of earlier runs. It may be nil.
	Given func(*evidence.Image)
}

// Check judges every reference and returns the results in the order of refs,
// and within one reference in the order of its platforms. The error of
// one image is in the result of that image and does not change the other results.
//
// When ctx ends before Check returns, no result is a pass, because parts of the
// work may have been cut short.
func (g *Gate) Check(ctx context.Context, refs []string) []Result {
	r := &run{
		gate:    g,
		now:     g.now(),
		network: make(chan struct{}, networkJobs),
		workers: make(chan struct{}, max(g.Jobs, 1)),
		stop:    func(error) {},
	}
	outer := ctx
	if g.FailFast {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		r.stop = cancel
		r.preview(ctx, refs)
	}
	parts := make([][]Result, len(refs))
	each(len(refs), func(i int) {
		parts[i] = r.check(ctx, refs[i])
	})
	var results []Result
	for _, p := range parts {
		results = append(results, p...)
	}
	return withoutPasses(outer, results)
}

func (g *Gate) now() time.Time {
	if g.Now == nil {
		return time.Now()
	}
	return g.Now()
}

// run is one call of Check.
type run struct {
	gate        *Gate
	now         time.Time
	network     chan struct{} // slots for resolving
	workers     chan struct{} // slots for scanning
	resolutions memo[string, *Resolution]
	scans       memo[scanKey, scanned]
	stop        func(error) // ends the run early under FailFast
}

// check judges one reference: all of its platforms.
func (r *run) check(ctx context.Context, ref string) (results []Result) {
	defer func() {
		if p := recover(); p != nil {
			results = []Result{{Ref: ref, Err: Panicked(PhaseResolve, p)}}
		}
	}()
	res, err := r.resolve(ctx, ref)
	if err != nil {
		results = []Result{{Ref: ref, Err: err}}
		r.observe(Event{Image: ref, Phase: PhaseDone})
		r.failed(&results[0])
		return results
	}
	results = make([]Result, len(res.Targets))
	each(len(res.Targets), func(i int) {
		results[i] = r.target(ctx, ref, &res.Targets[i])
		r.failed(&results[i])
	})
	results[0].Skipped = res.Skipped
	return results
}

// resolve resolves ref. It resolves equal references once: otherwise a tag that
// moves in between would be judged as two images.
func (r *run) resolve(ctx context.Context, ref string) (*Resolution, error) {
	return r.resolutions.do(PhaseResolve, ref, func() (*Resolution, error) {
		if r.gate.Resolver == nil || r.gate.Policy == nil {
			return nil, internal(PhaseResolve, "the gate has no resolver or no policy")
		}
		if err := acquire(ctx, r.network); err != nil {
			return nil, fault(ctx, PhaseResolve, err)
		}
		defer release(r.network)
		r.observe(Event{Image: ref, Phase: PhaseResolve})
		res, err := r.gate.Resolver.Resolve(ctx, ref)
		if err = stopped(ctx, err); err != nil {
			return nil, fault(ctx, PhaseResolve, err)
		}
		if res == nil || len(res.Targets) == 0 {
			return nil, internal(PhaseResolve, "the resolver returned no image for the reference")
		}
		return res, nil
	})
}

// target collects the evidence of one target and judges it.
func (r *run) target(ctx context.Context, ref string, t *Target) (result Result) {
	phase := PhaseScan
	img := t.Image // a copy: resolutions are shared by equal references
	img.VEX = r.gate.Policy.VEXDocuments()
	defer func() {
		if p := recover(); p != nil {
			result = Result{Ref: ref, Evidence: &img, Err: Panicked(phase, p)}
		}
	}()
	defer func() {
		r.observe(Event{Image: ref, Platform: img.Platform, Phase: PhaseDone, Decision: result.Decision()})
	}()
	if img.ID() == "" {
		return Result{Ref: ref, Evidence: &img, Err: internal(PhaseResolve, "the image has no digest")}
	}
	if verdict, ok := r.early(&img); ok {
		return Result{Ref: ref, Evidence: &img, Verdict: verdict}
	}
	if r.gate.Decider == nil {
		scan, err := r.collect(ctx, ref, t)
		if err != nil {
			return Result{Ref: ref, Evidence: &img, Err: err}
		}
		img.Scan = scan
	}
	phase = PhaseProve
	proof, decision, err := r.prove(ctx, ref, t)
	if err != nil {
		return Result{Ref: ref, Evidence: &img, Err: err}
	}
	img.Proof = proof
	phase = PhaseEvaluate
	r.observe(Event{Image: ref, Platform: img.Platform, Phase: phase})
	return r.evaluate(ctx, ref, &img, decision)
}

// evaluate judges evidence. decision answers for the layers, nil where those are
// judged.
func (r *run) evaluate(ctx context.Context, ref string, img *evidence.Image, decision *policy.RuleResult) Result {
	result := Result{Ref: ref, Evidence: img, ByDecision: decision}
	if r.gate.Given != nil {
		r.gate.Given(img)
	}
	var verdict policy.Verdict
	if decision != nil {
		verdict = r.gate.Policy.EvaluateByDecision(img, r.now, *decision)
	} else {
		verdict = r.gate.Policy.Evaluate(img, r.now)
	}
	if err := stopped(ctx, nil); err != nil {
		result.Err = fault(ctx, PhaseEvaluate, err)
		return result
	}
	result.Verdict = verdict
	if verdict.Decision == policy.Denied && verdict.Count(policy.ClassBlocking) > 0 {
		result.Plan = sync.OnceValue(func() *plan.Plan {
			p := plan.Of(r.gate.Policy, img, &verdict, r.now)
			return &p
		})
	}
	return result
}

func (r *run) observe(e Event) {
	if r.gate.Observe != nil {
		r.gate.Observe(e)
	}
}

// withoutPasses takes back every pass of a run that was ended from outside.
func withoutPasses(ctx context.Context, results []Result) []Result {
	if err := stopped(ctx, nil); err != nil {
		revoke(results, fault(ctx, PhaseDone, err))
	}
	return results
}

// revoke takes back every pass because of err. Denials stay: a longer run could
// not have saved those images.
func revoke(results []Result, err error) {
	for i := range results {
		if results[i].Decision() == policy.Passed {
			results[i].Err = err
		}
	}
}

// stopped returns the cause of ctx if ctx is done, and otherwise err. After ctx is
// done, err is a consequence of that: the step failed because the run was ended.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("cancelled: %w", context.Cause(ctx))
}

// fault gives err the phase it happened in, unless the adapter has done so.
func fault(ctx context.Context, phase Phase, err error) error {
	if _, ok := errors.AsType[*Fault](err); ok && ctx.Err() == nil {
		return err
	}
	return &Fault{Phase: phase, Err: err}
}

// internal is an error that only a defect of the gate itself can cause.
func internal(phase Phase, what string) error {
	return &Fault{
		Phase: phase,
		Err:   fmt.Errorf("internal error: %s", what),
		Hint:  "this is a defect of imagegate: please report it with the command that was run",
	}
}

// Panicked returns the fault of one image in whose work a goroutine panicked
// with p. Uncaught, the panic would end the program and every verdict with it.
func Panicked(phase Phase, p any) error {
	return internal(phase, fmt.Sprintf("panic: %v", p))
}

// each runs f for 0..n-1 at the same time and waits for all. What bounds the
// work are the slots that f takes.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func acquire(ctx context.Context, slots chan struct{}) error {
	if err := stopped(ctx, nil); err != nil {
		return err // select would choose at random between a free slot and the end
	}
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return stopped(ctx, nil)
	}
}

func release(slots chan struct{}) { <-slots }
