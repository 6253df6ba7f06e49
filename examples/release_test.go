package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

// TestPin runs what the release workflow runs: afterwards action and component
// name the release, and still work.
func TestPin(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil || runtime.GOOS == "windows" {
		t.Skip("needs bash and a Unix")
	}
	sum := strings.Repeat("a", 64)
	complete := ""
	for _, platform := range []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64"} {
		complete += sum + "  imagegate_0.2.0_" + platform + ".tar.gz\n" + sum + "  imagegate_0.2.0_" + platform + ".tar.gz.sbom.json\n"
	}
	tests := []struct{ name, version, sums, want string }{
		{"a release", "0.2.0", complete, ""},
		{"one archive is missing", "0.2.0", strings.Replace(complete, "darwin_arm64.tar.gz\n", "darwin_arm64.zip\n", 1), "exactly one sum of imagegate_0.2.0_darwin_arm64"},
		{"two sums for one archive", "0.2.0", complete + strings.Repeat("b", 64) + "  imagegate_0.2.0_linux_amd64.tar.gz\n", "exactly one sum of imagegate_0.2.0_linux_amd64"},
		{"another release", "0.3.0", complete, "holds no sum"},
		{"not a version", "$(id)", complete, "is not the number of a release"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{".github/release/pin.sh", ".github/action/sums.txt", "templates/gate.yml"} {
				src, err := os.ReadFile(filepath.Join(root, name))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(dir, name), string(src))
			}
			sums := filepath.Join(dir, "checksums.txt")
			write(t, sums, tt.sums)
			for range 2 { // a second release writes over the first one
				got, err := exec.Command("bash", filepath.Join(dir, ".github/release/pin.sh"), tt.version, sums).CombinedOutput()
				if (err != nil) != (tt.want != "") || !strings.Contains(string(got), tt.want) {
					t.Fatalf("%v: %s", err, got)
				}
			}
			template, err := os.ReadFile(filepath.Join(dir, "templates/gate.yml"))
			if err != nil {
				t.Fatal(err)
			}
			table, err := os.ReadFile(filepath.Join(dir, ".github/action/sums.txt"))
			if err != nil {
				t.Fatal(err)
			}
			want := map[bool]int{true: 0, false: 1}[tt.want != ""]
			if n := strings.Count(string(template), sum+"  imagegate_0.2.0_linux_"); n != 2*want {
				t.Errorf("the component has %d sums", n)
			}
			if n := strings.Count(string(table), sum); n != 5*want {
				t.Errorf("the action has %d sums", n)
			}
			if err := yaml.NewDecoder(strings.NewReader(string(template))).Decode(new(any)); err != nil {
				t.Errorf("the component: %v", err)
			}
		})
	}
}

// Our own image is judged by the strict example. What differs is said in the
// file, and here.
func TestOwnPolicyIsStrict(t *testing.T) {
	read := func(name string) map[string]any {
		src, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := yaml.Unmarshal(src, &doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	strict, own := read("examples/policies/strict.yaml"), read(".github/imagegate.yaml")
	delete(strict, "reference")
	// The image of imagegate is judged alone.
	delete(strict, "workload")
	delete(strict, "dockerfile")
	// Its jobs have no feeds of exploited vulnerabilities.
	delete(strict, "exploited")
	delete(own, "exceptions")
	strict["exception-limits"].(map[string]any)["max-days"] = 180
	if diff := cmp.Diff(strict, own); diff != "" {
		t.Errorf(".github/imagegate.yaml is not examples/policies/strict.yaml (-strict +own):\n%s", diff)
	}
}

// The reason of an exception in .github/imagegate.yaml. When Trivy begins to link
// the package, the exception has to go.
func TestOpenPGPIsNotLinked(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./cmd/imagegate")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOEXPERIMENT=jsonv2")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	deps, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	if !strings.Contains(string(deps), "golang.org/x/crypto/") {
		t.Fatal("this test looks at the wrong list: there is no golang.org/x/crypto in it")
	}
	if strings.Contains(string(deps), "golang.org/x/crypto/openpgp") {
		t.Error("golang.org/x/crypto/openpgp is linked, and GO-2026-5932 is about it")
	}
}

// The release is built with the flags of the Makefile: equal flags, equal bytes.
func TestReleaseBuildsLikeMake(t *testing.T) {
	src, err := os.ReadFile(filepath.Join(root, ".goreleaser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Builds []struct {
			Env, Flags, Ldflags []string
		}
	}
	if err := yaml.Unmarshal(src, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Builds) != 1 {
		t.Fatalf("%d builds", len(doc.Builds))
	}
	b := doc.Builds[0]
	for _, pair := range b.Env {
		name, value, _ := strings.Cut(pair, "=")
		if !makeSets(string(makefile), name, value) {
			t.Errorf("the Makefile does not set %s", pair)
		}
	}
	if !makeSets(string(makefile), "GOFLAGS", strings.Join(b.Flags, " ")) {
		t.Errorf("the Makefile does not build with %v", b.Flags)
	}
	for _, flag := range []string{"-s -w", "-X main.version=", "-X main.commit="} {
		if !strings.Contains(string(makefile), flag) || !strings.Contains(strings.Join(b.Ldflags, " "), flag) {
			t.Errorf("linker flag %s is not in both", flag)
		}
	}
	for _, name := range []string{".github/release/documents.sh"} {
		script, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range append(b.Env, strings.Join(b.Flags, " ")) {
			if !strings.Contains(string(script), part) {
				t.Errorf("%s does not build with %s", name, part)
			}
		}
	}
}

// makeSets reports whether a Makefile sets a variable to a value, for all
// commands or for one.
func makeSets(makefile, name, value string) bool {
	for line := range strings.Lines(makefile) {
		if strings.Contains(line, name+"="+value+" ") {
			return true
		}
		before, after, ok := strings.Cut(line, ":=")
		if ok && strings.TrimSpace(after) == value && strings.TrimSpace(strings.TrimPrefix(before, "export ")) == name {
			return true
		}
	}
	return false
}
