package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// feedServer serves feeds of exploited vulnerabilities that were published an hour
// ago, and others that must be refused.
func feedServer(t *testing.T) string {
	t.Helper()
	now := time.Now().UTC()
	kev := func(at time.Time) string {
		return fmt.Sprintf(`{"catalogVersion": %q, "dateReleased": %q, "count": 1, "vulnerabilities": [
  {"cveID": "CVE-2021-44228", "dateAdded": "2021-12-10", "dueDate": "2021-12-24", "knownRansomwareCampaignUse": "Known"}]}`,
			at.Format("2006.01.02"), at.Format(time.RFC3339))
	}
	epss := fmt.Sprintf("#model_version:v2025.03.14,score_date:%s\ncve,epss,percentile\nCVE-2021-44228,0.94358,0.99957\nCVE-%d-0002,0.15,0.94\n",
		now.Add(-time.Hour).Format(time.RFC3339), now.Year())
	files := map[string][]byte{
		"/kev.json":        []byte(kev(now.Add(-time.Hour))),
		"/older.json":      []byte(kev(now.Add(-48 * time.Hour))),
		"/old.json":        []byte(kev(now.Add(-20 * 24 * time.Hour))),
		"/ancient.json":    []byte(kev(now.Add(-60 * 24 * time.Hour))),
		"/future.json":     []byte(kev(now.Add(48 * time.Hour))),
		"/miscounted.json": []byte(strings.Replace(kev(now), `"count": 1`, `"count": 2`, 1)),
		"/torn.json":       []byte(kev(now)[:200]),
		"/epss.csv.gz":     zipped(t, epss),
		"/torn.csv.gz":     zipped(t, epss)[:60],
		"/bomb.gz":         zipped(t, strings.Repeat(" ", 130<<20)),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/moved.json":
			http.Redirect(w, q, "/kev.json", http.StatusFound)
			return
		case "/metadata.json":
			http.Redirect(w, q, "http://169.254.169.254/kev.json", http.StatusFound)
			return
		case "/cut.json":
			w.Header().Set("Content-Length", "10000")
			_, _ = w.Write(files["/kev.json"])
			return
		}
		file, ok := files[q.URL.Path]
		if !ok {
			http.NotFound(w, q)
			return
		}
		_, _ = w.Write(file)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
