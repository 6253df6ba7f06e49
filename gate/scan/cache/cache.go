// Package cache keeps the analyses of layers from one run to the next, in a
// directory or in Redis, for any number of processes and machines at once.
//
// A cache must never be the reason for a wrong pass. What it returns was sealed
// under the key that it was asked for, by a process that knows the secret of
// Options.Key. Without a secret, the writers of the directory are trusted, which
// must be this user alone, or the writers of the server, which causes a warning.
//
// A cache must not prevent a verdict either. A fault in it is a miss and one
// warning, and the run takes longer.
package cache

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ErrMissing means that the cache has no entry that can be trusted: there is
// none, it is damaged, it was written with another secret, or the cache cannot be
// reached.
var ErrMissing = errors.New("not in the layer cache")

const (
	// MaxEntry is how many bytes one entry can have.
	MaxEntry = 64 << 20
	// MinKey is the length of the shortest secret that is accepted.
	MinKey = 16
	// None is the place that keeps nothing.
	None = "none"
)

// Store keeps opaque bytes under hexadecimal keys. It is safe for concurrent
// use.
type Store interface {
	// Get returns the entry. Every error is ErrMissing: the caller does without.
	// saves is about how long that takes: a server is not waited for much longer
	// than a small part of what it can save.
	Get(ctx context.Context, key string, saves time.Duration) ([]byte, error)
	// Put keeps data. Its error has been told to Options.Warn where that is of
	// use, so a caller may ignore it.
	Put(ctx context.Context, key string, data []byte) error
	// Finish says that the run has ended but for the entries that are being put. A
	// server is not waited for much longer.
	Finish()
	// Info tells what is in the cache. A cache that does not exist yet is empty.
	Info(ctx context.Context) (Info, error)
	// Prune deletes entries, while others read and write.
	Prune(ctx context.Context, p Prune) (Pruned, error)
	// Close lets go of connections and files.
	Close() error
}

// Info describes a cache.
type Info struct {
	Place   string    // without credentials
	Entries int       // those of other secrets and older formats included
	Bytes   int64     // as they are stored, compressed
	Oldest  time.Time // last use of the entry that was not used for longest; zero when there is none
	Newest  time.Time // last use of the entry that was used last
}

// Prune says which entries to delete. The zero value deletes none.
type Prune struct {
	MaxAge  time.Duration // those that were not used for longer; 0 sets no limit
	MaxSize int64         // those that were not used for longest, until the rest has so many bytes; 0 sets no limit
	All     bool          // every one
}

// Pruned is what Prune did.
type Pruned struct {
	Deleted      int
	DeletedBytes int64
	Kept         int
	KeptBytes    int64
}

// Options are the settings of a cache. The zero value is fit for a directory
// that no other user can write to.
type Options struct {
	// Key is the secret that entries are authenticated with, of at least MinKey
	// bytes. Without one, entries are trusted because no other user can write to
	// their directory; for Redis, where that is not known, Warn gets a message.
	Key []byte
	// Maintenance opens the cache for Info and Prune alone, which trust no
	// entry and so need no secret. Get finds nothing and Put keeps nothing.
	Maintenance bool
	// Warn is called with problems that are not errors, from many goroutines at
	// once. It may be nil.
	Warn func(string)
	// Now is the clock, time.Now when nil.
	Now func() time.Time
	// CACerts are PEM files with certificates that are trusted beside the
	// system's, for rediss.
	CACerts []string
	// DialTimeout bounds a connection to Redis, 2 s when zero.
	DialTimeout time.Duration
	// Timeout bounds each answer of Redis, 5 s when zero.
	Timeout time.Duration
	// TTL is how long after its last use Redis keeps an entry, 30 days when
	// zero.
	TTL time.Duration
}

// Open opens the cache at a place: a directory, which need not exist yet, a URL
// redis://[USER:PASSWORD@]HOST:PORT/DB, rediss:// for TLS, or None. Its errors
// are mistakes in place or options. That a directory cannot be used or a server
// cannot be reached shows later, as misses and a warning.
func Open(_ context.Context, place string, o Options) (Store, error) {
	if o.Key != nil && len(o.Key) < MinKey {
		return nil, fmt.Errorf("the key of the layer cache has %d bytes: at least %d are needed", len(o.Key), MinKey)
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.DialTimeout = orDefault(o.DialTimeout, 2*time.Second)
	o.Timeout = orDefault(o.Timeout, 5*time.Second)
	o.TTL = orDefault(o.TTL, 30*24*time.Hour)
	scheme, _, isURL := strings.Cut(place, "://")
	switch {
	case place == "":
		return nil, errors.New("the layer cache has no place: name a directory, a redis:// URL or none")
	case place == None:
		return nothing{}, nil
	case !isURL:
		return newDirectory(place, o)
	case scheme == "redis" || scheme == "rediss":
		return newRedis(place, o)
	}
	// Only the scheme is repeated: the rest may hold a password.
	return nil, fmt.Errorf("a layer cache %.20q:// is not known: name a directory, redis://, rediss:// or none", scheme)
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// keyForm is deliberately narrow: keys become file names.
var keyForm = regexp.MustCompile(`^[0-9a-f]{16,128}$`)

func checkKey(key string) error {
	if !keyForm.MatchString(key) {
		return fmt.Errorf("%.140q is not a key of the layer cache: 16 to 128 lower-case hexadecimal digits", key)
	}
	return nil
}

// missing says why there is no entry.
func missing(key string, err error) error { return fmt.Errorf("%w: %.16s: %w", ErrMissing, key, err) }

// entry is what Info and Prune have to know about an entry.
type entry struct {
	name string
	size int64
	used time.Time // zero when that is not known
}

// describe sums entries up.
func describe(place string, entries []entry) Info {
	info := Info{Place: place, Entries: len(entries)}
	for _, e := range entries {
		info.Bytes += e.size
		if e.used.IsZero() {
			continue
		}
		if info.Oldest.IsZero() || e.used.Before(info.Oldest) {
			info.Oldest = e.used
		}
		if e.used.After(info.Newest) {
			info.Newest = e.used
		}
	}
	return info
}

// choose returns the entries that p deletes, those that were not used for
// longest first.
func (p Prune) choose(entries []entry, now time.Time) []entry {
	if p.All {
		return entries
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if c := a.used.Compare(b.used); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	var total int64
	for _, e := range entries {
		total += e.size
	}
	n := 0
	for _, e := range entries {
		tooOld := p.MaxAge > 0 && now.Sub(e.used) > p.MaxAge
		tooMuch := p.MaxSize > 0 && total > p.MaxSize
		if !tooOld && !tooMuch {
			break // all that follow were used later
		}
		total -= e.size
		n++
	}
	return entries[:n]
}

// nothing is the cache that is switched off.
type nothing struct{}

func (nothing) Get(context.Context, string, time.Duration) ([]byte, error) { return nil, ErrMissing }
func (nothing) Put(context.Context, string, []byte) error                  { return nil }
func (nothing) Finish()                                                    {}
func (nothing) Info(context.Context) (Info, error)                         { return Info{Place: None}, nil }
func (nothing) Prune(context.Context, Prune) (pruned Pruned, _ error)      { return pruned, nil }
func (nothing) Close() error                                               { return nil }
