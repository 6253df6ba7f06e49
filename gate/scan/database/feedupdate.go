package database

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/evidence"
)

// UpdateFeed fetches a feed from the first address that offers a good one. It is
// read to its end before it replaces the one that is there, so whatever is wrong
// with it changes nothing.
func (s *Store) UpdateFeed(ctx context.Context, f Feed) (*evidence.Feed, error) {
	if s.opt.Files == nil {
		return nil, feedFault(fmt.Errorf("the %s cannot be downloaded: there is no source", f), "")
	}
	began := s.opt.Now()
	p := s.feedPlace()
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return nil, feedFault(fmt.Errorf("%s: %w", f, err), "")
	}
	h, err := s.acquire(ctx, p.updateLockFile())
	if err != nil {
		return nil, feedFault(fmt.Errorf("update the %s: %w", f, err), "")
	}
	defer h.release()
	if h.readOnly {
		return nil, feedFault(fmt.Errorf("the %s cannot be updated: %s is read-only", f, p.root),
			"name a directory that can be written with --cache-dir, or update it where it is mounted from")
	}
	// Of many processes that start at once, one fetches and the others wait.
	if rec, err := f.readRecord(p); err == nil && rec.Checked.After(began) {
		if c, err := s.loadFeed(p, f); err == nil {
			return c.feed(), nil
		}
	}
	if h.lock != nil {
		p.sweepFeeds()
	}
	feed, err := s.fetchFeed(ctx, p, f)
	if err != nil {
		return nil, err
	}
	if h.lock != nil {
		p.sweepFeeds()
	}
	return feed, nil
}

// fetchFeed asks each address of the feed in turn. The caller holds the lock.
func (s *Store) fetchFeed(ctx context.Context, p place, f Feed) (*evidence.Feed, error) {
	var failed failures
	for _, address := range s.feedURLs(f) {
		feed, err := s.updateFeedFrom(ctx, p, f, address)
		if err == nil {
			return feed, nil
		}
		if ctx.Err() != nil {
			return nil, feedFault(fmt.Errorf("download the %s from %s: %w", f, address, context.Cause(ctx)), "")
		}
		failed = append(failed, fmt.Errorf("%s: %w", address, err))
		if _, ok := errors.AsType[*localError](err); ok {
			break // every other address would end in the same way
		}
	}
	err := fmt.Errorf("the %s could not be updated: %w", f, failed)
	if _, ok := errors.AsType[*localError](failed); ok || errors.Is(failed, ErrRollback) || errors.Is(failed, ErrShorter) {
		return nil, feedFault(err, "")
	}
	// The source may know a better cure, which is shown then.
	return nil, &gate.Fault{Phase: gate.PhaseDatabase, Err: err, Hint: fmt.Sprintf(
		"make the address reachable or name a mirror with --%[1]s-url; without a network name the file with --%[1]s FILE where images are judged", f.Short())}
}

func (s *Store) feedURLs(f Feed) []string {
	if urls := s.opt.FeedURLs[f]; len(urls) > 0 {
		return urls
	}
	return []string{DefaultFeedURL(f)}
}

func (s *Store) updateFeedFrom(ctx context.Context, p place, f Feed, address string) (*evidence.Feed, error) {
	file, err := s.feedFile(ctx, address)
	if err != nil {
		return nil, err
	}
	c, err := f.parse(address, file)
	if err != nil {
		return nil, err
	}
	feed, now := c.feed(), s.opt.Now().UTC()
	if feed.Date.After(now.Add(clockSkew)) {
		return nil, fmt.Errorf("it claims to be of %s, in the future: it is %s here; the file or this clock is wrong", dateText(feed.Date), dateText(now))
	}
	rec := &feedRecord{Version: feedRecordVersion, Source: address, SHA256: feed.SHA256, Checked: now, Newest: feed.Date, Entries: feed.Entries}
	// A record that cannot be read is replaced. One whose file is damaged still
	// forbids a rollback.
	if old, err := f.readRecord(p); err == nil {
		if err := s.compareWithLast(f, feed, old); err != nil {
			return nil, err
		}
	}
	if err := s.installFeed(p, f, rec, file); err != nil {
		return nil, &localError{fmt.Errorf("install the %s: %w", f, err)}
	}
	if feed.CheckedAt = &now; fixedFeed(address) {
		feed.CheckedAt = nil
	}
	return feed, nil
}

// compareWithLast refuses a feed that is older than one that was used here, or that has
// lost more than a tenth of its entries. The list of EPSS scores has no count: one that
// was cut at the end of a line shows it by nothing else.
func (s *Store) compareWithLast(f Feed, feed *evidence.Feed, old *feedRecord) error {
	older, shorter := feed.Date.Before(old.Newest), feed.Entries < old.Entries-old.Entries/10
	switch {
	case older && s.opt.AllowRollback:
		s.warn("the %s: rolled back on demand, from %s to %s", f, dateText(old.Newest), dateText(feed.Date))
	case older:
		return feedRollback(feed.Date, old.Newest)
	case shorter && s.opt.AllowRollback:
		s.warn("the %s: taken on demand, though it has %d entries and the last one %d", f, feed.Entries, old.Entries)
	case shorter:
		return fmt.Errorf("%w: it has %d entries, and the last one had %d", ErrShorter, feed.Entries, old.Entries)
	}
	return nil
}

// installFeed writes the file and then the record, which replaces both.
func (s *Store) installFeed(p place, f Feed, rec *feedRecord, file []byte) error {
	raw, err := rec.bytes()
	if err != nil {
		return err
	}
	if err := s.reserve(p.dir, int64(len(file))); err != nil {
		return err
	}
	for _, step := range []struct {
		name, file string
		content    []byte
	}{{"feed", f.file(p, rec.SHA256), file}, {"feed record", f.record(p), raw}} {
		if err := s.step(step.name); err != nil {
			return err
		}
		if err := writeDocument(p.dir, filepath.Base(step.file), step.content, true); err != nil {
			return err
		}
	}
	syncDir(p.dir)
	return nil
}

// sweepFeeds removes the files that no record names, and temporary ones of killed
// updates. The caller holds the lock. A record that cannot be read may name any file
// of its feed.
func (p place) sweepFeeds() {
	keep := []string{}
	prefixes := []string{tempPrefix}
	for _, f := range Feeds() {
		rec, err := f.readRecord(p)
		if err != nil && !errors.Is(err, ErrNoFeed) {
			continue
		}
		prefixes = append(prefixes, f.Short()+"-")
		if err == nil {
			keep = append(keep, f.file(p, rec.SHA256))
		}
	}
	for _, prefix := range prefixes {
		for _, name := range p.glob(prefix) {
			if hash := name[strings.LastIndexByte(name, '-')+1:]; !slices.Contains(keep, name) && (prefix == tempPrefix || feedHash.MatchString(hash)) {
				_ = os.Remove(name)
			}
		}
	}
}
