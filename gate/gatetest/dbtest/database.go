package dbtest

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/imagegate/imagegate/gate/gatetest"
)

// advisories are real advisories; advisories/README.md says where they come
// from and under which licence.
//
//go:embed advisories/data/*.json
var advisories embed.FS

// Names inside a Trivy database.
const (
	bucketVulnerability = "vulnerability"
	bucketDataSource    = "data-source"
	databaseFile        = "trivy.db"
	metadataFile        = "metadata.json"
)

// DBOptions changes what WriteDatabase writes. The zero value is a database
// that was built just now from all advisories of this package.
type DBOptions struct {
	// UpdatedAt is the build date; zero is now. NextUpdate is a day later.
	UpdatedAt time.Time
	// DownloadedAt is set for databases in a cache directory.
	DownloadedAt time.Time
	// Version is the schema version in metadata.json; 0 is 2, Trivy's own.
	Version int
	// Skip leaves out buckets, by name.
	Skip func(bucket string) bool
	// Extra adds or replaces advisories.
	Extra []Advisory
	// Edit, when set, has the last word inside the same transaction.
	Edit func(*bolt.Tx) error
	// NoJava leaves out the Java database.
	NoJava bool
}

// Advisory says that a package is vulnerable.
type Advisory struct {
	Bucket  string // "alpine 3.10", "npm::GitHub Security Advisory npm"
	Package string
	ID      string
	// Entry is the advisory as Trivy stores it: {"FixedVersion": "1.2"} for
	// operating systems, VulnerableVersions and PatchedVersions for languages.
	Entry map[string]any
	// Detail, when set, is the vulnerability itself: Title, Severity,
	// VendorSeverity, PublishedDate ...
	Detail map[string]any
}

// Bucket is one feed of the advisories in this package.
type Bucket struct {
	Name       string                                `json:"bucket"`
	DataSource json.RawMessage                       `json:"dataSource"`
	Packages   map[string]map[string]json.RawMessage `json:"packages"`
}

// Buckets reads the advisories of this package, sorted by file name.
func Buckets() []Bucket {
	var out []Bucket
	for _, name := range gatetest.Must(fs.Glob(advisories, "advisories/data/*.json")) {
		if path.Base(name) != "vulnerability.json" {
			out = append(out, readJSON[Bucket](name))
		}
	}
	return out
}

// Vulnerabilities reads the details of every vulnerability that the advisories
// name.
func Vulnerabilities() map[string]json.RawMessage {
	return readJSON[map[string]json.RawMessage]("advisories/data/vulnerability.json")
}

func readJSON[T any](name string) (v T) {
	gatetest.Must(0, json.Unmarshal(gatetest.Must(advisories.ReadFile(name)), &v))
	return v
}

// WriteDatabase makes dir a Trivy cache directory: db/ with the advisory
// database and java-db/ with an empty but valid Java database.
func WriteDatabase(dir string, o DBOptions) error {
	db := filepath.Join(dir, "db")
	if err := os.MkdirAll(db, 0o755); err != nil {
		return err
	}
	if err := writeBolt(filepath.Join(db, databaseFile), o); err != nil {
		return err
	}
	version := cmp.Or(o.Version, 2)
	if err := writeMetadata(filepath.Join(db, metadataFile), version, 24*time.Hour, o); err != nil {
		return err
	}
	if o.NoJava {
		return nil
	}
	return writeJavaDatabase(filepath.Join(dir, "java-db"), o)
}

func writeBolt(file string, o DBOptions) error {
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		return err
	}
	// Tests make many databases: their durability is of no interest.
	db, err := bolt.Open(file, 0o644, &bolt.Options{NoSync: true, NoFreelistSync: true, Timeout: time.Second})
	if err != nil {
		return fmt.Errorf("create %s: %w", file, err)
	}
	return errors.Join(db.Update(func(tx *bolt.Tx) error { return fill(tx, o) }), db.Close())
}

// fill writes all buckets in the layout that trivy-db reads: package buckets
// inside a bucket per feed, advisories by id inside those.
func fill(tx *bolt.Tx, o DBOptions) error {
	skip := o.Skip
	if skip == nil {
		skip = func(string) bool { return false }
	}
	for _, b := range Buckets() {
		if skip(b.Name) {
			continue
		}
		if err := b.write(tx, skip(bucketDataSource)); err != nil {
			return err
		}
	}
	if !skip(bucketVulnerability) {
		if err := fillVulnerabilities(tx); err != nil {
			return err
		}
	}
	for _, a := range o.Extra {
		if err := a.write(tx); err != nil {
			return err
		}
	}
	if o.Edit != nil {
		return o.Edit(tx)
	}
	return nil
}

func (b Bucket) write(tx *bolt.Tx, noSource bool) error {
	if !noSource {
		if err := put(tx, []string{bucketDataSource}, b.Name, b.DataSource); err != nil {
			return err
		}
	}
	for pkg, entries := range b.Packages {
		for id, entry := range entries {
			if err := put(tx, []string{b.Name, pkg}, id, entry); err != nil {
				return err
			}
		}
	}
	return nil
}

func fillVulnerabilities(tx *bolt.Tx) error {
	for id, detail := range Vulnerabilities() {
		if err := put(tx, []string{bucketVulnerability}, id, detail); err != nil {
			return err
		}
	}
	return nil
}

func (a Advisory) write(tx *bolt.Tx) error {
	entry := a.Entry
	if entry == nil {
		entry = map[string]any{}
	}
	if err := put(tx, []string{a.Bucket, a.Package}, a.ID, entry); err != nil {
		return err
	}
	if a.Detail == nil {
		return nil
	}
	return put(tx, []string{bucketVulnerability}, a.ID, a.Detail)
}

// put stores v as JSON under nested buckets, which it makes when they are
// missing.
func put(tx *bolt.Tx, buckets []string, key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	b, err := tx.CreateBucketIfNotExists([]byte(buckets[0]))
	for _, name := range buckets[1:] {
		if err == nil {
			b, err = b.CreateBucketIfNotExists([]byte(name))
		}
	}
	if err != nil {
		return fmt.Errorf("bucket %q: %w", buckets, err)
	}
	return b.Put([]byte(key), raw)
}

// metadata is metadata.json as both databases have it.
type metadata struct {
	Version      int
	NextUpdate   time.Time
	UpdatedAt    time.Time
	DownloadedAt time.Time
}

func writeMetadata(file string, version int, life time.Duration, o DBOptions) error {
	updated := o.UpdatedAt
	if updated.IsZero() {
		updated = time.Now()
	}
	updated = updated.UTC().Truncate(time.Second)
	raw, err := json.Marshal(metadata{version, updated.Add(life), updated, o.DownloadedAt.UTC()})
	if err != nil {
		return err
	}
	return os.WriteFile(file, raw, 0o644)
}
