package database

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/imagegate/imagegate/policy/evidence"
)

// A view is a second name, beside the database and so on its file system, under
// which a run sees the same file until it ends, whatever is installed
// meanwhile. The run's own directory holds only a symbolic link to that name:
// it often lies on another file system, and a worker that may write there must
// not hold a name of the file that all runs share.
//
// Names move a file's change time, which is part of its stamp. So they come and
// go under the short lock, between a check of the stamp and its renewal, and
// the hash stays good from run to run.
type view struct {
	place  place
	path   string // of the database in the run's directory
	target string // what it links to
	dir    string // the view's directory in the cache; "" when there is none
	lock   *flock.Flock
	sha256 string
	stamp  stamp
}

// Snapshot lays a database out below dir as Trivy's cache directory does, as a
// view that no update can tear or swap, and returns its verified description.
// A gigabyte is never copied. Where the cache cannot be written, the view is the
// installed file itself; Verify tells whether it was replaced. Close ends all
// views.
func (s *Store) Snapshot(ctx context.Context, k Kind, dir string) (*evidence.Database, error) {
	p, err := s.place(k)
	if err != nil {
		return nil, err
	}
	h, err := s.acquire(ctx, p.lockFile())
	if err != nil {
		return nil, fault(err, "")
	}
	defer h.release()
	inst, err := s.load(ctx, p)
	if err == nil {
		err = inst.entry.Metadata.checkFuture(s.opt.Now())
	}
	if err != nil {
		return nil, s.readFault(p, err)
	}
	v := &view{place: p, path: filepath.Join(dir, p.sub, p.file), target: p.database(), sha256: inst.entry.SHA256}
	s.replace(v.path, nil)
	s.share(inst, v, h)
	v.stamp = inst.entry.Stamp
	if err := v.lay(inst.entry.Metadata); err != nil {
		return nil, fault(errors.Join(fmt.Errorf("lay out the %s: %w", p.name, err), v.end()), "")
	}
	s.replace(v.path, v)
	return inst.facts(), nil
}

// share gives the view its own name of the file if that can be had.
func (s *Store) share(inst *installed, v *view, h held) {
	err := error(nil)
	if !h.readOnly {
		inst.settle()
	}
	if h.lock != nil {
		err = s.addName(inst, v)
	}
	if h.readOnly || err != nil {
		s.warn("%s cannot be written: the %s is used in place, and must not be updated during the run", v.place.dir, v.place.name)
	}
}

// addName gives the file a second name in the cache. An error means that the
// file has only its first one.
func (s *Store) addName(inst *installed, v *view) error {
	p := inst.place
	p.removeDeadViews()
	if !s.linkable(p.dir) {
		return inst.restamp()
	}
	dir, err := os.MkdirTemp(p.dir, viewPrefix)
	if err != nil {
		return err
	}
	lock := newLock(filepath.Join(dir, "lock"))
	target := filepath.Join(dir, p.file)
	ok, err := lock.TryLock()
	if err == nil && ok {
		err = os.Link(p.database(), target)
	}
	if err == nil {
		err = inst.restamp()
	}
	if err != nil || !ok {
		_ = lock.Close()
		return errors.Join(err, os.RemoveAll(dir), inst.restamp())
	}
	v.dir, v.target, v.lock = dir, target, lock
	return nil
}

// removeDeadViews removes the names that killed runs left. The caller holds the
// short lock and renews the stamp.
func (p place) removeDeadViews() {
	for _, dir := range p.glob(viewPrefix) {
		lock, dead := abandoned(filepath.Join(dir, "lock"))
		if dead {
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
}

// lay fills the run's directory.
func (v *view) lay(m metadata) error {
	raw, err := m.encode()
	if err != nil {
		return err
	}
	dir := filepath.Dir(v.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.Remove(v.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(v.target, v.path); err != nil {
		return err
	}
	if err := writeDocument(dir, metadataFile, raw, false); err != nil {
		return err
	}
	return v.check()
}

// check fails when the path does not lead to the file that was verified.
func (v *view) check() error {
	info, err := os.Stat(v.path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	if !stampOf(info).sameContent(v.stamp) {
		return fmt.Errorf("%w: %s was replaced during the run", ErrChanged, v.place.database())
	}
	return nil
}

// replace remembers the view v at path, nil for none, and ends the one that was
// there. The caller holds the short lock.
func (s *Store) replace(path string, v *view) {
	s.mu.Lock()
	old := s.views[path]
	delete(s.views, path)
	if v != nil {
		s.views[path] = v
	}
	s.mu.Unlock()
	if old != nil {
		_ = old.end()
	}
}

// Verify reports whether the database that Snapshot laid out below dir is still
// the file that was hashed. Evidence made with any other is no evidence.
func (s *Store) Verify(ctx context.Context, k Kind, dir string) error {
	p, err := s.place(k)
	if err != nil {
		return err
	}
	s.mu.Lock()
	v := s.views[filepath.Join(dir, p.sub, p.file)]
	s.mu.Unlock()
	if v == nil {
		return fault(fmt.Errorf("there is no snapshot of the %s in %s", p.name, dir), "")
	}
	if err := v.verify(ctx); err != nil {
		return fault(fmt.Errorf("%s: %w", p.name, err), "run it again; if it happens again, run `imagegate db update`")
	}
	return nil
}

func (v *view) verify(ctx context.Context) error {
	if err := v.check(); err != nil {
		return err
	}
	info, err := os.Stat(v.path)
	if err != nil {
		return err
	}
	now := stampOf(info)
	if now == v.stamp {
		return nil
	}
	// Other runs gave the file names and took them away: then the record has its
	// new stamp. Or an update took its first name: then only the hash can tell.
	if rec, err := v.place.readRecord(); err == nil {
		if e := rec.byStamp(now); e != nil && e.SHA256 == v.sha256 {
			return nil
		}
	}
	sum, err := hashFile(ctx, v.path)
	if err != nil {
		return err
	}
	if sum != v.sha256 {
		return fmt.Errorf("%w: %s had %s and has %s now", ErrChanged, v.path, v.sha256, sum)
	}
	return nil
}

// Close ends all views. Workers must have ended before.
func (s *Store) Close() error {
	s.mu.Lock()
	views := s.views
	s.views = map[string]*view{}
	s.mu.Unlock()
	var err error
	for _, v := range views {
		if v.dir != "" {
			err = errors.Join(err, s.closeView(v))
		}
	}
	return err
}

// closeView takes the second name away and, if the file still is the one that
// the record knows, renews its stamp. Without the lock the name goes all the
// same, and the next run has to hash the file.
func (s *Store) closeView(v *view) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	h, err := s.acquire(ctx, v.place.lockFile())
	if err != nil {
		return v.end()
	}
	defer h.release()
	inst := &installed{place: v.place}
	now, err := v.place.stat()
	if err == nil {
		inst.rec, err = v.place.readRecord()
	}
	var known *entry
	if err == nil && len(inst.rec.Databases) == 1 {
		known = inst.rec.byStamp(now)
	}
	if err := v.end(); err != nil || known == nil {
		return err
	}
	inst.entry = *known
	_ = inst.restamp()
	return nil
}

// end removes the second name.
func (v *view) end() error {
	if v.dir == "" {
		return nil
	}
	err := os.RemoveAll(v.dir)
	_ = v.lock.Close()
	return err
}
