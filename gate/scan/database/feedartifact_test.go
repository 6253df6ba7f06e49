package database

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/exploited"
)

func TestParseFeedArtifact(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for address, want := range map[string]string{
		"oci://mirror.example.no/kev:1":               "mirror.example.no/kev:1",
		"oci://mirror.example.no:5000/a/kev" + digest: "mirror.example.no:5000/a/kev" + digest,
		"oci://mirror.example.no/kev:1" + digest:      "mirror.example.no/kev:1" + digest,
		"https://mirror.example.no/kev.json":          "",
		"oci:mirror":                                  "",
		"oci://mirror.example.no/kev":                 "error",
		"oci://":                                      "error",
		"oci://mirror.example.no/kev@sha256:abc":      "error",
		"oci://user:secret@mirror.example.no/kev:1":   "error",
		"oci://https://mirror.example.no/kev:1":       "error",
	} {
		got, err := ParseFeedArtifact(address)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: %q, %v; want %q", address, got, err, want)
		}
	}
}

// artifactStore is a store that reads its catalogue from the artifact of a server.
func artifactStore(t *testing.T, dir string, address string, change func(*Options)) *Store {
	t.Helper()
	return feedStore(t, dir, &files{}, func(o *Options) {
		o.Source, o.StallTimeout, o.FeedURLs = httpSource{}, 2*time.Second, map[Feed][]string{KEV: {address}, EPSS: {address}}
		if change != nil {
			change(o)
		}
	})
}

func (s *server) feedAddress(pin bool) string {
	address := feedScheme + s.ref()
	if pin {
		address = strings.TrimSuffix(address, ":2") + "@" + sumOf(s.manifest)
	}
	return address
}

func TestFeedFromArtifact(t *testing.T) {
	for _, pin := range []bool{false, true} {
		reg := newServer(t)
		reg.serve(t, []byte(catalogueOf(12)), nil)
		s := artifactStore(t, t.TempDir(), reg.feedAddress(pin), nil)
		feed, err := s.UpdateFeed(t.Context(), KEV)
		if err != nil || feed.Source != reg.feedAddress(pin) || feed.Date.Day() != 12 {
			t.Fatalf("pinned %t: %+v, %v", pin, feed, err)
		}
		kept, err := s.KEV()
		if err != nil || kept.Entry("CVE-2021-44228") == nil {
			t.Fatalf("pinned %t: %v", pin, err)
		}
		// A digest has nothing newer however often it is asked, so the catalogue never
		// counts as current by that.
		for _, checked := range []*time.Time{feed.CheckedAt, kept.Feed.CheckedAt} {
			if (checked == nil) != pin {
				t.Errorf("pinned %t: checked %v", pin, checked)
			}
		}
	}
}

