// Package progress tells people on standard error what a run is doing.
package progress

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/report/safe"
)

const (
	// refresh is how often the progress line changes at most.
	refresh = 100 * time.Millisecond
	// heartbeat is how long a log stays silent at most while something moves: a
	// job that says nothing for minutes looks as if it hung.
	heartbeat = 30 * time.Second
)

// Printer prints progress: one line that changes on a terminal, a line for each
// image in a log, nothing when it is quiet. It is safe for concurrent use.
type Printer struct {
	w     io.Writer
	quiet bool
	width func() int // columns of the terminal; nil when there is none
	now   func() time.Time

	mu    sync.Mutex
	work  work
	notes []string // warnings so far
	drawn bool
	last  time.Time // something was printed
}

// New returns a printer that writes to w, and draws a line when w is a terminal.
func New(w io.Writer, quiet bool, getenv func(string) string) *Printer {
	p := &Printer{w: w, quiet: quiet, now: time.Now, last: time.Now()}
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

// Expect sets how many references are to be judged.
func (p *Printer) Expect(references int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.work.expected = references
}

// Observe takes in one event and shows it.
func (p *Printer) Observe(e gate.Event) {
	if p.quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	line := p.work.note(e)
	now := p.now()
	switch {
	case p.width != nil:
		if line != "" || now.Sub(p.last) >= refresh {
			p.last = now
			p.draw(p.work.status())
		}
	case line != "":
		p.last = now
		fmt.Fprintf(p.w, "imagegate: %s\n", line)
	case now.Sub(p.last) >= heartbeat:
		p.last = now
		fmt.Fprintf(p.w, "imagegate: %s\n", p.work.status())
	}
}

// draw replaces the progress line.
func (p *Printer) draw(text string) {
	line := []rune(text)
	if limit := p.width() - 1; len(line) > limit {
		line = append(line[:limit-1], '…')
	}
	fmt.Fprintf(p.w, "\r%s\x1b[K", string(line))
	p.drawn = true
}

// Step shows what is being done besides judging: on the line of a terminal, and in a
// log that was silent for long.
func (p *Printer) Step(text string) {
	if p.quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	text = safe.Terminal(text)
	switch {
	case p.width != nil && now.Sub(p.last) >= refresh:
		p.last = now
		p.draw(text)
	case p.width == nil && now.Sub(p.last) >= heartbeat:
		p.last = now
		fmt.Fprintf(p.w, "imagegate: %s\n", text)
	}
}

// Warn prints a remark about the run, and keeps it for the reports.
func (p *Printer) Warn(text string) {
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

// Tell prints what a person should know from the start.
func (p *Printer) Tell(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet {
		return
	}
	p.erase()
	fmt.Fprintf(p.w, "imagegate: %s\n", safe.Terminal(text))
}

// Warnings returns every remark once, in a fixed order: reports of equal runs
// are equal.
func (p *Printer) Warnings() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(slices.Values(p.notes))
}

// Finish removes the progress line, so that what follows starts on a clean one.
func (p *Printer) Finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

func (p *Printer) erase() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}
