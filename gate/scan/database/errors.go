package database

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/imagegate/imagegate/gate"
)

// What went wrong, for callers that branch on it.
var (
	// ErrMissing: there is no database.
	ErrMissing = errors.New("no database")
	// ErrNoFeed: a feed of exploited vulnerabilities was not fetched.
	ErrNoFeed = errors.New("not fetched yet")
	// ErrChanged: the file is not the one that was verified.
	ErrChanged = errors.New("database file changed since it was downloaded")
	// ErrRollback: the database was built before one that was used already.
	ErrRollback = errors.New("database is older than one used before")
	// ErrShorter: a feed has lost a part of its entries.
	ErrShorter = errors.New("feed is much shorter than the last one, so it may be cut off")
	// ErrLocked: another process holds the lock for too long.
	ErrLocked = errors.New("database is locked")
	// ErrStale: the database is older than allowed and could not be refreshed.
	ErrStale = errors.New("database is too old")
	// ErrNewer: the database has a schema that only later versions read.
	ErrNewer = errors.New("database schema is too new")
)

// localError is a failure of this machine's disk: another repository would
// fail in the same way.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// fault puts err into the database phase, with the cure that fits it when the
// caller knows none.
func fault(err error, hint string) error {
	if _, ok := errors.AsType[*gate.Fault](err); ok {
		return err
	}
	hint = cmp.Or(hint, cure(err))
	return &gate.Fault{Phase: gate.PhaseDatabase, Err: err, Hint: hint}
}

func cure(err error) string {
	switch {
	case errors.Is(err, ErrNewer):
		return "upgrade imagegate"
	case errors.Is(err, ErrLocked):
		return "wait for the other process, raise --lock-timeout, or give each its own --cache-dir"
	case errors.Is(err, syscall.ENOSPC):
		return "free space there, or name another directory with --cache-dir"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return "make the directory readable and writable, or name another with --cache-dir"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ""
	case errors.Is(err, ErrRollback):
		return "if the older database is really wanted: `imagegate db update --allow-db-rollback`"
	}
	return "run `imagegate db update`"
}

// isReadOnly reports whether err means that we may not write there.
func isReadOnly(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission)
}

// dateText writes a date for people; UTC, as everything here.
func dateText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// failures is what each repository answered.
type failures []error

func (f failures) Error() string {
	var b strings.Builder
	for i, err := range f {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(err.Error())
	}
	return b.String()
}

// Unwrap lets errors.Is and errors.As look at each of them.
func (f failures) Unwrap() []error { return f }
