package database

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// installed is the verified database of a place.
type installed struct {
	place place
	entry entry
	rec   *record // as imagegate.json should be: one entry
	dirty bool    // and is not
	torn  bool    // metadata.json belongs to another file, after a crash
}

// facts describes the database for reports.
func (i *installed) facts() *evidence.Database {
	m := i.entry.Metadata
	return &evidence.Database{
		Source: i.entry.Source, Digest: i.entry.Digest, FileSHA256: i.entry.SHA256,
		Version: m.Version, UpdatedAt: m.UpdatedAt,
		NextUpdate: timePointer(m.NextUpdate), DownloadedAt: timePointer(m.DownloadedAt),
	}
}

func timePointer(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// read verifies the installed database under the short lock.
func (s *Store) read(ctx context.Context, p place) (*installed, error) {
	h, err := s.acquire(ctx, p.lockFile())
	if err != nil {
		return nil, err
	}
	defer h.release()
	inst, err := s.load(ctx, p)
	if err != nil {
		return nil, err
	}
	if !h.readOnly {
		inst.settle()
	}
	return inst, nil
}

// load verifies the files of p and writes nothing.
func (s *Store) load(ctx context.Context, p place) (*installed, error) {
	now, err := p.stat()
	if err != nil {
		return nil, err
	}
	rec, err := p.readRecord()
	if err != nil {
		return nil, err
	}
	raw, err := readDocument(p.metadata())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	inst := &installed{place: p, rec: rec}
	known := rec.byStamp(now)
	sum := ""
	if known != nil {
		sum = known.SHA256
	} else {
		if sum, err = s.hash(ctx, p, now); err != nil {
			return nil, err
		}
		known, inst.dirty = rec.byHash(sum), true
	}
	if err := inst.identify(known, sum, raw); err != nil {
		return nil, err
	}
	inst.entry.Stamp, inst.entry.Size = now, now.Size
	return inst, inst.conclude(s)
}

// hash hashes the database file, which must not change meanwhile. The store keeps
// the last hash: in a directory that cannot be written, a run would hash the file
// several times.
func (s *Store) hash(ctx context.Context, p place, before stamp) (string, error) {
	s.mu.Lock()
	last := s.hashed[p.kind]
	s.mu.Unlock()
	if last.stamp == before {
		return last.sum, nil
	}
	sum, err := hashFile(ctx, p.database())
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.name, err)
	}
	after, err := p.stat()
	if err != nil {
		return "", err
	}
	if after != before {
		return "", fmt.Errorf("%w: %s is being written by another program", ErrChanged, p.database())
	}
	s.mu.Lock()
	s.hashed[p.kind] = hashed{before, sum}
	s.mu.Unlock()
	return sum, nil
}

// hashed is the hash of a file and its stamp at that time.
type hashed struct {
	stamp stamp
	sum   string
}

// identify finds out which database the file with hash sum is. known is its
// entry in the record, raw the content of metadata.json, nil without one.
func (i *installed) identify(known *entry, sum string, raw []byte) error {
	p := i.place
	metaSum := sumOf(raw)
	seen := raw == nil || i.rec.knowsMetadata(metaSum)
	switch {
	case known != nil && (seen || known.MetadataSHA256 == metaSum):
		// Where metadata.json belongs to the other entry, or is not there yet, an
		// installation was cut off between its renames. The file decides.
		i.entry, i.torn = *known, raw == nil || known.MetadataSHA256 != metaSum
		return nil
	case known != nil && known.Digest != "":
		return fmt.Errorf("%w: %s is not the one that came with %s", ErrChanged, p.metadata(), p.file)
	case known == nil && seen && len(i.rec.Databases) > 0:
		return fmt.Errorf("%w: %s has %s, it was recorded as %s", ErrChanged, p.database(), sum, i.rec.Databases[0].SHA256)
	case raw == nil:
		return fmt.Errorf("%w: %s is there, but its %s is missing", ErrMissing, p.database(), metadataFile)
	}
	// Another program made both files: Trivy, or a person without a network.
	m, err := parseMetadata(raw, p.schema)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", p.name, p.metadata(), err)
	}
	i.entry = entry{Source: p.dir, SHA256: sum, MetadataSHA256: metaSum, Metadata: m}
	i.dirty = true
	return nil
}

