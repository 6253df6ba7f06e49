package scan_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest"
	"github.com/imagegate/imagegate/gate/scan"
	"github.com/imagegate/imagegate/policy/evidence"
)

// An analysis is kept under the hash of the Java database. One that was made
// with other bytes is no evidence, in this run or in a later one.
func TestJavaDatabaseThatChanges(t *testing.T) {
	var cache shelf
	var temp string
	s := open(t, "", func(o *scan.Options) { o.Cache = &cache; temp = o.TempDir })
	jar := func(name string) *gate.Target {
		return target(t, gatetest.Image(gatetest.Files(gatetest.Text(name, "PK"))))
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
