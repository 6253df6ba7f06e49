package database

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/imagegate/imagegate/gate/exploited"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// The feeds of exploited vulnerabilities are in the cache directory beside the
// databases:
//
//	exploited/kev.json    exploited/kev-HASH
//	exploited/epss.json   exploited/epss-HASH
//
// kev.json is the record that names the file and its hash. A file gets a name of its
// own before the record names it, so replacing the record replaces both at once, and
// a reader needs no lock.

// Feed is one of the feeds of exploited vulnerabilities. The zero value is none.
type Feed int

// The feeds.
const (
	// KEV is CISA's catalogue of known exploited vulnerabilities.
	KEV Feed = iota + 1
	// EPSS are the scores of the Exploit Prediction Scoring System.
	EPSS
)

// Feeds lists all feeds.
func Feeds() []Feed { return []Feed{KEV, EPSS} }

// String names the feed in messages.
func (f Feed) String() string {
	switch f {
	case KEV:
		return "KEV catalogue"
	case EPSS:
		return "EPSS scores"
	}
	return fmt.Sprintf("feed %d", int(f))
}

// Short is the name of the feed in names of files and flags.
func (f Feed) Short() string {
	if f == KEV {
		return "kev"
	}
	return "epss"
}

// DefaultFeedURL returns where the publisher of a feed offers it.
func DefaultFeedURL(f Feed) string {
	switch f {
	case KEV:
		return "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"
	case EPSS:
		return "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"
	}
	return ""
}

// FileSource fetches files. It bounds time and size, and decides which addresses get
// a request.
type FileSource interface {
	File(ctx context.Context, address string, limit int64) ([]byte, error)
}

// feedRecordVersion is the version of kev.json and epss.json.
const feedRecordVersion = 1

// feedRecord is kev.json or epss.json.
type feedRecord struct {
	Version int    `json:"version"`
	Source  string `json:"source"`
	SHA256  string `json:"sha256"` // of the file, which has it in its name
	// Checked is when the source was last asked and had nothing newer.
	Checked time.Time `json:"checked"`
	// Newest is the date of the newest feed ever used here.
	Newest time.Time `json:"newest"`
	// Entries is how many the file has; 0 in a record that does not say it.
	Entries int `json:"entries,omitempty"`
}

var feedHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// parseFeedRecord reads kev.json or epss.json.
func parseFeedRecord(raw []byte) (*feedRecord, error) {
	r := new(feedRecord)
	if err := strictjson.Unmarshal(raw, r); err != nil {
		return nil, err
	}
	switch {
	case r.Version != feedRecordVersion:
		return nil, fmt.Errorf("version %d is unknown", r.Version)
	case !feedHash.MatchString(r.SHA256): // also because it is a part of a path
		return nil, errors.New("the hash is malformed")
	case r.Checked.IsZero() || r.Newest.IsZero():
		return nil, errors.New("a date is missing")
	}
	return r, nil
}

// feedContent is a feed that was read: one of the two.
type feedContent struct {
	kev  *exploited.KEV
	epss *exploited.EPSS
}

// feed returns what the content is about.
func (c *feedContent) feed() *evidence.Feed {
	if c.kev != nil {
		return &c.kev.Feed
	}
	return &c.epss.Feed
}