// conclude refuses a database that is older than an earlier one, and prepares the
// record.
func (i *installed) conclude(s *Store) error {
	m := i.entry.Metadata
	if m.Version != i.place.schema || m.UpdatedAt.IsZero() {
		return fmt.Errorf("%s: %s is damaged", i.place.name, i.place.record())
	}
	if m.UpdatedAt.Before(i.rec.Newest) && !s.opt.AllowRollback {
		return fmt.Errorf("%w: %s was built at %s, but one of %s was used here", ErrRollback,
			i.place.database(), dateText(m.UpdatedAt), dateText(i.rec.Newest))
	}
	i.dirty = i.dirty || i.torn || len(i.rec.Databases) != 1
	i.rec.Databases = []entry{i.entry}
	// A build time in the future must not make every later build a rollback.
	if m.UpdatedAt.After(i.rec.Newest) && m.checkFuture(s.opt.Now()) == nil {
		i.rec.Newest, i.dirty = m.UpdatedAt, true
	}
	return nil
}

// settle repairs the files and writes the record. It only saves work for the next
// process, so it reports no errors.
func (i *installed) settle() {
	if i.torn {
		raw, err := i.entry.Metadata.encode()
		if err != nil || writeDocument(i.place.dir, metadataFile, raw, true) != nil {
			return // the record has to keep both entries until the pair is whole
		}
		i.entry.MetadataSHA256, i.torn = sumOf(raw), false
		i.rec.Databases[0] = i.entry
	}
	if i.dirty && i.place.writeRecord(i.rec, false) == nil {
		i.dirty = false
	}
}

// restamp records that only the names of the file changed: linking and unlinking
// change its change time.
func (i *installed) restamp() error {
	now, err := i.place.stat()
	if err != nil {
		return err
	}
	if !now.sameContent(i.entry.Stamp) {
		return fmt.Errorf("%w: %s was replaced by another program", ErrChanged, i.place.database())
	}
	if now == i.entry.Stamp {
		return nil
	}
	i.entry.Stamp = now
	i.rec.Databases[0] = i.entry
	return i.place.writeRecord(i.rec, false)
}

// Status describes the installed database without judging its age. The error
// is ErrMissing when there is none.
func (s *Store) Status(k Kind) (*evidence.Database, error) {
	d, err := s.Describe(context.Background(), k)
	if err != nil {
		return nil, err
	}
	return &d.Database, nil
}

// Description describes an installed database.
type Description struct {
	Database  evidence.Database
	Directory string
	Size      int64         // of the database file
	Age       time.Duration // since it was built
	Checked   time.Time     // when a repository last had nothing newer; zero if unknown
}

// Describe is Status with sizes and ages.
func (s *Store) Describe(ctx context.Context, k Kind) (*Description, error) {
	p, err := s.place(k)
	if err != nil {
		return nil, err
	}
	inst, err := s.read(ctx, p)
	if err != nil {
		return nil, s.readFault(p, err)
	}
	return &Description{Database: *inst.facts(), Directory: p.dir, Size: inst.entry.Size,
		Age: s.opt.Now().Sub(inst.entry.Metadata.UpdatedAt), Checked: inst.rec.Checked}, nil
}

// readFault adds the cure for an installed database that cannot be used.
func (s *Store) readFault(p place, err error) error {
	if errors.Is(err, ErrMissing) {
		return fault(err, "run `imagegate db update`, or without a network `imagegate db import FILE`, or copy a Trivy cache to "+p.root)
	}
	return fault(err, "")
}
