package compose

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A large project is read in time: every service looks for its places in the file.
func TestManyServices(t *testing.T) {
	var b strings.Builder
	b.WriteString("x-common: &common {read_only: true, cap_drop: [ALL], tmpfs: [/tmp]}\nservices:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  s%d:\n    <<: *common\n    image: registry.example.no/shop/s%d:1.0.%d\n    ports: [\"%d:80\"]\n    volumes: [\"./data:/data\"]\n", i, i, i, 10000+i)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	r := readIn(t, dir)
	if found := problems(r, dir); len(found) > 0 || len(r.Release.Workloads) != 1000 {
		t.Fatalf("%d workloads, %v", len(r.Release.Workloads), found)
	}
	if took := time.Since(start); took > 2*time.Minute {
		t.Errorf("it took %v", took)
	} else {
		t.Log(took)
	}
}
