package gate_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	// namesOnly needs no layer.
	namesOnly = "version: 1\nextends: none\nreference: {deny-tags: [bad]}\n"
	// nonRoot needs the layers, to know who the user is.
	nonRoot = "version: 1\nextends: none\nconfig: {user: non-root}\n"
)

func parse(t *testing.T, src string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// resolverFunc is a gate.Resolver.
type resolverFunc func(ctx context.Context, ref string) (*gate.Resolution, error)

func (f resolverFunc) Resolve(ctx context.Context, ref string) (*gate.Resolution, error) {
	return f(ctx, ref)
}

// scannerFunc is a gate.Scanner.
type scannerFunc func(ctx context.Context, t *gate.Target, need evidence.Need) (*evidence.Scan, error)

func (f scannerFunc) Scan(ctx context.Context, t *gate.Target, need evidence.Need) (*evidence.Scan, error) {
	return f(ctx, t, need)
}

// target is an image whose digest depends on its name and platform.
func target(ref, platform string) gate.Target {
	name, tag, _ := strings.Cut(ref, ":")
	return gate.Target{Image: evidence.Image{
		SchemaVersion: evidence.SchemaVersion,
		Reference: evidence.Reference{
			Asked: ref, Source: evidence.SourceRegistry, Name: "example.test/" + name,
			Registry: "example.test", Repository: name, Tag: tag,
		},
		Digest:    digest(name + platform),
		Platform:  platform,
		Platforms: []string{platform},
		Config:    &evidence.Config{User: "1000"},
	}}
}

func digest(s string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s))) }

// resolveTo resolves every reference to these platforms.
func resolveTo(platforms ...string) resolverFunc {
	return func(_ context.Context, ref string) (*gate.Resolution, error) {
		res := &gate.Resolution{Skipped: []evidence.Skipped{{Digest: "sha256:attestation", Reason: "no image"}}}
		for _, p := range platforms {
			res.Targets = append(res.Targets, target(ref, p))
		}
		return res, nil
	}
}

// scanAs finds that every image runs as uid.
func scanAs(uid int64) scannerFunc {
	return func(_ context.Context, _ *gate.Target, need evidence.Need) (*evidence.Scan, error) {
		return &evidence.Scan{
			Engine: "fake", Need: need,
			User:     &evidence.User{Spec: "1000", UID: &uid, GID: &uid, Numeric: true},
			Coverage: evidence.Coverage{Gaps: []evidence.Gap{}},
		}, nil
	}
}

func decisions(results []gate.Result) []string {
	var got []string
	for i := range results {
		r := &results[i]
		platform := "-"
		if r.Evidence != nil {
			platform = r.Evidence.Platform
		}
		got = append(got, fmt.Sprintf("%s %s %s", r.Ref, platform, r.Decision()))
	}
	return got
}

