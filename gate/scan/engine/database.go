//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	trivydb "github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy/pkg/db"
	"github.com/aquasecurity/trivy/pkg/detector/library"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/javadb"
	bolt "go.etcd.io/bbolt"
)

// advisories is the opened vulnerability database. trivy-db keeps the handle
// in a package variable, so there is one per process.
type advisories struct {
	buckets map[string]bool // top-level buckets that hold at least one package
}

// The buckets of trivy-db that hold no advisories of their own.
var notAdvisories = map[string]bool{
	"vulnerability": true, "vulnerability-id": true, "vulnerability-detail": true,
	"advisory-detail": true, "data-source": true, "Red Hat CPE": true, "trivy": true,
}

// minVulnerabilities is the least number of vulnerability details a usable
// database holds. Trivy's own has some 300,000; the floor only has to catch a
// database that was emptied or cut.
const minVulnerabilities = 10

// openDatabase opens cacheDir/db read-only and lists what it holds. An emptied
// database opens without an error and finds nothing in any image (trivy issue
// #8454), so emptiness is an error here.
func openDatabase(cacheDir string) (*advisories, error) {
	if err := db.Init(filepath.Join(cacheDir, "db")); err != nil {
		return nil, fmt.Errorf("open the vulnerability database: %w", err)
	}
	javadb.Init(cacheDir, nil, true, true, ftypes.RegistryOptions{})
	// A suffix of a version ("-sp1") would make Trivy ask Seal Security's feed
	// instead of the ecosystem's, and the author of an image can write any suffix.
	library.DeregisterSupplier("seal")
	a := &advisories{buckets: map[string]bool{}}
	details := 0
	err := trivydb.Config{}.Connection().View(func(tx *bolt.Tx) error {
		if b := tx.Bucket([]byte("vulnerability")); b != nil {
			for c, k := cursor(b); k != nil && details < minVulnerabilities; k, _ = c.Next() {
				details++
			}
		}
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			if notAdvisories[string(name)] || b == nil {
				return nil
			}
			if _, k := cursor(b); k != nil {
				a.buckets[string(name)] = true
			}
			return nil
		})
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the vulnerability database: %w", err)
	case details < minVulnerabilities:
		return nil, fmt.Errorf("the vulnerability database describes %d vulnerabilities: it is empty or cut off", details)
	case len(a.buckets) == 0:
		return nil, fmt.Errorf("the vulnerability database has no advisories: it is empty or cut off")
	}
	return a, nil
}

func cursor(b *bolt.Bucket) (*bolt.Cursor, []byte) {
	c := b.Cursor()
	k, _ := c.First()
	return c, k
}

// has reports whether the database has advisories for a feed.
func (a *advisories) has(stream string) bool { return a.buckets[stream] }

// knows reports whether the advisories of a distribution name one of the packages
// in any release. stream is the feed of one release: "debian 12".
func (a *advisories) knows(stream string, names ...string) bool {
	distribution, release, _ := cutRelease(stream)
	return a.have(func(feed string) bool {
		d, _, ok := cutRelease(feed)
		return feed == stream || release != "" && ok && d == distribution
	}, names...)
}

// knowsNPM reports whether there are advisories for a package of npm.
func (a *advisories) knowsNPM(name string) bool {
	return a.have(func(feed string) bool { return strings.HasPrefix(feed, "npm::") }, name)
}

// have reports whether the advisories of a feed that is asked for name one of the packages.
func (a *advisories) have(asked func(feed string) bool, names ...string) bool {
	found := false
	_ = trivydb.Config{}.Connection().View(func(tx *bolt.Tx) error {
		for feed := range a.buckets {
			if !asked(feed) {
				continue
			}
			for _, name := range names {
				found = found || tx.Bucket([]byte(feed)).Bucket([]byte(name)) != nil
			}
		}
		return nil
	})
	return found
}

// cutRelease splits the name of a feed into distribution and release; ok is false
// for feeds that have no releases.
func cutRelease(stream string) (distribution, release string, ok bool) {
	i := strings.LastIndexByte(stream, ' ')
	if i < 0 || i+1 == len(stream) || (stream[i+1] < '0' || stream[i+1] > '9') && stream[i+1:] != edge {
		return stream, "", false
	}
	return stream[:i], stream[i+1:], true
}

// hasEcosystem reports whether it has any for a language ecosystem: trivy-db
// names those buckets "npm::GitHub Security Advisory npm" and so on.
func (a *advisories) hasEcosystem(name string) bool {
	for bucket := range a.buckets {
		if strings.HasPrefix(bucket, name+"::") {
			return true
		}
	}
	return false
}

// samples are packages that any real database knows to be vulnerable. One of
// them must be found, through the same code that judges images, or the
// database, or our way of asking it, is broken.
var samples = []struct {
	kind          ftypes.LangType
	name, version string
}{
	{ftypes.NodePkg, "lodash", "4.17.4"},                          // CVE-2019-10744, CVE-2021-23337
	{ftypes.Jar, "org.apache.logging.log4j:log4j-core", "2.14.1"}, // CVE-2021-44228
	{ftypes.PythonPkg, "django", "2.2.0"},                         // CVE-2019-14234
	{ftypes.GoBinary, "golang.org/x/text", "v0.3.0"},              // CVE-2020-14040, CVE-2021-38561
	{ftypes.GemSpec, "rack", "2.0.0"},                             // CVE-2018-16471
	{ftypes.NuGet, "Newtonsoft.Json", "9.0.1"},                    // CVE-2024-21907
	{ftypes.ComposerVendor, "guzzlehttp/guzzle", "6.5.0"},         // CVE-2022-31090
	{ftypes.RustBinary, "smallvec", "0.6.9"},                      // CVE-2019-15551
}

// selfTest reports whether one of the samples is found. It stops at the first match,
// because only a database without any match is known to be unusable.
func selfTest(ctx context.Context) (bool, error) {
	for _, s := range samples {
		vulns, err := library.Detect(ctx, s.kind, []ftypes.Package{{Name: s.name, Version: s.version}})
		if err != nil {
			return false, fmt.Errorf("self-test with %s %s: %w", s.name, s.version, err)
		}
		if len(vulns) > 0 {
			return true, nil
		}
	}
	return false, nil
}
