package scan_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/scan"
	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/policy/evidence"
)

// An analysis is kept under the hash of the Java database. An analysis that was made
// with another database is not used, in this run or in a later one.
func TestJavaDatabaseThatChanges(t *testing.T) {
	var cache mapCache
	var temp string
	s := open(t, "", func(o *scan.Options) { o.Cache = &cache; temp = o.TempDir })
	jar := func(name string) *gate.Target {
		return target(t, imagetest.Image(imagetest.Files(imagetest.Text(name, "PK"))))
	}
	must(t, s, jar("a.jar"), need|evidence.NeedJava)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	kept := len(cache.entries)
	again := open(t, "", func(o *scan.Options) { o.Cache = &cache; temp = o.TempDir })
	must(t, again, jar("a.jar"), need|evidence.NeedJava)
	file := filepath.Join(temp, "databases", "java-db", "trivy-java.db")
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("other bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := again.Scan(t.Context(), jar("b.jar"), need|evidence.NeedJava)
	if err == nil || !strings.Contains(err.Error(), "Java database") {
		t.Errorf("Scan = %+v, %v; want an error about the Java database", got, err)
	}
	if len(cache.entries) != kept {
		t.Errorf("%d entries, %d were kept before", len(cache.entries), kept)
	}
}

// A run without a Java database does not use what an earlier run has found in jars.
// It reads the layers with jars again and reports a gap.
func TestJavaDatabaseThatIsGone(t *testing.T) {
	var cache mapCache
	var tr traffic
	jar := tr.watch(target(t, imagetest.Image(imagetest.Files(imagetest.Text("a.jar", "PK")))))
	s := open(t, "", on(&cache))
	must(t, s, jar, need|evidence.NeedJava)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	without := func(o *scan.Options) {
		o.Cache = &cache
		store, err := database.New(database.Options{CacheDir: dbtest.Database(t, dbtest.DBOptions{NoJava: true}), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		o.Databases = store
	}
	kept := len(cache.entries)
	s = open(t, "", without)
	got := must(t, s, jar, need|evidence.NeedJava)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if tr.total() != 2 || got.JavaDatabase != nil || len(cache.entries) != kept {
		t.Errorf("%d fetches, Java database %v, %d entries; want 2, none and %d", tr.total(), got.JavaDatabase, len(cache.entries), kept)
	}
}
