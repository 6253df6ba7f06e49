package scan

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/gate/scan/worker"
	"github.com/imagegate/imagegate/policy/evidence"
)

// databases are the advisory databases of one run. Each is obtained once, when
// it is needed first, and that it cannot be obtained is remembered for the whole
// run, unless the caller gave up waiting.
type databases struct {
	opt *Options
	dir string // the private view of the databases that workers open

	main, java obtained
}

// obtained is one database.
type obtained struct {
	mu    sync.Mutex
	tried bool
	facts *evidence.Database
	err   error
}

// once returns what get came to the first time.
func (o *obtained) once(ctx context.Context, get func() (*evidence.Database, error)) (*evidence.Database, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tried {
		return o.facts, o.err
	}
	facts, err := get()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	o.tried, o.facts, o.err = true, facts, err
	return o.facts, o.err
}

// current returns the database, nil before it was obtained.
func (o *obtained) current() *evidence.Database {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.facts
}

// open obtains the vulnerability database.
func (d *databases) open(ctx context.Context) error {
	_, err := d.main.once(ctx, func() (*evidence.Database, error) {
		facts, err := d.obtain(ctx, database.Vulnerability, d.opt.MaxAge)
		if err != nil {
			return nil, worker.DatabaseFault(err)
		}
		return facts, nil
	})
	return err
}

// openJava obtains the Java database when the first jar is seen: it is large,
// and most images have no jar.
func (d *databases) openJava(ctx context.Context) (*evidence.Database, error) {
	return d.java.once(ctx, func() (*evidence.Database, error) { return d.obtain(ctx, database.Java, 0) })
}

func (d *databases) obtain(ctx context.Context, kind database.Kind, maxAge time.Duration) (*evidence.Database, error) {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, err
	}
	if _, err := d.opt.Databases.Ensure(ctx, kind, d.opt.Offline, maxAge); err != nil {
		return nil, err
	}
	return d.opt.Databases.Snapshot(ctx, kind, d.dir)
}

// javaHash returns the hash of the Java database, "" if there is none.
func (d *databases) javaHash(ctx context.Context) string {
	db, err := d.openJava(ctx)
	if err != nil {
		return ""
	}
	return db.FileSHA256
}

// verify reports whether a database is still the one that was hashed: what was
// found with other bytes is no evidence.
func (d *databases) verify(ctx context.Context, kind database.Kind) error {
	if err := d.opt.Databases.Verify(ctx, kind, d.dir); err != nil {
		return worker.DatabaseFault(err)
	}
	return nil
}
