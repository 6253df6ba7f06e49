// Package database obtains, verifies, locks and describes the advisory
// databases that Trivy matches against. It never opens a database: bbolt maps the
// file into memory, and a truncated file then ends the process with a fault that
// cannot be recovered. Only the worker opens databases.
//
// A cache directory has the layout of Trivy's own, so that each program can use
// the directory of the other:
//
//	db/trivy.db            java-db/trivy-java.db
//	db/metadata.json       java-db/metadata.json
//	db/imagegate.json      java-db/imagegate.json      (ours)
//
// The feeds of exploited vulnerabilities are beside them, see feed.go.
//
// imagegate.json holds what Trivy does not keep: the artifact's digest, the
// sha256 of the database file, the file's stamp when it was hashed, and the
// newest build ever used. It is also the journal of an installation, see
// install.go. The cache directory, db/ and java-db/ may be symbolic links. The
// files in them may not, because the target of a link can change unnoticed.
package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/imagegate/imagegate/gate"
)

// Kind is one of Trivy's databases. The zero value is none of them.
type Kind int

// The databases.
const (
	// Vulnerability is trivy-db: the advisories.
	Vulnerability Kind = iota + 1
	// Java is trivy-java-db: which jar has which hash.
	Java
)

// String names the database in messages.
func (k Kind) String() string {
	if t, ok := k.traits(); ok {
		return t.name
	}
	return fmt.Sprintf("database kind %d", int(k))
}

// traits are the properties in which the kinds differ.
type traits struct {
	name   string
	sub    string // directory in the cache
	file   string
	schema int // the only schema version that Trivy's library reads
	layer  string
	title  string // file name of the artifact's layer
}

func (k Kind) traits() (traits, bool) {
	switch k {
	case Vulnerability:
		return traits{name: "vulnerability database", sub: "db", file: "trivy.db", schema: 2,
			layer: "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip", title: "db.tar.gz"}, true
	case Java:
		return traits{name: "Java database", sub: "java-db", file: "trivy-java.db", schema: 1,
			layer: "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip", title: "javadb.tar.gz"}, true
	}
	return traits{}, false
}

// Source reads artifacts from registries. It retries, authenticates and ends
// with the context; it need not verify anything.
type Source interface {
	// Manifest returns the document that ref names, its media type and digest.
	Manifest(ctx context.Context, ref string) (raw []byte, mediaType, digest string, err error)
	// Blob starts reading a blob of ref's repository, unverified.
	Blob(ctx context.Context, ref, digest string, size int64) (io.ReadCloser, error)
}

// Limits bound what an artifact may make us store. A zero field means the
// default.
type Limits struct {
	Artifact int64 // bytes as downloaded; 4 GiB
	File     int64 // bytes of the database file; 16 GiB
	Ratio    int64 // unpacked bytes per downloaded one; 200
}

func (l Limits) orDefault() Limits {
	if l.Artifact <= 0 {
		l.Artifact = 4 << 30
	}
	if l.File <= 0 {
		l.File = 16 << 30
	}
	if l.Ratio <= 0 {
		l.Ratio = 200
	}
	return l
}

// Options say where databases come from and go to. CacheDir is required.
type Options struct {
	CacheDir string
	// Repositories are tried in order, and each is a result of ParseRepository:
	// DefaultRepositories for a kind without.
	Repositories map[Kind][]string
	// Source is needed for downloads only.
	Source Source
	// FeedURLs are tried in order: DefaultFeedURL for a feed without. An address that
	// begins with oci:// is that of an artifact, which Source reads.
	FeedURLs map[Feed][]string
	// Files is needed for downloads of feeds only.
	Files FileSource
	// LockTimeout is how long to wait for another process. 5 minutes if 0.
	LockTimeout time.Duration
	// StallTimeout is how long a repository may stay silent. 1 minute if 0.
	StallTimeout time.Duration
	Limits       Limits
	// AllowRollback accepts a database that was built before one that was used
	// already. Advisories can vanish with it: only for a person who means it.
	AllowRollback bool
	// Now is the clock, time.Now if nil.
	Now func() time.Time
	// Observe is called with progress. Optional.
	Observe func(gate.Event)
	// Warn gets what a reader of the report should know although the run
	// goes on, from any goroutine. Optional.
	Warn func(note string)
}

// Store is a cache directory. It is safe for concurrent use, and so is the
// directory: by any number of processes, while it is being updated.
type Store struct {
	opt Options

	mu    sync.Mutex
	views map[string]*view // by the snapshot's path
	told  map[string]bool  // the notes that Warn has heard

	hashed map[Kind]hashed

	freeSpace func(dir string) (free int64, known bool)
	linkable  func(dir string) bool
	// step is called between the steps of an installation, for tests that stop
	// there as a crash would.
	step func(name string) error
}

// New returns a store. It reads and writes nothing yet.
func New(o Options) (*Store, error) {
	if o.CacheDir == "" {
		return nil, &gate.Fault{Phase: gate.PhaseDatabase,
			Err:  errors.New("there is no directory for the advisory databases"),
			Hint: "name one with --cache-dir or IMAGEGATE_CACHE_DIR"}
	}
	dir, err := filepath.Abs(o.CacheDir)
	if err != nil {
		return nil, &gate.Fault{Phase: gate.PhaseDatabase, Err: fmt.Errorf("cache directory: %w", err)}
	}
	o.CacheDir = dir
	if o.LockTimeout <= 0 {
		o.LockTimeout = 5 * time.Minute
	}
	if o.StallTimeout <= 0 {
		o.StallTimeout = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Observe == nil {
		o.Observe = func(gate.Event) {}
	}
	o.Limits = o.Limits.orDefault()
	return &Store{opt: o, views: map[string]*view{}, told: map[string]bool{}, hashed: map[Kind]hashed{},
		freeSpace: FreeSpace, linkable: linkable, step: func(string) error { return nil }}, nil
}

// warn passes a note on, once.
func (s *Store) warn(format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	s.mu.Lock()
	told := s.told[note]
	s.told[note] = true
	s.mu.Unlock()
	if !told {
		s.opt.Warn(note)
	}
}

// Dir returns the directory of a database, whether it exists or not.
func (s *Store) Dir(k Kind) string {
	t, _ := k.traits()
	return filepath.Join(s.opt.CacheDir, t.sub)
}

// DefaultCacheDir returns IMAGEGATE_CACHE_DIR if it is set, and "imagegate" in the
// user's cache directory otherwise. It returns "" when there is neither: then the
// user has to name a directory.
func DefaultCacheDir(getenv func(string) string) string {
	if dir := getenv("IMAGEGATE_CACHE_DIR"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "imagegate")
}
