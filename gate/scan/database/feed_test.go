package database

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
)

// feedNow is the day on which the feeds of these tests are read.
var feedNow = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

// catalogueOf is a catalogue of a day in June 2026 with an entry.
func catalogueOf(day int) string {
	return fmt.Sprintf(`{"catalogVersion": "2026.06.%02[1]d", "dateReleased": "2026-06-%02[1]dT10:00:00Z", "count": 1,
 "vulnerabilities": [{"cveID": "CVE-2021-44228", "dateAdded": "2021-12-10", "dueDate": "2021-12-24"}]}`, day)
}

func scoresOf(day int) string {
	return fmt.Sprintf("#model_version:v2025.03.14,score_date:2026-06-%02dT00:00:00Z\ncve,epss,percentile\nCVE-2021-44228,0.94358,0.99957\nCVE-2026-0001,0.1,0.5\n", day)
}

// files is a server of files.
type files struct {
	mu    sync.Mutex
	files map[string]string
	asked []string
}

func (f *files) File(_ context.Context, address string, _ int64) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, address)
	file, ok := f.files[address]
	if !ok {
		return nil, &gate.Fault{Err: errors.New("404 Not Found")}
	}
	return []byte(file), nil
}

func feedStore(t *testing.T, dir string, src *files, change func(*Options)) *Store {
	t.Helper()
	o := Options{CacheDir: dir, Files: src, Now: func() time.Time { return feedNow }}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestUpdateFeeds(t *testing.T) {
	dir := t.TempDir()
	src := &files{files: map[string]string{DefaultFeedURL(KEV): catalogueOf(12), DefaultFeedURL(EPSS): scoresOf(14)}}
	s := feedStore(t, dir, src, nil)
	for _, f := range Feeds() {
		if _, err := s.FeedStatus(f); !errors.Is(err, ErrNoFeed) || !strings.Contains(gate.HintOf(err), "imagegate db update --exploited") {
			t.Errorf("%s: %v, %q", f, err, gate.HintOf(err))
		}
		if _, err := s.UpdateFeed(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	kev, err := s.KEV()
	if err != nil || kev.Entry("CVE-2021-44228") == nil || kev.Feed.Source != DefaultFeedURL(KEV) || !kev.Feed.CheckedAt.Equal(feedNow) {
		t.Fatalf("%+v, %v", kev, err)
	}
	epss, err := s.EPSS()
	if err != nil || epss.Score("CVE-2026-0001") == nil || epss.Feed.Date.Day() != 14 || !epss.Feed.CheckedAt.Equal(feedNow) {
		t.Fatalf("%+v, %v", epss, err)
	}
	// The same again is checked again; a newer one takes its place, and the old file goes.
	later := feedStore(t, dir, src, func(o *Options) { o.Now = func() time.Time { return feedNow.Add(time.Hour) } })
	if feed, err := later.UpdateFeed(t.Context(), KEV); err != nil || !feed.CheckedAt.Equal(feedNow.Add(time.Hour)) {
		t.Errorf("%+v, %v", feed, err)
	}
	src.files[DefaultFeedURL(KEV)] = catalogueOf(13)
	if feed, err := later.UpdateFeed(t.Context(), KEV); err != nil || feed.Date.Day() != 13 {
		t.Errorf("%+v, %v", feed, err)
	}
	if names := namesIn(t, s.FeedDir()); len(names) != 4 {
		t.Errorf("%v", names)
	}
}

// What is wrong with a new file leaves the old one as it is.
func TestBadFeedsReplaceNothing(t *testing.T) {
	kev, epss := DefaultFeedURL(KEV), DefaultFeedURL(EPSS)
	for name, tt := range map[string]struct {
		feed       Feed
		file, want string
	}{
		"absent":              {KEV, "", "404"},
		"empty":               {KEV, " ", "end"},
		"a page of HTML":      {KEV, "<html>blocked by the proxy</html>", "invalid"},
		"torn":                {KEV, catalogueOf(14)[:150], "end"},
		"a wrong count":       {KEV, strings.Replace(catalogueOf(14), `"count": 1`, `"count": 2`, 1), "count 2"},
		"older":               {KEV, catalogueOf(11), "older"},
		"of the future":       {KEV, catalogueOf(16), "future"},
		"the other feed":      {KEV, scoresOf(14), "invalid"},
		"torn scores":         {EPSS, strings.TrimSuffix(scoresOf(14), "\n"), "ends within a line"},
		"scores that are cut": {EPSS, scoresOf(14)[:strings.Index(scoresOf(14), "CVE-2026")], "ends early"},
		"older scores":        {EPSS, scoresOf(11), "older"},
		"compressed and torn": {EPSS, "\x1f\x8b\x08\x00\x00\x00\x00\x00", "decompress"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			src := &files{files: map[string]string{kev: catalogueOf(12), epss: scoresOf(12)}}
			s := feedStore(t, dir, src, nil)
			for _, f := range Feeds() {
				if _, err := s.UpdateFeed(t.Context(), f); err != nil {
					t.Fatal(err)
				}
			}
			src.files[DefaultFeedURL(tt.feed)] = tt.file
			if tt.file == "" {
				clear(src.files)
			}
			_, err := s.UpdateFeed(t.Context(), tt.feed)
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), tt.want) || gate.HintOf(err) == "" {
				t.Errorf("%v, %q; want %q", err, gate.HintOf(err), tt.want)
			}
			for _, f := range Feeds() {
				if feed, err := s.FeedStatus(f); err != nil || feed.Date.Day() != 12 {
					t.Errorf("%s: %+v, %v", f, feed, err)
				}
			}
			if names := namesIn(t, s.FeedDir()); len(names) != 4 {
				t.Errorf("%v", names)
			}
		})
	}
}

