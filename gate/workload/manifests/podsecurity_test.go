package manifests

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// fixtures returns the directory of the official fixtures of the Pod Security
// Standards, which are in the module.
func fixtures(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "test", "testdata")
}

// Every fixture of the module passes or fails as it must, by the saved answers
// alone. None differs: a volume without a source is filled in as by the API server.
func TestOfficialFixtures(t *testing.T) {
	root := fixtures(t)
	counts := map[string]int{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		name, _ := filepath.Rel(root, path)
		parts := strings.Split(filepath.ToSlash(name), "/") // restricted/v1.35/fail/x.yaml
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		r := Parse(name, data, Options{})
		if len(r.Workloads) != 1 || len(r.Documents[0].Problems) > 0 {
			t.Errorf("%s: %d workloads, problems %v", name, len(r.Workloads), r.Documents[0].Problems)
			return nil
		}
		allowed := len(answer(r.Workloads[0].PodSecurity, parts[0], parts[1]).Violations) == 0
		counts[parts[2]]++
		if want := parts[2] == "pass"; allowed != want {
			t.Errorf("%s: allowed is %v", name, allowed)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if counts["pass"] < 900 || counts["fail"] < 3000 {
		t.Errorf("only %v fixtures were found", counts)
	}
	t.Logf("%d fixtures pass and %d fail", counts["pass"], counts["fail"])
}

// answer returns the answer of a version: that of the newest entry that is not
// newer.
func answer(all []evidence.PodSecurity, level, version string) evidence.PodSecurity {
	minor := func(v string) int {
		n, _ := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(v, "v"), "1."))
		return n
	}
	var found evidence.PodSecurity
	for _, a := range all {
		if a.Level == level && minor(a.Version) <= minor(version) {
			found = a
		}
	}
	return found
}

// The version that reports and policies name is that of the library.
func TestPodSecurityVersion(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	want := "v0." + strings.TrimPrefix(podSecurityVersion, "1.") + "."
	if v := string(out); !strings.HasPrefix(v, want) {
		t.Errorf("the library is %s, and podSecurityVersion says %s", v, podSecurityVersion)
	}
}
