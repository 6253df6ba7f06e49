// Package scan implements gate.Scanner: it reads every layer of an image to
// its last verified byte and has a worker process analyse it.
//
// This package is the parent's half. It holds the streams, the limits and the
// database files, and never parses what the worker parses; the worker
// (gate/scan/engine) links Trivy and holds nothing worth stealing. The two
// speak gate/scan/wire.
package scan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/policy/evidence"
)

// WorkerCommand is the hidden first argument that makes the program a worker.
const WorkerCommand = "__worker"

// Options say how to scan. Command, Databases, TempDir and Now are required.
type Options struct {
	// TempDir is the run's private temporary directory. Workers get directories
	// of their own below it.
	TempDir string
	// Databases is where the advisory databases come from.
	Databases *database.Store
	// Offline uses what is installed and never the network.
	Offline bool
	// MaxAge is how old a database may be that could not be refreshed.
	MaxAge time.Duration
	// Jobs is how many images are scanned at once, each by one worker. 1 if 0.
	Jobs int
	// Memory bounds each worker, in bytes. No limit if 0.
	Memory int64
	// Timeout bounds the scan of one image. No limit if 0.
	Timeout time.Duration
	// Limits bound what an image may contain.
	Limits layer.Limits
	// Command is the worker's command line: this program and WorkerCommand.
	Command []string
	// Now is the run's clock.
	Now func() time.Time
	// Documents names the bills of materials to make of every image:
	// "cyclonedx", "spdx".
	Documents []string
	// Observe is told of progress, from several goroutines. Optional.
	Observe func(gate.Event)
}

// Scanner scans images with a pool of workers. It is safe for concurrent use.
type Scanner struct {
	opt      Options
	cacheDir string // the private view of the databases that workers open
	database *evidence.Database
	slots    chan struct{} // one token per image being scanned
	java     javaDatabase

	mu        sync.Mutex
	idle      []*worker
	documents map[string]map[string][]byte // manifest digest -> name -> document
}

// Open obtains the vulnerability database, starts a first worker and has it
// open and test the database. Errors are a *gate.Fault in the database phase.
func Open(ctx context.Context, o Options) (*Scanner, error) {
	s := &Scanner{
		opt:      o,
		cacheDir: filepath.Join(o.TempDir, "databases"),
		slots:    make(chan struct{}, max(1, o.Jobs)),
	}
	if err := s.openDatabase(ctx); err != nil {
		return nil, err
	}
	w, err := s.start(ctx)
	if err != nil {
		return nil, databaseFault(err)
	}
	s.idle = append(s.idle, w)
	return s, nil
}

func (s *Scanner) openDatabase(ctx context.Context) error {
	if err := os.MkdirAll(s.cacheDir, 0o700); err != nil {
		return databaseFault(err)
	}
	if _, err := s.opt.Databases.Ensure(ctx, database.Vulnerability, s.opt.Offline, s.opt.MaxAge); err != nil {
		return databaseFault(err)
	}
	db, err := s.opt.Databases.Snapshot(ctx, database.Vulnerability, s.cacheDir)
	if err != nil {
		return databaseFault(err)
	}
	s.database = db
	return nil
}

// databaseFault marks err as a failure to get a usable database, unless it
// already says where it comes from.
func databaseFault(err error) error {
	var fault *gate.Fault
	if errors.As(err, &fault) {
		return err
	}
	return &gate.Fault{Phase: gate.PhaseDatabase, Err: err,
		Hint: "run `imagegate db update`, or delete the database directory that `imagegate db status` names"}
}

// Database describes the vulnerability database in use.
func (s *Scanner) Database() *evidence.Database { return s.database }

// Documents returns the bills of materials that were made, by manifest digest
// and name.
func (s *Scanner) Documents() map[string]map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.documents)
}

// keep stores the documents of one image.
func (s *Scanner) keep(digest string, documents map[string][]byte) {
	if len(documents) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.documents == nil {
		s.documents = map[string]map[string][]byte{}
	}
	s.documents[digest] = documents
}

// Close ends the workers and closes Databases, whose private views they read.
// The caller removes TempDir.
func (s *Scanner) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.idle {
		w.kill()
	}
	s.idle = nil
	return s.opt.Databases.Close()
}

// Scan reads t's layers. Any error means that there is no evidence at all: a
// byte that could not be verified, a limit, a worker that died.
func (s *Scanner) Scan(ctx context.Context, t *gate.Target, need evidence.Need) (*evidence.Scan, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if s.opt.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.opt.Timeout, &gate.Fault{Phase: gate.PhaseScan,
			Err:  fmt.Errorf("the scan did not end within %s", s.opt.Timeout),
			Hint: "raise it with --scan-timeout"})
		defer cancel()
	}
	if err := checkSpace(s.opt.TempDir, t); err != nil {
		return nil, err
	}
	w, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	scan, err := s.scanWith(ctx, w, t, need)
	if err != nil {
		w.kill()
		if cause := context.Cause(ctx); cause != nil {
			err = cause // what the worker says then is only the echo
		}
		return nil, err
	}
	// Evidence counts only if the database is still the one that was hashed.
	if err := s.opt.Databases.Verify(ctx, database.Vulnerability, s.cacheDir); err != nil {
		w.kill()
		return nil, databaseFault(err)
	}
	// The context may have ended while the last words were exchanged: a run that
	// was told to stop must not end in a pass.
	if cause := context.Cause(ctx); cause != nil {
		w.kill()
		return nil, cause
	}
	s.release(w)
	return scan, nil
}

// acquire returns an idle worker that still lives, or starts one.
func (s *Scanner) acquire(ctx context.Context) (*worker, error) {
	s.mu.Lock()
	for len(s.idle) > 0 {
		w := s.idle[len(s.idle)-1]
		s.idle = s.idle[:len(s.idle)-1]
		if w.alive() {
			s.mu.Unlock()
			return w, nil
		}
		w.kill()
	}
	s.mu.Unlock()
	return s.start(ctx)
}

func (s *Scanner) release(w *worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, w)
}

func (s *Scanner) observe(e gate.Event) {
	if s.opt.Observe != nil {
		s.opt.Observe(e)
	}
}