func TestCheckKeepsTheOrderOfReferencesAndPlatforms(t *testing.T) {
	slow := func(ctx context.Context, tgt *gate.Target, need evidence.Need) (*evidence.Scan, error) {
		if strings.HasPrefix(tgt.Image.Reference.Asked, "a") {
			runtime.Gosched() // the first image shall not end first by luck alone
			time.Sleep(5 * time.Millisecond)
		}
		return scanAs(1000)(ctx, tgt, need)
	}
	g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64", "linux/arm64"), Scanner: scannerFunc(slow), Jobs: 4}
	results := g.Check(t.Context(), []string{"a:1", "b:1", "a:2"})
	want := []string{
		"a:1 linux/amd64 pass", "a:1 linux/arm64 pass", "b:1 linux/amd64 pass", "b:1 linux/arm64 pass",
		"a:2 linux/amd64 pass", "a:2 linux/arm64 pass",
	}
	if diff := cmp.Diff(want, decisions(results)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	for i, want := range []int{1, 0, 1, 0, 1, 0} {
		if got := len(results[i].Skipped); got != want {
			t.Errorf("result %d lists %d skipped manifests, want %d", i, got, want)
		}
	}
	if got := gate.Summarize(results); got != policy.Passed {
		t.Errorf("outcome = %v, want pass", got)
	}
}

func TestCheckIsolatesWhatGoesWrong(t *testing.T) {
	resolve := func(ctx context.Context, ref string) (*gate.Resolution, error) {
		switch ref {
		case "gone:1":
			return nil, &gate.Fault{Phase: gate.PhaseResolve, Err: errors.New("404"), Hint: "check the spelling"}
		case "nothing:1":
			return &gate.Resolution{}, nil
		case "nil:1":
			return nil, nil
		case "panic:1":
			panic("resolver")
		case "nodigest:1":
			tgt := target(ref, "linux/amd64")
			tgt.Image.Digest = ""
			return &gate.Resolution{Targets: []gate.Target{tgt}}, nil
		}
		return resolveTo("linux/amd64")(ctx, ref)
	}
	scan := func(ctx context.Context, tgt *gate.Target, need evidence.Need) (*evidence.Scan, error) {
		switch tgt.Image.Reference.Asked {
		case "broken:1":
			return nil, errors.New("layer 2 is cut short")
		case "empty:1":
			return nil, nil
		case "half:1":
			return &evidence.Scan{Need: 0}, nil
		case "boom:1":
			panic("scanner")
		case "root:1":
			return scanAs(0)(ctx, tgt, need)
		}
		return scanAs(1000)(ctx, tgt, need)
	}
	tests := []struct{ ref, decision, message string }{
		{"gone:1", "no-verdict", "404"},
		{"nothing:1", "no-verdict", "no image"},
		{"nil:1", "no-verdict", "no image"},
		{"panic:1", "no-verdict", "panic: resolver"},
		{"nodigest:1", "no-verdict", "no digest"},
		{"broken:1", "no-verdict", "layer 2 is cut short"},
		{"empty:1", "no-verdict", "neither evidence nor an error"},
		{"half:1", "no-verdict", "collected"},
		{"boom:1", "no-verdict", "panic: scanner"},
		{"root:1", "fail", ""},
		{"good:1", "pass", ""},
	}
	var refs []string
	for _, tt := range tests {
		refs = append(refs, tt.ref)
	}
	g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolverFunc(resolve), Scanner: scannerFunc(scan), Jobs: 3}
	results := g.Check(t.Context(), refs)
	if len(results) != len(tests) {
		t.Fatalf("%d results for %d references", len(results), len(tests))
	}
	for i, tt := range tests {
		r := &results[i]
		if r.Ref != tt.ref || r.Decision().String() != tt.decision {
			t.Errorf("%s: got %s %s, want %s", tt.ref, r.Ref, r.Decision(), tt.decision)
		}
		if tt.message == "" {
			if r.Err != nil {
				t.Errorf("%s: unexpected error %v", tt.ref, r.Err)
			}
			continue
		}
		var fault *gate.Fault
		if !errors.As(r.Err, &fault) || !strings.Contains(r.Err.Error(), tt.message) {
			t.Errorf("%s: error %v, want a *Fault with %q", tt.ref, r.Err, tt.message)
		}
	}
	if got := gate.HintOf(results[0].Err); got != "check the spelling" {
		t.Errorf("hint = %q, want the resolver's", got)
	}
	if got := gate.Summarize(results); got != policy.Denied {
		t.Errorf("outcome = %v: a denial outranks a missing verdict", got)
	}
}

func TestCheckWithoutImagesIsNoVerdict(t *testing.T) {
	g := &gate.Gate{Policy: parse(t, namesOnly), Resolver: resolveTo("linux/amd64")}
	if got := gate.Summarize(g.Check(t.Context(), nil)); got != policy.Undecided {
		t.Errorf("outcome = %v, want no verdict", got)
	}
}