// parse reads the file of a feed strictly.
func (f Feed) parse(source string, file []byte) (*feedContent, error) {
	c := &feedContent{}
	var err error
	switch f {
	case KEV:
		c.kev, err = exploited.ReadKEV(source, bytes.NewReader(file))
	case EPSS:
		c.epss, err = exploited.ReadEPSS(source, bytes.NewReader(file))
	default:
		err = fmt.Errorf("there is no %s", f)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

const feedsDir = "exploited"

// feedPlace is where both feeds are kept. They share their lock.
func (s *Store) feedPlace() place {
	return place{traits: traits{name: "feeds of exploited vulnerabilities", sub: feedsDir}, root: s.opt.CacheDir, dir: filepath.Join(s.opt.CacheDir, feedsDir)}
}

func (f Feed) record(p place) string { return filepath.Join(p.dir, f.Short()+".json") }

func (f Feed) file(p place, hash string) string { return filepath.Join(p.dir, f.Short()+"-"+hash) }

// readRecord reads the record of a feed; the error is [ErrNoFeed] without one.
func (f Feed) readRecord(p place) (*feedRecord, error) {
	raw, err := readDocument(f.record(p))
	if err != nil {
		return nil, err
	}
	// A power failure can leave an empty file, see place.readRecord.
	if len(raw) == 0 {
		return nil, fmt.Errorf("%w: there is no file of the %s in %s", ErrNoFeed, f, p.dir)
	}
	rec, err := parseFeedRecord(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", f.record(p), err)
	}
	return rec, nil
}

// KEV reads the catalogue that was fetched. The error is [ErrNoFeed] when none was.
func (s *Store) KEV() (*exploited.KEV, error) {
	c, err := s.readFeed(KEV)
	if err != nil {
		return nil, err
	}
	return c.kev, nil
}

// EPSS reads the scores that were fetched. The error is [ErrNoFeed] when none were.
func (s *Store) EPSS() (*exploited.EPSS, error) {
	c, err := s.readFeed(EPSS)
	if err != nil {
		return nil, err
	}
	return c.epss, nil
}

// FeedStatus describes a feed that was fetched, without judging its age.
func (s *Store) FeedStatus(f Feed) (*evidence.Feed, error) {
	c, err := s.readFeed(f)
	if err != nil {
		return nil, err
	}
	return c.feed(), nil
}

// FeedDir returns the directory of the feeds, whether it exists or not.
func (s *Store) FeedDir() string { return s.feedPlace().dir }

func (s *Store) readFeed(f Feed) (*feedContent, error) {
	p := s.feedPlace()
	c, err := s.loadFeed(p, f)
	if err != nil {
		return nil, feedFault(fmt.Errorf("%s: %w", f, err), "")
	}
	return c, nil
}

// feedReads is how often a reader begins again when an update removes the file that
// it was about to read.
const feedReads = 5

func (s *Store) loadFeed(p place, f Feed) (*feedContent, error) {
	for try := 1; ; try++ {
		rec, err := f.readRecord(p)
		if err != nil {
			return nil, err
		}
		file, err := readFeedFile(f.file(p, rec.SHA256))
		if errors.Is(err, fs.ErrNotExist) && try < feedReads {
			continue
		}
		if err != nil {
			return nil, err
		}
		return s.verifyFeed(f, rec, file)
	}
}

// verifyFeed reads a file that has to be the one of the record.
func (s *Store) verifyFeed(f Feed, rec *feedRecord, file []byte) (*feedContent, error) {
	sum := sha256.Sum256(file)
	if hex.EncodeToString(sum[:]) != rec.SHA256 {
		return nil, fmt.Errorf("%w: it has sha256 %x and was recorded with %s", ErrChanged, sum, rec.SHA256)
	}
	c, err := f.parse(rec.Source, file)
	if err != nil {
		return nil, err
	}
	feed := c.feed()
	if feed.Date.Before(rec.Newest) && !s.opt.AllowRollback {
		return nil, feedRollback(feed.Date, rec.Newest)
	}
	if checked := rec.Checked.UTC(); !fixedFeed(rec.Source) {
		feed.CheckedAt = &checked
	}
	return c, nil
}

// readFeedFile reads a regular file within the limit of feeds.
func readFeedFile(name string) ([]byte, error) {
	info, err := os.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is %s, not a regular file", name, describeMode(info.Mode()))
	case info.Size() > exploited.MaxBytes:
		return nil, fmt.Errorf("%s has more than %s", name, words.BinarySize(exploited.MaxBytes))
	}
	return os.ReadFile(name)
}

func feedRollback(date, newest time.Time) error {
	return fmt.Errorf("%w: it is of %s, but one of %s was used here", ErrRollback, dateText(date), dateText(newest))
}

// feedFault is fault with the cures for feeds.
func feedFault(err error, hint string) error {
	if hint == "" {
		switch hint = cure(err); {
		case errors.Is(err, ErrRollback):
			hint = "if the older one is really wanted: `imagegate db update --exploited --allow-db-rollback`"
		case errors.Is(err, ErrShorter):
			hint = "fetch it again later, or from another address; if it really is so short: `imagegate db update --exploited --allow-db-rollback`"
		case hint == cure(ErrMissing):
			hint = "run `imagegate db update --exploited`"
		}
	}
	return fault(err, hint)
}

// bytes returns the record as it is written.
func (r *feedRecord) bytes() ([]byte, error) {
	raw, err := strictjson.MarshalIndent(r)
	return append(bytes.TrimRight(raw, "\n"), '\n'), err
}
