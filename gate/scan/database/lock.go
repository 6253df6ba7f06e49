package database

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/imagegate/imagegate/policy/words"
)

// There are two locks for each database. The update lock is held during a
// download: of eight gates that start at once, one downloads and seven wait. The
// short lock is held while files are looked at or renamed: a gate that only reads
// does not wait for a download.

// poll is the longest time between two attempts to take a lock. The attempts are
// at random times: of many processes that try at the same times, some would never
// get the lock. patience is how long a process waits before it tells the user.
const (
	poll     = 10 * time.Millisecond
	patience = 5 * time.Second
)

// held is a lock, or says that there are no locks in this directory.
type held struct {
	lock *flock.Flock // nil without a lock
	// readOnly is true when nothing can be written here. No other process that sees
	// the same file system updates it then.
	readOnly bool
}

func (h held) release() {
	if h.lock != nil {
		// Closing the file is what releases it; the file stays, because removing
		// a lock file lets two processes hold two locks of one name.
		_ = h.lock.Close()
	}
}

// acquire takes an exclusive lock.
func (s *Store) acquire(ctx context.Context, path string) (held, error) {
	lock := newLock(path)
	start, told := time.Now(), false
	for {
		ok, err := lock.TryLock()
		switch {
		case ok:
			tellHolder(path)
			return held{lock: lock}, nil
		case err != nil && isReadOnly(err):
			return held{readOnly: true}, nil
		case err != nil && errors.Is(err, fs.ErrNotExist):
			return held{}, nil // no cache directory: there is nothing to guard
		case err != nil && noLocks(err):
			s.warn("the file system of %s has no locks: let one process at a time update its databases", filepath.Dir(path))
			return held{}, nil
		case err != nil:
			return held{}, fmt.Errorf("lock %s: %w", path, err)
		}
		if waited := time.Since(start); waited >= s.opt.LockTimeout {
			return held{}, fmt.Errorf("%w: %s is held by %s, and waiting for %s did not help", ErrLocked, path, holder(path), words.Duration(s.opt.LockTimeout))
		} else if waited >= patience && !told {
			told = true
			s.warn("waited for %s, which holds %s", holder(path), path)
		}
		select {
		case <-ctx.Done():
			return held{}, fmt.Errorf("wait for %s, which holds %s: %w", holder(path), path, context.Cause(ctx))
		case <-time.After(poll/10 + rand.N(poll)):
		}
	}
}

func newLock(path string) *flock.Flock {
	return flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDONLY|lockFlags), flock.SetPermissions(0o644))
}

// tellHolder writes our process id into the lock file, for the messages of
// processes that wait too long.
func tellHolder(path string) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC|lockFlags, 0)
	if err != nil {
		return
	}
	defer f.Close()
	host, _ := os.Hostname()
	fmt.Fprintf(f, "%d\n%s\n", os.Getpid(), host)
}

// holder says who holds a lock, as far as the lock file tells.
func holder(path string) string {
	f, err := os.OpenFile(path, os.O_RDONLY|lockFlags, 0)
	if err != nil {
		return "another process"
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Scan()
	pid, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
	if err != nil || pid <= 0 {
		return "another process"
	}
	lines.Scan()
	name := fmt.Sprintf("process %d", pid)
	host, _ := os.Hostname()
	if other := lines.Text(); other != host && other != "" && len(other) < 256 {
		return fmt.Sprintf("%s on %q", name, other)
	}
	return name
}

// abandoned takes the lock of a process that has ended. The caller releases it.
func abandoned(path string) (*flock.Flock, bool) {
	lock := newLock(path)
	ok, err := lock.TryLock()
	if err != nil && errors.Is(err, syscall.ENOENT) {
		return lock, true
	}
	return lock, ok
}
