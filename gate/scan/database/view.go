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

// A view is a second name of the database file, in the same directory. An update
// replaces the first name only, so a run reads the same file through its view
// until it ends. The run's own directory has only a symbolic link to that name: the
// directory is often on another file system, and a worker that may write there
// must not have a name of the file that all runs share.
//
// Adding or removing a name changes the file's change time, which is part of its
// stamp. So it is done under the short lock, between a check of the stamp and
// its renewal, and the hash remains valid from run to run.
type view struct {
	place  place
	path   string // of the database in the run's directory
	target string // what it links to
	dir    string // the view's directory in the cache; "" when there is none
	lock   *flock.Flock
	sha256 string
	stamp  stamp
}

// Snapshot makes a view of a database below dir, in the layout of Trivy's cache
// directory, and returns its verified description. No update changes the view,
// and the file is not copied. In a cache that cannot be written, the view is the
// installed file itself, and Verify tells whether it was replaced. Close ends all
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

// share gives the view its own name of the file where that is possible.
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

// lay makes the files of the run's directory.
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

// replace sets the view at path to v, or to none if v is nil, and ends the previous
// view at path. The caller holds the short lock.
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
// the file that was hashed. Evidence that was made with another file is invalid.
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
	// Other runs added and removed names of the file: then the record has the new
	// stamp. Or an update removed its first name: then the hash decides.
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

// closeView removes the second name and, if the record is about the file, renews
// its stamp. Without the lock it only removes the name, and the next run has to
// hash the file.
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
