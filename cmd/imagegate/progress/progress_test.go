package progress

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy"
)

func noEnv(string) string { return "" }

// twoPlatforms are the events of a reference with two platforms that share a
// layer, and of one that cannot be resolved.
func twoPlatforms() []gate.Event {
	return []gate.Event{
		{Phase: gate.PhaseDatabase, Image: "mirror.example.no/db:2"},
		{Phase: gate.PhaseDatabase, Image: "mirror.example.no/db:2", Bytes: 1 << 20, Total: 1 << 20},
		{Image: "app:1", Phase: gate.PhaseResolve},
		{Image: "gone:1", Phase: gate.PhaseResolve},
		{Image: "gone:1", Phase: gate.PhaseDone},
		{Image: "app:1", Platform: "linux/amd64", Phase: gate.PhaseScan, Layers: 2},
		{Image: "app:1", Platform: "linux/arm64", Phase: gate.PhaseScan, Layers: 1},
		{Image: "app:1", Platform: "linux/amd64", Phase: gate.PhaseFetch, Layer: "sha256:a", Layers: 2, Bytes: 1 << 20, Total: 3 << 20},
		{Image: "app:1", Platform: "linux/amd64", Phase: gate.PhaseFetch, Layer: "sha256:a", Layers: 2, Bytes: 3 << 20, Total: 3 << 20},
		{Image: "app:1", Platform: "linux/amd64", Phase: gate.PhaseScan, Layer: "sha256:a", Layers: 2, LayerDone: true},
		{Image: "app:1", Platform: "linux/amd64", Phase: gate.PhaseScan, Layer: "sha256:b", Layers: 2, LayerDone: true, Known: true},
		{Image: "app:1", Platform: "linux/arm64", Phase: gate.PhaseScan, Layer: "sha256:a", Layers: 1, LayerDone: true, Known: true},
		{Image: "app:1", Platform: "linux/amd64", Phase: gate.PhaseDone, Decision: policy.Passed},
		{Image: "app:1", Platform: "linux/arm64", Phase: gate.PhaseDone, Decision: policy.Denied},
	}
}

func TestProgressInALogIsALineForEachImage(t *testing.T) {
	var out bytes.Buffer
	p := New(&out, false, noEnv)
	p.Expect(2)
	for _, e := range twoPlatforms() {
		p.Observe(e)
	}
	p.Finish()
	want := `imagegate: fetching the advisory database from mirror.example.no/db:2
imagegate: gone:1: no-verdict
imagegate: app:1 linux/amd64: pass, 2 layers (1 known), 3.0 MiB read
imagegate: app:1 linux/arm64: fail, 1 layer (1 known)
`
	if got := out.String(); got != want {
		t.Errorf("progress:\n%s\nwant:\n%s", got, want)
	}
}

// A log that has been silent for long says what the run waits for.
func TestProgressInALogHasAHeartbeat(t *testing.T) {
	var out bytes.Buffer
	p := New(&out, false, noEnv)
	now := time.Now()
	p.now = func() time.Time { now = now.Add(20 * time.Second); return now }
	for _, e := range twoPlatforms()[5:9] {
		p.Observe(e)
	}
	want := `imagegate: 0 of 3 layers, scanning app:1 linux/amd64
imagegate: 0 of 3 layers, 3.0 MiB of 3.0 MiB, scanning app:1 linux/amd64
`
	if got := out.String(); got != want {
		t.Errorf("progress:\n%s\nwant:\n%s", got, want)
	}
}