func TestTheZeroGateNeverPasses(t *testing.T) {
	for name, g := range map[string]*gate.Gate{
		"nothing":              {},
		"no policy":            {Resolver: resolveTo("linux/amd64"), Scanner: scanAs(1000)},
		"the zero policy":      {Policy: new(policy.Policy), Resolver: resolveTo("linux/amd64"), Scanner: scanAs(1000)},
		"no resolver":          {Policy: parse(t, namesOnly)},
		"no scanner":           {Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64")},
		"resolver of no image": {Policy: parse(t, namesOnly), Resolver: resolveTo()},
	} {
		if got := gate.Summarize(g.Check(t.Context(), []string{"app:1"})); got != policy.Undecided {
			t.Errorf("%s: outcome = %v, want no verdict", name, got)
		}
	}
	if got := gate.Summarize((&gate.Gate{}).Judge(t.Context(), []evidence.Image{{}})); got != policy.Undecided {
		t.Errorf("judging without a policy: outcome = %v, want no verdict", got)
	}
}

func TestCheckScansOnlyWhatThePolicyNeeds(t *testing.T) {
	scan := func(context.Context, *gate.Target, evidence.Need) (*evidence.Scan, error) {
		t.Error("the scanner was called for a policy about names")
		return nil, nil
	}
	g := &gate.Gate{Policy: parse(t, namesOnly), Resolver: resolveTo("linux/amd64"), Scanner: scannerFunc(scan)}
	want := []string{"app:good linux/amd64 pass", "app:bad linux/amd64 fail"}
	if diff := cmp.Diff(want, decisions(g.Check(t.Context(), []string{"app:good", "app:bad"}))); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestCheckScansADigestOnce(t *testing.T) {
	var scans, resolves atomic.Int32
	resolve := func(_ context.Context, ref string) (*gate.Resolution, error) {
		resolves.Add(1)
		tgt := target(ref, "linux/amd64")
		tgt.Image.Digest = digest("same")
		return &gate.Resolution{Targets: []gate.Target{tgt}}, nil
	}
	scan := func(ctx context.Context, tgt *gate.Target, need evidence.Need) (*evidence.Scan, error) {
		scans.Add(1)
		return scanAs(1000)(ctx, tgt, need)
	}
	g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolverFunc(resolve), Scanner: scannerFunc(scan), Jobs: 8}
	results := g.Check(t.Context(), []string{"app:1", "app:latest", "copy:1", "app:1"})
	if got := scans.Load(); got != 1 {
		t.Errorf("%d scans of one digest, want 1", got)
	}
	if got := resolves.Load(); got != 3 {
		t.Errorf("%d references resolved, want 3: app:1 is in the list twice", got)
	}
	if got := gate.Summarize(results); got != policy.Passed || len(results) != 4 {
		t.Errorf("outcome of %d results = %v, want 4 passes", len(results), got)
	}
	for i := range results {
		if got, want := results[i].Evidence.Reference.Asked, results[i].Ref; got != want {
			t.Errorf("result %d: evidence is about %s, want %s", i, got, want)
		}
	}
}

// An image that cannot be read from one repository may be readable in another.
func TestCheckReadsTheSameDigestFromAnotherRepository(t *testing.T) {
	var scans atomic.Int32
	resolve := func(_ context.Context, ref string) (*gate.Resolution, error) {
		tgt := target(ref, "linux/amd64")
		tgt.Image.Digest = digest("same")
		return &gate.Resolution{Targets: []gate.Target{tgt}}, nil
	}
	scan := func(ctx context.Context, tgt *gate.Target, need evidence.Need) (*evidence.Scan, error) {
		scans.Add(1)
		if tgt.Image.Reference.Repository == "broken" {
			return nil, errors.New("blob is gone")
		}
		return scanAs(1000)(ctx, tgt, need)
	}
	g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolverFunc(resolve), Scanner: scannerFunc(scan), Jobs: 1}
	results := g.Check(t.Context(), []string{"broken:1", "whole:1", "broken:2"})
	if got := results[1].Decision(); got != policy.Passed {
		t.Errorf("whole:1 = %v (%v), want pass", got, results[1].Err)
	}
	if got := scans.Load(); got > 2 {
		t.Errorf("%d scans, want at most one per repository", got)
	}
}

func TestCheckBoundsTheScans(t *testing.T) {
	var running, most atomic.Int32
	scan := func(ctx context.Context, tgt *gate.Target, need evidence.Need) (*evidence.Scan, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for {
			old := most.Load()
			if n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		time.Sleep(time.Millisecond)
		return scanAs(1000)(ctx, tgt, need)
	}
	var refs []string
	for i := range 20 {
		refs = append(refs, fmt.Sprintf("app%d:1", i))
	}
	g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64", "linux/arm64"), Scanner: scannerFunc(scan), Jobs: 3}
	if got := gate.Summarize(g.Check(t.Context(), refs)); got != policy.Passed {
		t.Errorf("outcome = %v, want pass", got)
	}
	if got := most.Load(); got > 3 {
		t.Errorf("%d scans at once, want at most 3", got)
	}
}

// Wherever the run is cut off, nothing passes, and every reference still has a
// result that says why.
func TestACancelledRunNeverPasses(t *testing.T) {
	cause := errors.New("received signal interrupt")
	scanned := scanAs(1000)
	points := map[string]func(g *gate.Gate, cancel func()){
		"before it begins": func(_ *gate.Gate, cancel func()) { cancel() },
		"while resolving": func(g *gate.Gate, cancel func()) {
			g.Resolver = resolverFunc(func(ctx context.Context, ref string) (*gate.Resolution, error) {
				cancel()
				return resolveTo("linux/amd64")(ctx, ref) // as if nothing had happened
			})
		},
		"while scanning": func(g *gate.Gate, cancel func()) {
			g.Scanner = scannerFunc(func(ctx context.Context, tgt *gate.Target, need evidence.Need) (*evidence.Scan, error) {
				cancel()
				return scanned(ctx, tgt, need)
			})
		},
		"while evaluating": func(g *gate.Gate, cancel func()) {
			g.Observe = func(e gate.Event) {
				if e.Phase == gate.PhaseEvaluate {
					cancel()
				}
			}
		},
		"after the last image": func(g *gate.Gate, cancel func()) {
			var done atomic.Int32
			g.Observe = func(e gate.Event) {
				if e.Phase == gate.PhaseDone && done.Add(1) == 3 {
					cancel()
				}
			}
		},
	}
	for name, arrange := range points {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64"), Scanner: scanned, Jobs: 2}
			arrange(g, func() { cancel(cause) })
			results := g.Check(ctx, []string{"a:1", "b:1", "c:1"})
			if len(results) != 3 {
				t.Fatalf("%d results, want 3", len(results))
			}
			for i := range results {
				if results[i].Decision() != policy.Undecided || !errors.Is(results[i].Err, cause) {
					t.Errorf("%s = %v (%v), want no verdict because of the signal", results[i].Ref, results[i].Decision(), results[i].Err)
				}
			}
		})
	}
}

