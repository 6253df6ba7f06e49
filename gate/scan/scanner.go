// Package scan implements gate.Scanner: it reads every layer of an image to
// its last verified byte and has a worker process analyse it.
//
// It holds the streams, the limits and the database files, and never parses what
// a worker parses. The worker (gate/scan/engine) links Trivy and holds no secret;
// gate/scan/worker speaks to it, and gate/scan/store holds what is known of
// layers.
package scan

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/gate/scan/process"
	"github.com/imagegate/imagegate/gate/scan/store"
	"github.com/imagegate/imagegate/gate/scan/worker"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
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
	Cache store.Cache
	// LayerMemory is how many bytes of what is known of layers are kept for the
	// images that follow in this run. 256 MiB if 0.
	LayerMemory int64
	// Build names this build of the program. What another build has put into Cache
	// is not used.
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
	opt       Options
	databases databases
	pool      *worker.Pool
	layers    *store.Store
	documents documents
	opening   sync.WaitGroup // the databases that scans have asked for
}

// New returns a scanner. Nothing is fetched or started before the first Scan.
func New(o Options) *Scanner {
	o.LayerMemory = cmp.Or(o.LayerMemory, defaultLayerMemory)
	dir := filepath.Join(o.TempDir, "databases")
	s := &Scanner{opt: o}
	s.databases = databases{opt: &s.opt, dir: dir}
	s.pool = worker.NewPool(worker.Options{Command: o.Command, Ahead: o.Ahead,
		TempDir: o.TempDir, Databases: dir, Jobs: o.Jobs, Memory: o.Memory})
	s.layers = store.New(store.Options{Cache: o.Cache, Memory: o.LayerMemory, Build: o.Build, Limits: o.Limits,
		Fingerprint: o.Analyzers.Fingerprint, JavaDatabase: s.databases.javaHash})
	return s
}

// Open obtains the vulnerability database; Scan does so by itself. An error is a
// *gate.Fault in the database phase. It is the error of the whole run, unless
// the caller gave up waiting.
func (s *Scanner) Open(ctx context.Context) error { return s.databases.open(ctx) }

// Database describes the vulnerability database in use, nil before it was
// needed.
func (s *Scanner) Database() *evidence.Database { return s.databases.main.current() }

// Documents returns the bills of materials that were made, by manifest digest
// and name.
func (s *Scanner) Documents() map[string]map[string][]byte { return s.documents.all() }

// Close waits until no layer is read and no database opened any more and what is
// known of layers is in the cache, ends the workers and closes Databases, whose
// private views they read. No scan may be under way. The caller removes TempDir,
// so nothing may write there after Close: a scan that was cancelled returns
// before the database that it asked for is open.
func (s *Scanner) Close() error {
	s.opening.Wait()
	s.layers.Close()
	s.pool.Close()
	return s.opt.Databases.Close()
}

// Scan reads t's layers, or takes from the cache what is known of them. Any
// error means that there is no evidence at all: a byte that could not be
// verified, a limit, a worker that died.
func (s *Scanner) Scan(ctx context.Context, t *gate.Target, need evidence.Need) (*evidence.Scan, error) {
	if s.opt.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.opt.Timeout, &gate.Fault{Phase: gate.PhaseScan,
			Err:  fmt.Errorf("the scan did not end within %s", words.Duration(s.opt.Timeout)),
			Hint: "raise it with --scan-timeout"})
		defer cancel()
	}
	if err := checkSpace(s.opt.TempDir, t); err != nil {
		return nil, err
	}
	// The database is obtained while the layers are looked up. What needs it waits
	// for it, and gets the error.
	s.opening.Go(func() { _ = s.Open(ctx) })
	scan, err := newImage(s, t, need).scan(ctx)
	if err != nil {
		return nil, err
	}
	// Evidence counts only if the database is still the one that was hashed.
	if err := s.databases.verify(ctx, database.Vulnerability); err != nil {
		return nil, err
	}
	// The context may have ended while the worker's last answer was read: a run
	// that was told to stop must not end in a pass.
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
