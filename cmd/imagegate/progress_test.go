package main

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/imagegate/imagegate/gate"
)

func noEnv(string) string { return "" }

func TestProgressTellsEachPhaseOnce(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, false, noEnv)
	for _, e := range []gate.Event{
		{Phase: gate.PhaseDatabase},
		{Image: "app:1", Phase: gate.PhaseResolve},
		{Image: "app:1", Platform: "linux/amd64", Phase: gate.PhaseScan, Layers: 3},
		{Image: "app:1", Platform: "linux/amd64", Phase: gate.PhaseFetch, Layer: 1, Layers: 3, Bytes: 1 << 20, Total: 3 << 20},
		{Image: "app:1", Platform: "linux/amd64", Phase: gate.PhaseScan, Layer: 1, Layers: 3},
		{Image: "app:1", Platform: "linux/amd64", Phase: gate.PhaseFetch, Layer: 2, Layers: 3},
		{Image: "app:1", Platform: "linux/amd64", Phase: gate.PhaseDone},
	} {
		p.observe(e)
	}
	p.finish()
	want := `imagegate: fetching the advisory database
imagegate: resolving app:1
imagegate: scanning app:1 linux/amd64, 3 layers
imagegate: fetching app:1 linux/amd64, layer 1 of 3, 1.0 MiB of 3.0 MiB
`
	if got := out.String(); got != want {
		t.Errorf("progress:\n%s\nwant:\n%s", got, want)
	}
}

func TestProgressIsSilentWhenQuiet(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, true, noEnv)
	p.observe(gate.Event{Image: "app:1", Phase: gate.PhaseResolve})
	p.warn("the database is old")
	p.finish()
	if out.Len() > 0 {
		t.Errorf("printed %q", out.String())
	}
	if got := p.warnings(); len(got) != 1 {
		t.Errorf("warnings = %q: reports need them even when nothing is printed", got)
	}
}

func TestProgressLineOnATerminal(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, false, noEnv)
	p.width = func() int { return 30 }
	p.observe(gate.Event{Image: "registry.example.no/a/very/long/name:1", Phase: gate.PhaseResolve})
	if got, want := out.String(), "\rresolving registry.example.n…\x1b[K"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	out.Reset()
	p.warn("x")
	if got, want := out.String(), "\r\x1b[Kimagegate: warning: x\n"; got != want {
		t.Errorf("warning %q, want %q", got, want)
	}
}

// What registries and images are called never reaches the terminal raw.
func TestProgressIsABoundary(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var out bytes.Buffer
		p := newProgress(&out, false, noEnv)
		if terminal {
			p.width = func() int { return 200 }
		}
		p.observe(gate.Event{Image: "a\x1b]0;owned\a\n::error::x", Phase: gate.PhaseResolve})
		p.warn("w\x1b[2J\r\n##vso[task.complete]")
		p.finish()
		text := strings.ReplaceAll(strings.ReplaceAll(out.String(), "\x1b[K", ""), "\r", "")
		if strings.ContainsAny(text, "\x1b\a") || strings.Contains(text, "\n::") || strings.Contains(text, "##vso[") {
			t.Errorf("terminal %v: %q", terminal, out.String())
		}
	}
}

func TestProgressIsSafeForConcurrentUse(t *testing.T) {
	p := newProgress(new(bytes.Buffer), false, noEnv)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				p.observe(gate.Event{Image: "a", Phase: gate.PhaseScan})
				p.warn("w")
				_ = p.warnings()
			}
		})
	}
	wg.Wait()
	if got := p.warnings(); len(got) != 1 {
		t.Errorf("warnings = %q, want it once", got)
	}
}