func TestACancelledRunKeepsItsDenials(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	scan := func(ctx context.Context, tgt *gate.Target, need evidence.Need) (*evidence.Scan, error) {
		if tgt.Image.Reference.Repository == "root" {
			return scanAs(0)(ctx, tgt, need)
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64"), Scanner: scannerFunc(scan), Jobs: 2}
	g.Observe = func(e gate.Event) {
		if e.Phase == gate.PhaseDone && e.Image == "root:1" {
			cancel(errors.New("deadline"))
		}
	}
	results := g.Check(ctx, []string{"root:1", "hangs:1"})
	for i, want := range []policy.Decision{policy.Denied, policy.Undecided} {
		if got := results[i].Decision(); got != want {
			t.Errorf("%s = %v (%v), want %v", results[i].Ref, got, results[i].Err, want)
		}
	}
}

// The worker that is waited for must not be the one that waits.
func TestACancelledRunEndsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var once sync.Once
	scan := func(ctx context.Context, _ *gate.Target, _ evidence.Need) (*evidence.Scan, error) {
		once.Do(cancel)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	var refs []string
	for i := range 50 {
		refs = append(refs, fmt.Sprintf("app%d:1", i))
	}
	g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64"), Scanner: scannerFunc(scan), Jobs: 1}
	done := make(chan []gate.Result, 1)
	go func() { done <- g.Check(ctx, refs) }()
	select {
	case results := <-done:
		if got := gate.Summarize(results); got != policy.Undecided || len(results) != 50 {
			t.Errorf("outcome of %d results = %v, want 50 without verdict", len(results), got)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("the run did not end after it was cancelled")
	}
}

func TestCheckReadsTheClockOnce(t *testing.T) {
	var reads atomic.Int32
	now := func() time.Time { reads.Add(1); return time.Unix(0, 0) }
	g := &gate.Gate{Policy: parse(t, namesOnly), Resolver: resolveTo("linux/amd64"), Now: now}
	g.Check(t.Context(), []string{"a:1", "b:1"})
	if got := reads.Load(); got != 1 {
		t.Errorf("the clock was read %d times, want once: all images are judged at one moment", got)
	}
}

func TestObserveSeesEveryStep(t *testing.T) {
	var mu sync.Mutex
	var phases []gate.Phase
	g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64"), Scanner: scanAs(1000)}
	g.Observe = func(e gate.Event) { mu.Lock(); phases = append(phases, e.Phase); mu.Unlock() }
	g.Check(t.Context(), []string{"a:1"})
	want := []gate.Phase{gate.PhaseResolve, gate.PhaseScan, gate.PhaseEvaluate, gate.PhaseDone}
	if !slices.Equal(phases, want) {
		t.Errorf("phases = %v, want %v", phases, want)
	}
}

// Saved evidence gets the verdict that the live run got.
func TestJudgeEqualsCheck(t *testing.T) {
	for _, uid := range []int64{0, 1000} {
		g := &gate.Gate{Policy: parse(t, nonRoot), Resolver: resolveTo("linux/amd64"), Scanner: scanAs(uid)}
		live := g.Check(t.Context(), []string{"a:1"})
		saved := (&gate.Gate{Policy: g.Policy}).Judge(t.Context(), []evidence.Image{*live[0].Evidence})
		if diff := cmp.Diff(decisions(live), decisions(saved)); diff != "" {
			t.Errorf("uid %d: judged again (-live +saved):\n%s", uid, diff)
		}
	}
}

// Many images are judged at once; each result is at its image's place.
func TestJudgeKeepsTheOrder(t *testing.T) {
	var images []evidence.Image
	for i := range 500 {
		tag := "1"
		if i%3 == 0 {
			tag = "bad"
		}
		images = append(images, target(fmt.Sprintf("app%d:%s", i, tag), "linux/amd64").Image)
	}
	for i, r := range (&gate.Gate{Policy: parse(t, namesOnly)}).Judge(t.Context(), images) {
		want := policy.Passed
		if i%3 == 0 {
			want = policy.Denied
		}
		if r.Ref != images[i].Reference.Asked || r.Evidence != &images[i] || r.Decision() != want {
			t.Errorf("result %d is about %s: %v, want %v", i, r.Ref, r.Decision(), want)
		}
	}
}
