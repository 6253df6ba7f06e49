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
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/gate/scan/process"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Options say how to scan. Command, Analyzers, Databases, TempDir and Now are
// required.
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
	// Jobs is how many workers there are at most, each busy with one layer or one
	// image. 1 if 0.
	Jobs int
	// Memory bounds each worker, in bytes. No limit if 0.
	Memory int64
	// Timeout bounds the scan of one image. No limit if 0.
	Timeout time.Duration
	// Limits bound what an image may contain.
	Limits layer.Limits
	// Command is the worker's command line: this program and [process.Command].
	Command []string
	// Ahead is a process that was started with Command already, nil for none. It
	// becomes the first worker.
	Ahead *process.Process
	// Analyzers answers for the worker's analyzers without asking it.
	Analyzers Analyzers
	// Cache keeps what is known of layers from run to run. Nothing is kept if it
	// is nil.
	Cache Cache
	// LayerMemory is how many bytes of what is known of layers are kept for the
	// images that follow in this run. 256 MiB if 0.
	LayerMemory int64
	// Build names this build of the program. Nothing that another one has put
	// into Cache is used.
	Build string
	// Now is the run's clock.
	Now func() time.Time
	// Documents names the bills of materials to make of every image:
	// "cyclonedx", "spdx".
	Documents []string
	// Observe is told of progress, from several goroutines. Optional.
	Observe func(gate.Event)
}

// Analyzers says what the worker's analyzers would do. They look at no byte of
// an image here.
type Analyzers interface {
	// Wants returns a function, safe for concurrent use, that reports whether any
	// analyzer asks for a file.
	Wants(need evidence.Need) (func(name string, mode fs.FileMode, size int64) bool, error)
	// Fingerprint names everything but a layer's bytes that its analysis depends
	// on.
	Fingerprint(need evidence.Need) (string, error)
}

// defaultLayerMemory is Options.LayerMemory if that is 0.
const defaultLayerMemory = 256 << 20

// Scanner scans images with a pool of workers. Layers that images have in
// common are read once. It is safe for concurrent use.
type Scanner struct {
	opt      Options
	cacheDir string // the private view of the databases that workers open
	slots    *slots // one for each worker
	flights  flights
	memory   memory
	java     javaDatabase
	storing  sync.WaitGroup

	opening  sync.Mutex
	opened   bool
	failed   error
	database *evidence.Database

	mu        sync.Mutex
	ahead     *process.Process // becomes the first worker
	idle      []*worker
	unsaved   map[layerID]*known           // layers that are being saved, and what to save next
	documents map[string]map[string][]byte // manifest digest -> name -> document
}

// New returns a scanner. Nothing is fetched or started before the first Scan.
func New(o Options) *Scanner {
	if o.LayerMemory == 0 {
		o.LayerMemory = defaultLayerMemory
	}
	return &Scanner{
		opt:      o,
		cacheDir: filepath.Join(o.TempDir, "databases"),
		slots:    newSlots(max(1, o.Jobs)),
		memory:   memory{limit: o.LayerMemory},
		ahead:    o.Ahead,
	}
}

// Open obtains the vulnerability database; Scan does so by itself. Errors are a
// *gate.Fault in the database phase, and stand for the whole run unless the
// caller gave up waiting.
func (s *Scanner) Open(ctx context.Context) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.opened {
		return s.failed
	}
	err := s.openDatabase(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.opened, s.failed = true, err
	return err
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

// Database describes the vulnerability database in use, nil before it was
// needed.
func (s *Scanner) Database() *evidence.Database {
	s.opening.Lock()
	defer s.opening.Unlock()
	return s.database
}

// Documents returns the bills of materials that were made, by manifest digest
// and name.
func (s *Scanner) Documents() map[string]map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.documents)
}

// keep stores the documents of one image.
func (s *Scanner) keep(digest string, documents map[string]string) {
	if len(documents) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.documents == nil {
		s.documents = map[string]map[string][]byte{}
	}
	s.documents[digest] = map[string][]byte{}
	for name, text := range documents {
		s.documents[digest][name] = []byte(text)
	}
}

// Close waits until no layer is read any more and what is known of layers is in
// the cache, ends the workers and closes Databases, whose private views they read. No scan may be under
// way. The caller removes TempDir.
func (s *Scanner) Close() error {
	s.flights.wait()
	s.storing.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.ahead; p != nil {
		p.Kill()
		_ = p.Wait()
		p.Close()
	}
	for _, w := range s.idle {
		w.kill()
	}
	s.idle, s.ahead = nil, nil
	return s.opt.Databases.Close()
}

// Scan reads t's layers, or takes from the cache what is known of them. Any
// error means that there is no evidence at all: a byte that could not be
// verified, a limit, a worker that died.
func (s *Scanner) Scan(ctx context.Context, t *gate.Target, need evidence.Need) (*evidence.Scan, error) {
	if s.opt.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.opt.Timeout, &gate.Fault{Phase: gate.PhaseScan,
			Err:  fmt.Errorf("the scan did not end within %s", s.opt.Timeout),
			Hint: "raise it with --scan-timeout"})
		defer cancel()
	}
	if err := s.Open(ctx); err != nil {
		return nil, err
	}
	if err := checkSpace(s.opt.TempDir, t); err != nil {
		return nil, err
	}
	scan, err := s.image(t, need).scan(ctx)
	if err != nil {
		return nil, err
	}
	// Evidence counts only if the database is still the one that was hashed.
	if err := s.opt.Databases.Verify(ctx, database.Vulnerability, s.cacheDir); err != nil {
		return nil, databaseFault(err)
	}
	// The context may have ended while the last words were exchanged: a run that
	// was told to stop must not end in a pass.
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	return scan, nil
}

func (s *Scanner) observe(e gate.Event) {
	if s.opt.Observe != nil {
		s.opt.Observe(e)
	}
}
