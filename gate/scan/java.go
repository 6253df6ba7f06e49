package scan

import (
	"context"
	"sync"

	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/policy/evidence"
)

// javaDatabase is obtained once per run, when the first jar is seen: it is
// large, and most images have none.
type javaDatabase struct {
	mu    sync.Mutex
	tried bool
	facts *evidence.Database
	err   error
}

// javaDatabase describes the Java database, and gets it if nobody has tried
// yet. That it cannot be had is remembered for the whole run, unless the caller
// gave up waiting.
func (s *Scanner) javaDatabase(ctx context.Context) (*evidence.Database, error) {
	j := &s.java
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.tried {
		return j.facts, j.err
	}
	_, err := s.opt.Databases.Ensure(ctx, database.Java, s.opt.Offline, 0)
	if err == nil {
		j.facts, err = s.opt.Databases.Snapshot(ctx, database.Java, s.cacheDir)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	j.tried, j.err = true, err
	return j.facts, j.err
}
