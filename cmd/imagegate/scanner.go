package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/imagegate/imagegate/cmd/imagegate/ahead"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/exploited"
	"github.com/imagegate/imagegate/gate/scan"
	"github.com/imagegate/imagegate/gate/scan/engine"
	"github.com/imagegate/imagegate/gate/scan/process"
	"github.com/imagegate/imagegate/policy/evidence"
)

func openScanner(p *program, o *scanOptions, bills []string) (*scan.Scanner, error) {
	root, err := p.tmp.Path(o.tempParent)
	if err != nil {
		return nil, &gate.Fault{Phase: gate.PhaseScan, Err: err, Hint: "name a directory that can be written to with --tmp-dir"}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, &gate.Fault{Phase: gate.PhaseScan, Err: fmt.Errorf("find this program to start workers: %w", err)}
	}
	return scan.New(scan.Options{
		TempDir:     root,
		Databases:   o.databases,
		Offline:     o.offline,
		MaxAge:      o.maxAge,
		Jobs:        o.jobs,
		Memory:      o.memory,
		Timeout:     o.scanTimeout,
		Limits:      o.connection.layerLimits,
		Command:     []string{self, process.Command},
		Ahead:       ahead.Take(),
		Analyzers:   new(engine.Selector),
		Cache:       o.layers,
		LayerMemory: o.layerMemory,
		Build:       buildID(self),
		Now:         p.now,
		Documents:   bills,
		Observe:     o.progress.Observe,
	}), nil
}

// buildID names this build of the program for the layer cache. Two builds from
// a work tree can have the same version and still differ.
func buildID(self string) string {
	id := toolVersion() + " " + commit
	if info, err := os.Stat(self); err == nil && strings.Contains(id, "dev") {
		id += fmt.Sprintf(" %d %d", info.Size(), info.ModTime().UnixNano())
	}
	return id
}

// lazyScanner makes the scanner when it is needed: a policy that looks at names
// alone needs none.
type lazyScanner struct {
	open func() (*scan.Scanner, error)
	// feeds tell which findings are exploited.
	feeds *exploited.Feeds

	mu     sync.Mutex
	opened *scan.Scanner
	closed bool
}

// Scan implements [gate.Scanner].
func (l *lazyScanner) Scan(ctx context.Context, t *gate.Target, need evidence.Need) (*evidence.Scan, error) {
	s, err := l.get()
	if err != nil {
		return nil, err
	}
	found, err := s.Scan(ctx, t, need)
	l.feeds.Annotate(found)
	return found, err
}

func (l *lazyScanner) get() (*scan.Scanner, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.New("internal error: the scanner is closed")
	}
	s, err := l.open()
	if err == nil {
		l.opened = s
	}
	return s, err
}

func (l *lazyScanner) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.opened != nil {
		_ = l.opened.Close()
	}
}

// documents returns the bills of materials that were made.
func (l *lazyScanner) documents() map[string]map[string][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened == nil {
		return nil
	}
	return l.opened.Documents()
}

// database returns the advisory database that was used, nil when none was.
func (l *lazyScanner) database() *evidence.Database {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened == nil {
		return nil
	}
	return l.opened.Database()
}