func TestProgressOnATerminalShowsTheWholeRun(t *testing.T) {
	var w work
	w.expected = 2
	want := []string{
		"0 of 2 images judged",
		"0 of 2 images judged",
		"0 of 2 images judged, resolving app:1",
		"0 of 2 images judged, resolving app:1",
		"1 of 2 images judged, resolving app:1",
		"1 of 2 images judged, 0 of 2 layers, scanning app:1 linux/amd64",
		"1 of 3 images judged, 0 of 3 layers, scanning app:1 linux/amd64",
		"1 of 3 images judged, 0 of 3 layers, 1.0 MiB of 3.0 MiB, scanning app:1 linux/amd64",
		"1 of 3 images judged, 0 of 3 layers, 3.0 MiB of 3.0 MiB, scanning app:1 linux/amd64",
		"1 of 3 images judged, 1 of 3 layers, 3.0 MiB of 3.0 MiB, scanning app:1 linux/amd64",
		"1 of 3 images judged, 2 of 3 layers, 3.0 MiB of 3.0 MiB, matching app:1 linux/amd64",
		"1 of 3 images judged, 3 of 3 layers, 3.0 MiB of 3.0 MiB, matching app:1 linux/amd64",
		"2 of 3 images judged, 1 of 1 layer, 3.0 MiB of 3.0 MiB, matching app:1 linux/arm64",
		"3 of 3 images judged, 3.0 MiB of 3.0 MiB",
	}
	for i, e := range twoPlatforms() {
		w.note(e)
		if got := w.status(); got != want[i] {
			t.Errorf("after event %d: %q, want %q", i, got, want[i])
		}
	}
}

func TestProgressIsSilentWhenQuiet(t *testing.T) {
	var out bytes.Buffer
	p := New(&out, true, noEnv)
	p.Observe(gate.Event{Image: "app:1", Phase: gate.PhaseResolve})
	p.Warn("the database is old")
	p.Finish()
	if out.Len() > 0 {
		t.Errorf("printed %q", out.String())
	}
	if got := p.Warnings(); len(got) != 1 {
		t.Errorf("warnings = %q: reports need them even when nothing is printed", got)
	}
}

func TestProgressLineOnATerminal(t *testing.T) {
	var out bytes.Buffer
	p := New(&out, false, noEnv)
	p.width = func() int { return 30 }
	p.last = time.Time{}
	p.Observe(gate.Event{Image: "registry.example.no/a/very/long/name:1", Phase: gate.PhaseResolve})
	if got, want := out.String(), "\rresolving registry.example.n…\x1b[K"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	out.Reset()
	p.Warn("x")
	if got, want := out.String(), "\r\x1b[Kimagegate: warning: x\n"; got != want {
		t.Errorf("warning %q, want %q", got, want)
	}
}

// What registries and images are called never reaches the terminal raw.
func TestProgressIsABoundary(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var out bytes.Buffer
		p := New(&out, false, noEnv)
		if terminal {
			p.width = func() int { return 200 }
		}
		p.last = time.Time{}
		for _, phase := range []gate.Phase{gate.PhaseResolve, gate.PhaseDone, gate.PhaseDatabase} {
			p.Observe(gate.Event{Image: "a\x1b]0;owned\a\n::error::x", Phase: phase})
		}
		p.last = time.Time{}
		p.Step("s\x1b[2J\n::error::x")
		p.Warn("w\x1b[2J\r\n##vso[task.complete]")
		p.Finish()
		text := strings.ReplaceAll(strings.ReplaceAll(out.String(), "\x1b[K", ""), "\r", "")
		if strings.ContainsAny(text, "\x1b\a") || strings.Contains(text, "\n::") || strings.Contains(text, "##vso[") {
			t.Errorf("terminal %v: %q", terminal, out.String())
		}
	}
}

func TestProgressIsSafeForConcurrentUse(t *testing.T) {
	p := New(new(bytes.Buffer), false, noEnv)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				p.Observe(gate.Event{Image: "a", Phase: gate.PhaseScan})
				p.Warn("w")
				_ = p.Warnings()
			}
		})
	}
	wg.Wait()
	if got := p.Warnings(); len(got) != 1 {
		t.Errorf("warnings = %q, want it once", got)
	}
}

// A layer is read on for others when the image that began it has no verdict any
// more. That image must not come back as one that is still to be judged.
func TestLateLayersOfAnImageThatIsDone(t *testing.T) {
	w := work{expected: 2}
	w.note(gate.Event{Image: "a:1", Phase: gate.PhaseResolve})
	layer := gate.Event{Image: "a:1", Platform: "linux/amd64", Phase: gate.PhaseFetch, Layer: "sha256:1", Layers: 1, Bytes: 1, Total: 2}
	w.note(layer)
	w.note(gate.Event{Image: "a:1", Platform: "linux/amd64", Phase: gate.PhaseDone})
	w.note(layer)
	if got := w.status(); !strings.HasPrefix(got, "1 of 2 images judged") || strings.Contains(got, "a:1") {
		t.Errorf("status %q", got)
	}
}
