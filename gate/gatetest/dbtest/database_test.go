package dbtest

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// view opens the database of a cache directory read-only, as scanners do.
func view(t *testing.T, dir string, f func(*bolt.Tx)) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, "db", databaseFile), 0o400, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_ = db.View(func(tx *bolt.Tx) error { f(tx); return nil })
}

// lookup returns what is stored under nested buckets, or "".
func lookup(tx *bolt.Tx, key string, buckets ...string) string {
	b := tx.Bucket([]byte(buckets[0]))
	for _, name := range buckets[1:] {
		if b == nil {
			return ""
		}
		b = b.Bucket([]byte(name))
	}
	if b == nil {
		return ""
	}
	return string(b.Get([]byte(key)))
}

func TestDatabaseHasTheLayoutThatTrivyReads(t *testing.T) {
	dir := Database(t, DBOptions{})
	view(t, dir, func(tx *bolt.Tx) {
		for _, want := range []struct {
			key     string
			buckets []string
			text    string
		}{
			{"CVE-2021-23337", []string{"npm::GitHub Security Advisory npm", "lodash"}, `"PatchedVersions":["4.17.21"]`},
			{"CVE-2021-44228", []string{"maven::GitHub Security Advisory Maven", "org.apache.logging.log4j:log4j-core"}, `"VulnerableVersions":[`},
			{"CVE-2021-3450", []string{"alpine 3.10", "openssl"}, `{"FixedVersion":"1.1.1k-r0"}`},
			{"CVE-2021-3450", []string{"alpine 3.11", "openssl"}, `{"FixedVersion":"1.1.1k-r0"}`},
			{"CVE-2022-0778", []string{"debian 12", "openssl"}, `"FixedVersion"`},
			{"CVE-2024-27304", []string{"go::The Go Vulnerability Database", "github.com/jackc/pgx/v5"}, `"VulnerableVersions"`},
			{"alpine 3.10", []string{"data-source"}, `"ID":"alpine"`},
			{"CVE-2021-44228", []string{"vulnerability"}, `"Severity":"CRITICAL"`},
		} {
			if got := lookup(tx, want.key, want.buckets...); !strings.Contains(got, want.text) {
				t.Errorf("%v %s = %q, want %q in it", want.buckets, want.key, got, want.text)
			}
		}
	})
}

func TestDatabaseMetadata(t *testing.T) {
	built := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	dir := Database(t, DBOptions{UpdatedAt: built, Version: 1})
	for name, life := range map[string]time.Duration{"db": 24 * time.Hour, "java-db": 72 * time.Hour} {
		raw, err := os.ReadFile(filepath.Join(dir, name, metadataFile))
		if err != nil {
			t.Fatal(err)
		}
		var got metadata
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		want := metadata{Version: 1, UpdatedAt: built.Truncate(time.Second), NextUpdate: built.Truncate(time.Second).Add(life)}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestDatabaseOptions(t *testing.T) {
	dir := Database(t, DBOptions{
		NoJava: true,
		Skip:   func(bucket string) bool { return bucket == "alpine 3.10" || bucket == bucketVulnerability },
		Extra: []Advisory{{Bucket: "alpine 3.23", Package: "zlib", ID: "CVE-0000-0001",
			Entry: map[string]any{"FixedVersion": "9"}, Detail: map[string]any{"Title": "made up"}}},
		Edit: func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("debian 9")) },
	})
	view(t, dir, func(tx *bolt.Tx) {
		for _, gone := range []string{"alpine 3.10", "debian 9"} {
			if tx.Bucket([]byte(gone)) != nil {
				t.Errorf("bucket %q is still there", gone)
			}
		}
		if got := lookup(tx, "CVE-0000-0001", "alpine 3.23", "zlib"); got != `{"FixedVersion":"9"}` {
			t.Errorf("extra advisory: %q", got)
		}
		if got := lookup(tx, "CVE-2021-44228", bucketVulnerability); got != "" {
			t.Errorf("skipped details are still there: %q", got)
		}
	})
	if _, err := os.Stat(filepath.Join(dir, "java-db")); !os.IsNotExist(err) {
		t.Errorf("NoJava: stat java-db: %v", err)
	}
}

func TestJavaDatabaseIsEmptyAndValid(t *testing.T) {
	dir := Database(t, DBOptions{})
	db, err := sql.Open("sqlite", filepath.Join(dir, "java-db", "trivy-java.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// The statement that Trivy looks jars up with.
	row := db.QueryRow(`SELECT a.group_id, a.artifact_id, i.version, i.sha1, i.archive_type
		FROM indices i JOIN artifacts a ON a.id = i.artifact_id WHERE i.sha1 = ?`, []byte{1})
	var s [5]any
	if err := row.Scan(&s[0], &s[1], &s[2], &s[3], &s[4]); err != sql.ErrNoRows {
		t.Errorf("got %v, want %v", err, sql.ErrNoRows)
	}
}

func TestBucketsNameTheirSource(t *testing.T) {
	for _, b := range Buckets() {
		var source struct{ ID, Name, URL string }
		if err := json.Unmarshal(b.DataSource, &source); err != nil || source.ID == "" || source.URL == "" {
			t.Errorf("%s: data source %s: %v", b.Name, b.DataSource, err)
		}
	}
}