func TestFeedRollbackOnDemand(t *testing.T) {
	dir := t.TempDir()
	src := &files{files: map[string]string{DefaultFeedURL(KEV): catalogueOf(12)}}
	if _, err := feedStore(t, dir, src, nil).UpdateFeed(t.Context(), KEV); err != nil {
		t.Fatal(err)
	}
	src.files[DefaultFeedURL(KEV)] = catalogueOf(11)
	_, err := feedStore(t, dir, src, nil).UpdateFeed(t.Context(), KEV)
	if !errors.Is(err, ErrRollback) || !strings.Contains(gate.HintOf(err), "--exploited --allow-db-rollback") {
		t.Errorf("%v, %q", err, gate.HintOf(err))
	}
	var notes []string
	back := feedStore(t, dir, src, func(o *Options) { o.AllowRollback, o.Warn = true, func(n string) { notes = append(notes, n) } })
	if _, err := back.UpdateFeed(t.Context(), KEV); err != nil || len(notes) != 1 {
		t.Errorf("%v, %v", err, notes)
	}
	if feed, err := feedStore(t, dir, src, nil).FeedStatus(KEV); err != nil || feed.Date.Day() != 11 {
		t.Errorf("%+v, %v", feed, err)
	}
}

// A list of scores that was cut at the end of a line has no mark of it: it is compared
// with the last one.
func TestFeedThatShrinks(t *testing.T) {
	src := &files{files: map[string]string{}}
	list := func(day, rows int) string {
		text := fmt.Sprintf("#model_version:v1,score_date:2026-06-%dT00:00:00Z\ncve,epss,percentile\n", day)
		for i := range rows {
			text += fmt.Sprintf("CVE-2026-%d,0.1,0.2\n", 1000+i)
		}
		return text
	}
	dir := t.TempDir()
	for _, tt := range []struct {
		day, rows int
		rollback  bool
		want      bool
	}{{11, 100, false, true}, {12, 89, false, false}, {12, 90, false, true}, {13, 40, false, false}, {13, 40, true, true}, {14, 41, false, true}} {
		src.files[DefaultFeedURL(EPSS)] = list(tt.day, tt.rows)
		s := feedStore(t, dir, src, func(o *Options) { o.AllowRollback = tt.rollback })
		_, err := s.UpdateFeed(t.Context(), EPSS)
		if got := err == nil; got != tt.want || err != nil && (!errors.Is(err, ErrShorter) || !strings.Contains(gate.HintOf(err), "--allow-db-rollback")) {
			t.Errorf("%d rows of day %d: %v, %q", tt.rows, tt.day, err, gate.HintOf(err))
		}
	}
}

func TestFeedMirrors(t *testing.T) {
	src := &files{files: map[string]string{"https://two.example.no/kev": catalogueOf(12)}}
	s := feedStore(t, t.TempDir(), src, func(o *Options) {
		o.FeedURLs = map[Feed][]string{KEV: {"https://one.example.no/kev", "https://two.example.no/kev", "https://three.example.no/kev"}}
	})
	feed, err := s.UpdateFeed(t.Context(), KEV)
	if err != nil || feed.Source != "https://two.example.no/kev" || len(src.asked) != 2 {
		t.Errorf("%+v, %v, %v", feed, err, src.asked)
	}
}

