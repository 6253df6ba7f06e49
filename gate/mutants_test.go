package gate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// The tests of this file were written against mutants that all others let
// live (docs/testing.md).

// A gate that was put together wrongly says so, instead of failing by accident.
func TestAGateWithoutItsPartsSaysSo(t *testing.T) {
	for name, g := range map[string]*gate.Gate{
		"no resolver": {Policy: parse(t, namesOnly)},
		"no policy":   {Resolver: resolveTo("linux/amd64")},
	} {
		results := g.Check(t.Context(), []string{"app:1"})
		if len(results) != 1 || results[0].Err == nil || !strings.Contains(results[0].Err.Error(), "no resolver or no policy") {
			t.Errorf("%s: %+v", name, results)
		}
	}
	results := (&gate.Gate{}).Judge(t.Context(), []evidence.Image{target("app:1", "linux/amd64").Image})
	if len(results) != 1 || results[0].Err == nil || !strings.Contains(results[0].Err.Error(), "no policy") {
		t.Errorf("judge without a policy: %+v", results)
	}
}

// A panic outside of resolver and scanner is no verdict for its image either.
func TestAPanicOfAnObserverIsNoVerdict(t *testing.T) {
	for _, phase := range []gate.Phase{gate.PhaseResolve, gate.PhaseScan, gate.PhaseEvaluate, gate.PhaseDone} {
		g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64"), Scanner: scanAs(1000), Observe: func(e gate.Event) {
			if e.Phase == phase {
				panic("observer")
			}
		}}
		results := g.Check(t.Context(), []string{"app:1"})
		if len(results) != 1 || results[0].Decision() != policy.Undecided || results[0].Err == nil || !strings.Contains(results[0].Err.Error(), "panic") {
			t.Errorf("%s: %+v", phase, results)
		}
	}
}

// panicky is a context that panics when it is first asked.
type panicky struct {
	context.Context
	asked atomic.Bool
}

func (p *panicky) Err() error {
	if !p.asked.Swap(true) {
		panic("context")
	}
	return p.Context.Err()
}

func TestAPanicWhileJudgingIsNoVerdict(t *testing.T) {
	g := &gate.Gate{Policy: parse(t, namesOnly)}
	results := g.Judge(&panicky{Context: t.Context()}, []evidence.Image{target("app:1", "linux/amd64").Image})
	if len(results) != 1 || results[0].Err == nil || !strings.Contains(results[0].Err.Error(), "panic") {
		t.Errorf("%+v", results)
	}
}

// What was evaluated after the end has no verdict at all.
func TestJudgeAfterTheEndSaysNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ref := range []string{"app:bad", "app:1"} {
		results := (&gate.Gate{Policy: parse(t, namesOnly)}).Judge(ctx, []evidence.Image{target(ref, "linux/amd64").Image})
		if results[0].Err == nil || len(results[0].Verdict.Rules) > 0 {
			t.Errorf("%s: %+v", ref, results[0])
		}
	}
}

// Without a number of jobs, images are scanned one after the other: each worker
// takes memory, and the default must not assume that there is enough for several.
func TestJobsDefaultToOne(t *testing.T) {
	var mu sync.Mutex
	running, most := 0, 0
	slow := func(ctx context.Context, tgt *gate.Target, need evidence.Need) (*evidence.Scan, error) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		time.Sleep(10 * time.Millisecond)
		mu.Lock()
		running--
		mu.Unlock()
		return scanAs(1000)(ctx, tgt, need)
	}
	g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64", "linux/arm64", "linux/s390x"), Scanner: scannerFunc(slow)}
	if got := gate.Summarize(g.Check(t.Context(), []string{"app:1"})); got != policy.Passed || most != 1 {
		t.Errorf("%s, with %d scans at once", got, most)
	}
}