// What an artifact must not be. Nothing of it replaces the feed that is there.
func TestBadFeedArtifacts(t *testing.T) {
	layer := func(change func(l map[string]any)) func(map[string]any) {
		return func(m map[string]any) { change(m["layers"].([]any)[0].(map[string]any)) }
	}
	for name, tt := range map[string]struct {
		content string
		change  func(m map[string]any)
		after   func(s *server)
		pin     bool
		want    string
	}{
		"not the pinned manifest":  {content: catalogueOf(13), pin: true, after: func(s *server) { s.manifest, s.digest = append(s.manifest, ' '), "" }, want: "not the one that was named"},
		"the header says another":  {content: catalogueOf(13), after: func(s *server) { s.digest = sumOf(nil) }, want: "not the one that was named"},
		"another blob":             {content: catalogueOf(13), pin: true, after: func(s *server) { s.blob = []byte(catalogueOf(14)) }, want: "not the one that was named"},
		"a blob that is cut":       {content: catalogueOf(13), after: func(s *server) { s.blob = s.blob[:100] }, want: "ended after 100 of"},
		"a blob that goes on":      {content: catalogueOf(13), after: func(s *server) { s.blob = append(s.blob, "   "...) }, want: "longer than"},
		"a size beyond the limit":  {content: catalogueOf(13), change: layer(func(l map[string]any) { l["size"] = exploited.MaxBytes + 1 }), want: "too large"},
		"no size":                  {content: catalogueOf(13), change: layer(func(l map[string]any) { l["size"] = 0 }), want: "impossible size"},
		"a digest of another kind": {content: catalogueOf(13), change: layer(func(l map[string]any) { l["digest"] = "md5:abc" }), want: "not a sha256"},
		"two layers":               {content: catalogueOf(13), change: func(m map[string]any) { m["layers"] = append(m["layers"].([]any), m["layers"].([]any)[0]) }, want: "2 layers"},
		"no layer":                 {content: catalogueOf(13), change: func(m map[string]any) { delete(m, "layers") }, want: "0 layers"},
		"an index":                 {content: catalogueOf(13), change: func(m map[string]any) { m["manifests"] = []any{map[string]any{}} }, want: "ambiguous"},
		"keys in another case":     {content: catalogueOf(13), change: func(m map[string]any) { m["Layers"] = m["layers"]; delete(m, "layers") }, want: "layers"},
		"a database":               {content: string(build{1}.layer(t)), want: "invalid"},
		"the other feed":           {content: scoresOf(13), want: "invalid"},
		"older":                    {content: catalogueOf(11), pin: true, want: "older"},
		"of the future":            {content: catalogueOf(17), pin: true, want: "future"},
		"silent": {content: catalogueOf(13), after: func(s *server) {
			s.before = func(w http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "/blobs/") {
					<-r.Context().Done()
					return true
				}
				return false
			}
		}, want: "no answer within"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, reg := t.TempDir(), newServer(t)
			reg.serve(t, []byte(catalogueOf(12)), nil)
			if _, err := artifactStore(t, dir, reg.feedAddress(false), nil).UpdateFeed(t.Context(), KEV); err != nil {
				t.Fatal(err)
			}
			reg.serve(t, []byte(tt.content), tt.change)
			address := reg.feedAddress(tt.pin)
			if tt.after != nil {
				tt.after(reg)
			}
			s := artifactStore(t, dir, address, nil)
			if _, err := s.UpdateFeed(t.Context(), KEV); err == nil || !strings.Contains(strings.ToLower(err.Error()), tt.want) || gate.HintOf(err) == "" {
				t.Errorf("%v, %q; want %q", err, gate.HintOf(err), tt.want)
			}
			if feed, err := s.FeedStatus(KEV); err != nil || feed.Date.Day() != 12 {
				t.Errorf("%+v, %v", feed, err)
			}
		})
	}
}

// The list of an artifact may not shrink either, and other addresses are tried after it.
func TestFeedArtifactShrinks(t *testing.T) {
	dir, reg := t.TempDir(), newServer(t)
	rows := func(n int) []byte {
		text := "#model_version:v1,score_date:2026-06-12T00:00:00Z\ncve,epss,percentile\n"
		for i := range n {
			text += fmt.Sprintf("CVE-2026-%d,0.1,0.2\n", 1000+i)
		}
		return []byte(text)
	}
	reg.serve(t, rows(100), nil)
	if _, err := artifactStore(t, dir, reg.feedAddress(true), nil).UpdateFeed(t.Context(), EPSS); err != nil {
		t.Fatal(err)
	}
	reg.serve(t, rows(80), nil)
	if _, err := artifactStore(t, dir, reg.feedAddress(true), nil).UpdateFeed(t.Context(), EPSS); !errors.Is(err, ErrShorter) {
		t.Error(err)
	}
	next := artifactStore(t, dir, reg.feedAddress(true), func(o *Options) {
		o.FeedURLs = map[Feed][]string{EPSS: {reg.feedAddress(true), "https://two.example.no/epss"}}
		o.Files = &files{files: map[string]string{"https://two.example.no/epss": string(rows(99))}}
	})
	if feed, err := next.UpdateFeed(t.Context(), EPSS); err != nil || feed.Entries != 99 {
		t.Errorf("%+v, %v", feed, err)
	}
}
