package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// install moves next, which is in staging, to its place. Two files cannot be
// renamed at once, so imagegate.json is the journal: it names the new and the
// old database before the first rename and only the new one after the last. A
// process that reads after a crash between the renames hashes the file, which
// tells which of the two it is, and takes the metadata from the journal. Other
// processes wait for the short lock.
func (s *Store) install(ctx context.Context, p place, staging string, next *entry) (*installed, error) {
	h, err := s.acquire(ctx, p.lockFile())
	if err != nil {
		return nil, err
	}
	defer h.release()
	rec, err := s.journal(ctx, p, next)
	if err != nil {
		return nil, err
	}
	raw, err := next.Metadata.encode()
	if err != nil {
		return nil, err
	}
	// From here on ctx is not looked at: the installation is completed.
	for _, step := range []struct {
		name string
		run  func() error
	}{
		{"journal", func() error { return p.writeRecord(rec, true) }},
		{"database", func() error { return os.Rename(filepath.Join(staging, p.file), p.database()) }},
		{"metadata", func() error { return writeDocument(p.dir, metadataFile, raw, true) }},
		{"record", func() error { return s.seal(p, rec) }},
	} {
		if err := s.step(step.name); err != nil {
			return nil, err
		}
		if err := step.run(); err != nil {
			return nil, &localError{fmt.Errorf("install the %s: %w", p.name, err)}
		}
	}
	return &installed{place: p, entry: rec.Databases[0], rec: rec}, nil
}

// journal returns the record that names both databases, and refuses a rollback.
func (s *Store) journal(ctx context.Context, p place, next *entry) (*record, error) {
	rec := &record{Version: recordVersion}
	current, err := s.load(ctx, p)
	switch {
	case err == nil:
		rec = current.rec
		if rec.Newest.Before(current.entry.Metadata.UpdatedAt) && current.entry.Metadata.checkFuture(s.opt.Now()) == nil {
			rec.Newest = current.entry.Metadata.UpdatedAt
		}
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	default:
		// It cannot be used and is replaced, but its build time forbids a rollback.
		if old, err := p.readRecord(); err == nil {
			rec = old
		}
		if err := p.obstacle(); err != nil {
			return nil, err
		}
	}
	built := next.Metadata.UpdatedAt
	if built.Before(rec.Newest) {
		if !s.opt.AllowRollback {
			return nil, fmt.Errorf("%w: it was built at %s, but one of %s was used here", ErrRollback, dateText(built), dateText(rec.Newest))
		}
		s.warn("the %s was rolled back on demand, from a build of %s to one of %s", p.name, dateText(rec.Newest), dateText(built))
		rec.Newest = built
	}
	// After a crash there are two entries, and the file is either. Keep the first,
	// or the record would grow.
	rec.Databases = append([]entry{*next}, rec.Databases[:min(1, len(rec.Databases))]...)
	rec.Checked = time.Time{}
	return rec, nil
}

// obstacle reports what a rename cannot replace.
func (p place) obstacle() error {
	for _, name := range []string{p.database(), p.metadata(), p.record()} {
		info, err := os.Lstat(name)
		if err == nil && info.IsDir() {
			return &localError{fmt.Errorf("%s is a directory: remove it", name)}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &localError{err}
		}
	}
	return nil
}

// seal writes the record of the finished installation.
func (s *Store) seal(p place, rec *record) error {
	// Renaming moves the change time, so the stamp is taken here. The file was
	// written by us, under a lock, and hashed on its way to the disk.
	now, err := p.stat()
	if err != nil {
		return err
	}
	e := rec.Databases[0]
	if now.Size != e.Size {
		return fmt.Errorf("%w: %s has %d bytes instead of %d", ErrChanged, p.database(), now.Size, e.Size)
	}
	e.Stamp = now
	rec.Databases = []entry{e}
	if e.Metadata.UpdatedAt.After(rec.Newest) {
		rec.Newest = e.Metadata.UpdatedAt
	}
	syncDir(p.dir)
	return p.writeRecord(rec, true)
}
