package database

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// Update installs what the first repository that answers properly has. It
// downloads nothing when that is installed already.
func (s *Store) Update(ctx context.Context, k Kind) (*evidence.Database, error) {
	p, err := s.place(k)
	if err != nil {
		return nil, err
	}
	inst, err := s.update(ctx, p, func(*installed) bool { return false })
	if err != nil {
		return nil, err
	}
	return inst.facts(), nil
}

// update refreshes p from its repositories, unless satisfied accepts what another
// process installed while this one waited.
func (s *Store) update(ctx context.Context, p place, satisfied func(*installed) bool) (*installed, error) {
	if s.opt.Source == nil {
		return nil, fault(fmt.Errorf("the %s cannot be downloaded: there is no source", p.name), "")
	}
	return s.exclusively(ctx, p, func(current *installed) (*installed, error) {
		if current != nil && satisfied(current) {
			return current, nil
		}
		var failed failures
		for _, ref := range s.repositories(p.kind) {
			inst, err := s.updateFrom(ctx, p, origin{s.opt.Source, ref, pinned(ref)}, current)
			if err == nil {
				return inst, nil
			}
			if ctx.Err() != nil {
				return nil, fmt.Errorf("download the %s from %s: %w", p.name, ref, context.Cause(ctx))
			}
			failed = append(failed, fmt.Errorf("%s: %w", ref, err))
			if _, ok := errors.AsType[*localError](err); ok {
				break // every other repository would end in the same way
			}
		}
		return nil, fault(fmt.Errorf("the %s could not be downloaded: %w", p.name, failed), s.downloadHint(p, failed))
	})
}

func (s *Store) downloadHint(p place, failed failures) string {
	if len(failed) == 0 {
		return ""
	}
	hint := cure(failed[len(failed)-1])
	if strings.Contains(hint, "db update") && !errors.Is(failed, ErrRollback) {
		return "make a repository reachable or name another with --db-repository; without a network use `imagegate db import FILE`"
	}
	return hint
}

// exclusively runs f under the update lock with the database that is installed
// then, nil when there is none that can be used.
func (s *Store) exclusively(ctx context.Context, p place, f func(*installed) (*installed, error)) (*installed, error) {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return nil, fault(fmt.Errorf("%s: %w", p.name, err), "")
	}
	h, err := s.acquire(ctx, p.updateLockFile())
	if err != nil {
		return nil, fault(fmt.Errorf("update the %s: %w", p.name, err), "")
	}
	defer h.release()
	if h.readOnly {
		return nil, fault(fmt.Errorf("the %s cannot be updated: %s is read-only", p.name, p.root),
			"name a directory that can be written with --cache-dir, or update it where it is mounted from")
	}
	if err := s.sweep(ctx, p, h.lock != nil); err != nil {
		return nil, fault(fmt.Errorf("update the %s: %w", p.name, err), "")
	}
	current, err := s.read(ctx, p)
	if ctx.Err() != nil {
		return nil, fault(fmt.Errorf("%s: %w", p.name, context.Cause(ctx)), "")
	}
	if errors.Is(err, ErrLocked) {
		return nil, fault(err, "")
	}
	inst, err := f(current)
	if err != nil {
		return nil, fault(err, "")
	}
	return inst, nil
}

// sweep removes the temporary files of killed updates. Temporary files are made
// only under one of the two locks, so with both locks all of them are left over.
// Without locks, those that are older than a day are.
func (s *Store) sweep(ctx context.Context, p place, locked bool) error {
	h, err := s.acquire(ctx, p.lockFile())
	if err != nil {
		return err
	}
	defer h.release()
	for _, name := range p.glob(tempPrefix) {
		info, err := os.Lstat(name)
		if err == nil && (locked && h.lock != nil || time.Since(info.ModTime()) > 24*time.Hour) {
			_ = os.RemoveAll(name)
		}
	}
	return nil
}

// glob lists what begins with prefix beside the database.
func (p place) glob(prefix string) []string {
	entries, _ := os.ReadDir(p.dir)
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, filepath.Join(p.dir, e.Name()))
		}
	}
	return names
}

// origin is where an artifact comes from.
type origin struct {
	Source
	ref string
	pin string // the digest that ref demands, "" when it is a tag
}

// updateFrom installs the database of from, unless it is installed already.
func (s *Store) updateFrom(ctx context.Context, p place, from origin, current *installed) (*installed, error) {
	s.opt.Observe(gate.Event{Phase: gate.PhaseDatabase, Image: from.ref})
	a, err := s.resolve(ctx, p, from)
	if err != nil {
		return nil, err
	}
	if current != nil && current.entry.Digest == a.digest {
		return s.upToDate(ctx, p)
	}
	staging, err := os.MkdirTemp(p.dir, tempPrefix)
	if err != nil {
		return nil, &localError{err}
	}
	defer os.RemoveAll(staging)
	next, err := s.download(ctx, p, from, a, staging)
	if err != nil {
		return nil, err
	}
	return s.install(ctx, p, staging, next)
}

// resolve asks for the manifest and verifies it.
func (s *Store) resolve(ctx context.Context, p place, from origin) (*artifact, error) {
	raw, mediaType, err := s.manifestOf(ctx, from)
	if err != nil {
		return nil, err
	}
	return parseArtifact(raw, mediaType, p.traits, s.opt.Limits)
}

// manifestOf asks for a manifest, which has the digest that from demands.
func (s *Store) manifestOf(ctx context.Context, from origin) (raw []byte, mediaType string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.opt.StallTimeout, fmt.Errorf("no answer within %s", words.Duration(s.opt.StallTimeout)))
	defer cancel()
	raw, mediaType, digest, err := from.Manifest(ctx, from.ref)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, "", fmt.Errorf("manifest: %w", err)
	}
	got := sumOf(raw)
	for _, want := range []string{digest, from.pin} {
		if want != "" && want != got {
			return nil, "", fmt.Errorf("the manifest is not the one that was named: it has %s instead of %s", got, want)
		}
	}
	return raw, mediaType, nil
}

// upToDate notes that the repository had nothing newer.
func (s *Store) upToDate(ctx context.Context, p place) (*installed, error) {
	h, err := s.acquire(ctx, p.lockFile())
	if err != nil {
		return nil, err
	}
	defer h.release()
	inst, err := s.load(ctx, p)
	if err != nil {
		return nil, err
	}
	inst.rec.Checked, inst.dirty = s.opt.Now().UTC(), true
	inst.settle()
	return inst, nil
}
