package database

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// recheck is how long no repository is asked again after it had nothing newer or
// after a download, as in Trivy: the next build may be late, and a thousand jobs
// must not ask for it each minute.
const recheck = time.Hour

// Ensure returns a database that a run can use: the installed one while it is
// fresh, and a new one otherwise. When the download fails, Ensure returns the
// installed database if it is younger than maxAge, with a note through
// Options.Warn; an older one is an error. A maxAge of 0 sets no limit here: the
// policy judges the age. Offline, the network is not used.
func (s *Store) Ensure(ctx context.Context, k Kind, offline bool, maxAge time.Duration) (*evidence.Database, error) {
	p, err := s.place(k)
	if err != nil {
		return nil, err
	}
	inst, err := s.usable(ctx, p)
	switch {
	case ctx.Err() != nil:
		return nil, fault(fmt.Errorf("%s: %w", p.name, context.Cause(ctx)), "")
	case offline:
		return s.ensureOffline(p, inst, err, maxAge)
	case err == nil && s.fresh(inst, maxAge):
		return inst.facts(), nil
	}
	updated, updateErr := s.update(ctx, p, func(i *installed) bool { return s.fresh(i, maxAge) })
	switch {
	case ctx.Err() != nil:
		return nil, fault(fmt.Errorf("%s: %w", p.name, context.Cause(ctx)), "")
	case updateErr != nil:
		return s.fallBack(ctx, p, updateErr, maxAge)
	}
	if err != nil && !errors.Is(err, ErrMissing) {
		s.warn("the %s could not be used (%v) and was downloaded again", p.name, err)
	}
	return s.young(updated, maxAge)
}

// usable reads the installed database and refuses one from the future.
func (s *Store) usable(ctx context.Context, p place) (*installed, error) {
	inst, err := s.read(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := inst.entry.Metadata.checkFuture(s.opt.Now()); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return inst, nil
}

// fresh reports whether no repository needs to be asked for a newer database.
func (s *Store) fresh(i *installed, maxAge time.Duration) bool {
	m, now := i.entry.Metadata, s.opt.Now()
	if m.checkFuture(now) != nil || maxAge > 0 && now.Sub(m.UpdatedAt) > maxAge {
		return false // even if its next update is not due yet
	}
	recent := func(t time.Time) bool { return !t.After(now) && now.Sub(t) < recheck }
	return now.Before(m.NextUpdate) || recent(m.DownloadedAt) || recent(i.rec.Checked)
}

func (s *Store) ensureOffline(p place, inst *installed, err error, maxAge time.Duration) (*evidence.Database, error) {
	switch {
	case errors.Is(err, ErrMissing):
		return nil, s.readFault(p, fmt.Errorf("%w, and with --offline none is downloaded", err))
	case err != nil:
		return nil, s.readFault(p, err)
	}
	return s.young(inst, maxAge)
}

// young refuses a database that is older than maxAge or from the future.
func (s *Store) young(i *installed, maxAge time.Duration) (*evidence.Database, error) {
	if err := i.entry.Metadata.checkFuture(s.opt.Now()); err != nil {
		return nil, fault(fmt.Errorf("%s: %w", i.place.name, err), "")
	}
	age := s.opt.Now().Sub(i.entry.Metadata.UpdatedAt)
	if maxAge > 0 && age > maxAge {
		return nil, fault(fmt.Errorf("%w: the %s from %s was built at %s, %s ago; the limit is %s", ErrStale, i.place.name,
			i.entry.Source, dateText(i.entry.Metadata.UpdatedAt), words.Duration(age), words.Duration(maxAge)), "")
	}
	return i.facts(), nil
}

// fallBack returns the installed database after a refresh has failed. It reads the
// database again, because another process may have installed a newer one.
func (s *Store) fallBack(ctx context.Context, p place, cause error, maxAge time.Duration) (*evidence.Database, error) {
	inst, err := s.usable(ctx, p)
	if errors.Is(err, ErrMissing) {
		return nil, cause
	}
	if err != nil {
		return nil, fault(fmt.Errorf("%w; and the installed one cannot be used: %w", cause, err), "")
	}
	age := s.opt.Now().Sub(inst.entry.Metadata.UpdatedAt)
	if maxAge > 0 && age > maxAge {
		return nil, fault(fmt.Errorf("%w: the installed %s was built at %s, %s ago, the limit is %s, and it could not be refreshed: %w", ErrStale,
			p.name, dateText(inst.entry.Metadata.UpdatedAt), words.Duration(age), words.Duration(maxAge), cause), "make one of the repositories reachable (--db-repository), or import a database: `imagegate db import FILE`")
	}
	s.warn("the %s could not be refreshed, so the one built at %s (%s ago) is used: %v",
		p.name, dateText(inst.entry.Metadata.UpdatedAt), words.Duration(age), cause)
	return inst.facts(), nil
}
