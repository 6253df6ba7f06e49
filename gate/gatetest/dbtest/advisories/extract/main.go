// Command extract copies the advisories named in select.json out of a Trivy
// database into ../data: one file per bucket, sorted, with the details of the
// vulnerabilities they name. It is how the data in this repository was made,
// and how to make it again from a newer database:
//
//	go run ./gate/gatetest/dbtest/advisories/extract -db cache/db/trivy.db
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"
)

const (
	// maxDescription and maxReferences keep the data small: the texts are for
	// people to read and no test depends on them.
	maxDescription = 160
	maxReferences  = 1
)

// selection says which packages of which bucket to take; "*" takes all.
type selection map[string][]string

// bucket is one file of the data directory.
type bucket struct {
	Bucket     string                                `json:"bucket"`
	DataSource json.RawMessage                       `json:"dataSource"`
	Packages   map[string]map[string]json.RawMessage `json:"packages"`
}

func main() {
	db := flag.String("db", "", "trivy.db to copy from")
	dir := flag.String("dir", "gate/gatetest/dbtest/advisories", "directory with select.json and data/")
	flag.Parse()
	if err := run(*db, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "extract:", err)
		os.Exit(1)
	}
}

func run(path, dir string) error {
	raw, err := os.ReadFile(filepath.Join(dir, "select.json"))
	if err != nil {
		return err
	}
	var sel selection
	if err := json.Unmarshal(raw, &sel); err != nil {
		return fmt.Errorf("select.json: %w", err)
	}
	db, err := bolt.Open(path, 0o400, &bolt.Options{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error { return extract(tx, sel, filepath.Join(dir, "data")) })
}

// extract writes one file per selected bucket and vulnerability.json.
func extract(tx *bolt.Tx, sel selection, dir string) error {
	details := map[string]json.RawMessage{}
	for name, packages := range sel {
		from := tx.Bucket([]byte(name))
		if from == nil {
			return fmt.Errorf("no bucket %q", name)
		}
		b := bucket{
			Bucket:     name,
			DataSource: bytes.Clone(tx.Bucket([]byte("data-source")).Get([]byte(name))),
			Packages:   map[string]map[string]json.RawMessage{},
		}
		if len(packages) == 1 && packages[0] == "*" {
			packages = nil
			_ = from.ForEachBucket(func(k []byte) error { packages = append(packages, string(k)); return nil })
		}
		for _, pkg := range packages {
			copyPackage(tx, from.Bucket([]byte(pkg)), &b, pkg, details)
		}
		if err := write(filepath.Join(dir, fileName(name)), b); err != nil {
			return err
		}
	}
	return write(filepath.Join(dir, "vulnerability.json"), details)
}

// copyPackage copies one package's advisories and the details they name. A
// package without advisories is no mistake: select.json lists what an image
// contains, and most packages have none.
func copyPackage(tx *bolt.Tx, from *bolt.Bucket, to *bucket, pkg string, details map[string]json.RawMessage) {
	if from == nil {
		return
	}
	to.Packages[pkg] = map[string]json.RawMessage{}
	_ = from.ForEach(func(id, advisory []byte) error {
		to.Packages[pkg][string(id)] = bytes.Clone(advisory)
		if raw := tx.Bucket([]byte("vulnerability")).Get(id); raw != nil {
			details[string(id)] = shorten(raw)
		}
		return nil
	})
}

// scorers are the sources whose CVSS vectors are kept. Every source's severity
// is: verdicts come from it.
func scorers() []string { return []string{"nvd", "ghsa", "redhat", "debian"} }

// shorten drops the bulk of a vulnerability's texts.
func shorten(raw []byte) json.RawMessage {
	var detail map[string]any
	if json.Unmarshal(raw, &detail) != nil {
		return bytes.Clone(raw)
	}
	if text, ok := detail["Description"].(string); ok && len(text) > maxDescription {
		cut := maxDescription
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		detail["Description"] = strings.TrimSpace(text[:cut]) + " ..."
	}
	if refs, ok := detail["References"].([]any); ok && len(refs) > maxReferences {
		detail["References"] = refs[:maxReferences]
	}
	if scores, ok := detail["CVSS"].(map[string]any); ok {
		maps.DeleteFunc(scores, func(source string, _ any) bool { return !slices.Contains(scorers(), source) })
	}
	short, err := json.Marshal(detail)
	if err != nil {
		return bytes.Clone(raw)
	}
	return short
}

var unsafeInName = regexp.MustCompile(`[^a-z0-9.]+`)

// fileName turns "npm::RetireJS" into "npm-retirejs.json".
func fileName(bucket string) string {
	return unsafeInName.ReplaceAllString(strings.ToLower(bucket), "-") + ".json"
}

// write stores v as JSON with one advisory per line, so that a diff of two
// extractions can be read. encoding/json sorts the keys.
func write(path string, v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	out := regexp.MustCompile(`("(?:[^"\\]|\\.)*":\{)`).ReplaceAll(buf.Bytes(), []byte("\n$1"))
	return os.WriteFile(path, append(bytes.TrimSpace(out), '\n'), 0o644)
}
