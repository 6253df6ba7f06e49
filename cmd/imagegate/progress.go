package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
)

// refresh is how often the progress line changes at most.
const refresh = 100 * time.Millisecond

// progress tells people on stderr what is going on: one line that changes on a
// terminal, a line for each step elsewhere, nothing when asked to be quiet.
type progress struct {
	w     io.Writer
	quiet bool
	width func() int // columns of the terminal; nil when there is none

	mu    sync.Mutex
	told  map[string]bool // image, platform and phase
	done  int
	notes []string // warnings so far
	drawn bool
	last  time.Time
}

// newProgress writes to w, and draws when w is a terminal.
func newProgress(w io.Writer, quiet bool, getenv func(string) string) *progress {
	p := &progress{w: w, quiet: quiet, told: map[string]bool{}}
	f, ok := w.(*os.File)
	if ok && term.IsTerminal(int(f.Fd())) && getenv("TERM") != "dumb" && getenv("CI") == "" {
		p.width = func() int {
			columns, _, err := term.GetSize(int(f.Fd()))
			if err != nil || columns < 20 {
				return 80
			}
			return columns
		}
	}
	return p
}

// observe shows one event. It may be called from many goroutines.
func (p *progress) observe(e gate.Event) {
	if p.quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// Layers are fetched and scanned at the same time: outside a terminal each
	// phase is told once, or the log would go back and forth.
	key := e.Image + " " + e.Platform + " " + string(e.Phase)
	changed := !p.told[key]
	p.told[key] = true
	if e.Phase == gate.PhaseDone && changed {
		p.done++
	}
	text := describe(e)
	switch {
	case p.width != nil:
		p.draw(text, changed)
	case changed && text != "":
		fmt.Fprintf(p.w, "imagegate: %s\n", text)
	}
}

// draw replaces the progress line, not more often than people can read.
func (p *progress) draw(text string, changed bool) {
	now := time.Now()
	if text == "" || !changed && now.Sub(p.last) < refresh {
		return
	}
	p.last = now
	if p.done > 0 {
		text = fmt.Sprintf("%d judged, %s", p.done, text)
	}
	line := []rune(text)
	if limit := p.width() - 1; len(line) > limit {
		line = append(line[:limit-1], '…')
	}
	fmt.Fprintf(p.w, "\r%s\x1b[K", string(line))
	p.drawn = true
}

// warn prints a remark about the run, and keeps it for the reports.
func (p *progress) warn(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(p.notes, text) {
		return
	}
	p.notes = append(p.notes, text)
	if p.quiet {
		return
	}
	p.erase()
	fmt.Fprintf(p.w, "imagegate: warning: %s\n", safe.Terminal(text))
}

// tell prints what a person should know from the start.
func (p *progress) tell(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet {
		return
	}
	p.erase()
	fmt.Fprintf(p.w, "imagegate: %s\n", safe.Terminal(text))
}

// warnings returns every remark once, in a fixed order: reports of equal runs
// are equal.
func (p *progress) warnings() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(slices.Values(p.notes))
}

// finish removes the progress line, so that what follows starts on a clean one.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

func (p *progress) erase() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

// describe puts an event into words; "" when there is nothing to tell.
func describe(e gate.Event) string {
	subject := safe.Terminal(strings.TrimSpace(e.Image + " " + e.Platform))
	var text string
	switch e.Phase {
	case gate.PhaseDatabase:
		text = "fetching the advisory database"
		if subject != "" {
			text += " " + subject
		}
		return text + amount(e)
	case gate.PhaseResolve:
		return "resolving " + subject
	case gate.PhaseFetch:
		text = "fetching " + subject
	case gate.PhaseScan:
		text = "scanning " + subject
	default:
		return ""
	}
	switch {
	case e.Layer > 0 && e.Layers > 0:
		text += fmt.Sprintf(", layer %d of %d", e.Layer, e.Layers)
	case e.Layers == 1:
		text += ", 1 layer"
	case e.Layers > 0:
		text += fmt.Sprintf(", %d layers", e.Layers)
	}
	return text + amount(e)
}

func amount(e gate.Event) string {
	switch {
	case e.Total > 0:
		return fmt.Sprintf(", %s of %s", formatBytes(e.Bytes), formatBytes(e.Total))
	case e.Bytes > 0:
		return ", " + formatBytes(e.Bytes)
	}
	return ""
}

// formatBytes writes a size for people: "12.3 MiB".
func formatBytes(n int64) string {
	switch {
	case n >= gibibyte:
		return fmt.Sprintf("%.1f GiB", float64(n)/gibibyte)
	case n >= mebibyte:
		return fmt.Sprintf("%.1f MiB", float64(n)/mebibyte)
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