// A fault keeps the phase that the adapter gave it. After the end of a run, the
// fault has the phase in which the run ended, for every cause.
func TestFaultsKeepTheirPhase(t *testing.T) {
	known := &gate.Fault{Phase: gate.PhaseScan, Err: errors.New("database"), Hint: "update it"}
	resolve := resolverFunc(func(context.Context, string) (*gate.Resolution, error) { return nil, known })
	g := &gate.Gate{Policy: parse(t, namesOnly), Resolver: resolve}
	if got := g.Check(t.Context(), []string{"app:1"}); got[0].Err != error(known) {
		t.Errorf("%v was wrapped again: %#v", known, got[0].Err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(known)
	var f *gate.Fault
	if got := g.Check(ctx, []string{"app:1"}); !errors.As(got[0].Err, &f) || f.Phase != gate.PhaseResolve {
		t.Errorf("cancelled: %#v, want the phase %s", got[0].Err, gate.PhaseResolve)
	}
}

// After the end nothing begins, also where a slot is free.
func TestNothingBeginsAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var begun atomic.Int32
	g := &gate.Gate{Policy: parse(t, namesOnly), Resolver: resolverFunc(func(context.Context, string) (*gate.Resolution, error) {
		begun.Add(1)
		return nil, errors.New("late")
	})}
	var refs []string
	for i := range 64 {
		refs = append(refs, fmt.Sprintf("app%d:1", i))
	}
	g.Check(ctx, refs)
	if n := begun.Load(); n != 0 {
		t.Errorf("%d references were looked up after the end", n)
	}
}

// Work that waits for a slot when the run ends does not begin.
func TestWaitingEndsWithTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var begun atomic.Int32
	slow := func(ctx context.Context, _ *gate.Target, _ evidence.Need) (*evidence.Scan, error) {
		begun.Add(1)
		time.AfterFunc(20*time.Millisecond, cancel)
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond) // the slot stays taken
		return nil, ctx.Err()
	}
	g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64", "linux/arm64"), Scanner: scannerFunc(slow), Jobs: 1}
	g.Check(ctx, []string{"app:1"})
	if n := begun.Load(); n != 1 {
		t.Errorf("%d scans began, want 1", n)
	}
}

// ending is a context that ends when it is asked for the nth time.
type ending struct {
	context.Context
	left atomic.Int32
}

func (e *ending) Err() error {
	if e.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// The end is noticed before each step, and told with the step that it hit.
func TestTheEndIsNoticedAtEveryStep(t *testing.T) {
	const resolve, scan, evaluate = gate.PhaseResolve, gate.PhaseScan, gate.PhaseEvaluate
	for src, want := range map[string][]gate.Phase{
		namesOnly: {resolve, resolve, scan, evaluate, gate.PhaseDone},
		nonRoot:   {resolve, resolve, scan, scan, scan, evaluate, gate.PhaseDone},
	} {
		for n, phase := range want {
			ctx := &ending{Context: context.Background()}
			ctx.left.Store(int32(n))
			g := &gate.Gate{Policy: parse(t, src), Resolver: resolveTo("linux/amd64"), Scanner: scanAs(1000)}
			got := g.Check(ctx, []string{"app:1"})
			var f *gate.Fault
			if len(got) != 1 || !errors.As(got[0].Err, &f) || f.Phase != phase || got[0].Decision() != policy.Undecided {
				t.Errorf("%q ends at question %d: %+v, want an error of phase %s", src, n, got, phase)
			}
		}
	}
}

func TestNoScannerIsSaid(t *testing.T) {
	g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64")}
	if got := g.Check(t.Context(), []string{"app:1"}); got[0].Err == nil || !strings.Contains(got[0].Err.Error(), "no scanner") {
		t.Errorf("%+v", got)
	}
}

// All images that share a scan get the error of its panic: the zero value of a scan
// is no scan.
func TestASharedPanicIsEverybodysError(t *testing.T) {
	g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64"), Jobs: 2,
		Scanner: scannerFunc(func(context.Context, *gate.Target, evidence.Need) (*evidence.Scan, error) { panic("scanner") })}
	for _, r := range g.Check(t.Context(), []string{"app:1", "app:2"}) {
		if r.Err == nil || !strings.Contains(r.Err.Error(), "panic: scanner") {
			t.Errorf("%s: %v", r.Ref, r.Err)
		}
	}
}