// A file in the cache that is not the one that was verified is no feed.
func TestDamagedFeeds(t *testing.T) {
	for name, tt := range map[string]struct {
		damage func(record, file string) error
		want   string
	}{
		"other bytes":  {func(_, file string) error { return os.WriteFile(file, []byte(catalogueOf(13)), 0o600) }, "changed"},
		"no file":      {func(_, file string) error { return os.Remove(file) }, "no such file"},
		"a link":       {func(record, file string) error { return errors.Join(os.Remove(file), os.Symlink(record, file)) }, "symbolic link"},
		"no record":    {func(record, _ string) error { return os.Remove(record) }, "not fetched"},
		"empty record": {func(record, _ string) error { return os.WriteFile(record, nil, 0o600) }, "not fetched"},
		"torn record":  {func(record, _ string) error { return os.WriteFile(record, []byte(`{"version": 1`), 0o600) }, "damaged"},
		"record leads away": {func(record, _ string) error {
			return os.WriteFile(record, []byte(`{"version":1,"source":"x","sha256":"../../x","checked":"2026-06-15T12:00:00Z","newest":"2026-06-12T10:00:00Z"}`), 0o600)
		}, "hash is malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			src := &files{files: map[string]string{DefaultFeedURL(KEV): catalogueOf(12)}}
			s := feedStore(t, t.TempDir(), src, nil)
			feed, err := s.UpdateFeed(t.Context(), KEV)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.damage(filepath.Join(s.FeedDir(), "kev.json"), filepath.Join(s.FeedDir(), "kev-"+feed.SHA256)); err != nil {
				t.Fatal(err)
			}
			if k, err := s.KEV(); err == nil || k != nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(gate.HintOf(err), "--exploited") {
				t.Errorf("%v, %v, %q; want %q", k, err, gate.HintOf(err), tt.want)
			}
			if _, err := s.UpdateFeed(t.Context(), KEV); err != nil {
				t.Errorf("the update does not repair it: %v", err)
			}
			if _, err := s.KEV(); err != nil {
				t.Error(err)
			}
		})
	}
}

// An update that is cut off leaves the old feed or the new one, and the next removes
// what is left over.
func TestFeedUpdateIsCutOff(t *testing.T) {
	for _, at := range []string{"feed", "feed record"} {
		src := &files{files: map[string]string{DefaultFeedURL(KEV): catalogueOf(12)}}
		s := feedStore(t, t.TempDir(), src, nil)
		if _, err := s.UpdateFeed(t.Context(), KEV); err != nil {
			t.Fatal(err)
		}
		src.files[DefaultFeedURL(KEV)] = catalogueOf(13)
		s.step = func(name string) error {
			if name == at {
				return errors.New("cut off")
			}
			return nil
		}
		if _, err := s.UpdateFeed(t.Context(), KEV); err == nil {
			t.Error(at)
		}
		if feed, err := s.FeedStatus(KEV); err != nil || feed.Date.Day() != 12 {
			t.Errorf("%s: %+v, %v", at, feed, err)
		}
		s.step = func(string) error { return nil }
		if feed, err := s.UpdateFeed(t.Context(), KEV); err != nil || feed.Date.Day() != 13 {
			t.Errorf("%s: %+v, %v", at, feed, err)
		}
		if names := namesIn(t, s.FeedDir()); len(names) != 2 {
			t.Errorf("%s: %v", at, names)
		}
	}
}

// Readers never see anything but a whole feed while others update it.
func TestFeedsAreReadWhileUpdated(t *testing.T) {
	dir := t.TempDir()
	src := &files{files: map[string]string{DefaultFeedURL(KEV): catalogueOf(1)}}
	if _, err := feedStore(t, dir, src, nil).UpdateFeed(t.Context(), KEV); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			s := feedStore(t, dir, src, nil)
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := s.KEV(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for day := 2; day < 15; day++ {
		src.mu.Lock()
		src.files[DefaultFeedURL(KEV)] = catalogueOf(day)
		src.mu.Unlock()
		var updates sync.WaitGroup
		for range 2 {
			updates.Go(func() {
				if _, err := feedStore(t, dir, src, nil).UpdateFeed(t.Context(), KEV); err != nil {
					t.Error(err)
				}
			})
		}
		updates.Wait()
	}
	close(done)
	readers.Wait()
}

func FuzzFeedRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"source":"x","sha256":"` + strings.Repeat("a", 64) + `","checked":"2026-06-15T12:00:00Z","newest":"2026-06-12T10:00:00Z"}`))
	f.Add([]byte(`{"version":1,"sha256":"../x"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := parseFeedRecord(raw)
		if err == nil && (strings.ContainsAny(r.SHA256, "/\\.") || len(r.SHA256) != 64 || r.Checked.IsZero()) {
			t.Errorf("%+v", r)
		}
	})
}
