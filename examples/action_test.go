package examples_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/gate/report"
)

// fakeGate is an imagegate that tells what it was called with, and ends with
// the code in the variable CODE.
const fakeGate = `#!/bin/sh
list=
for arg; do
	printf 'arg %s\n' "$arg"
	case $arg in
	--images=-) list=/dev/stdin ;;
	--images=*) list=${arg#--images=} ;;
	--manifests=*) documents=yes ;;
	esac
done
[ -n "$list$documents" ] || exit 99
[ -z "$list" ] || while read -r line; do printf 'image %s\n' "$line"; done <"$list"
if [ -n "$WRITE" ]; then printf 'verdict<<X\n%s\nX\nexit-code<<X\n7\nX\n' "$WRITE" >>"$GITHUB_OUTPUT"; fi
exit "${CODE:-0}"
`

// action is a runner for the action's script.
type action struct {
	t       *testing.T
	bin     string // on PATH, before all other programs
	here    string // a copy of the action
	output  string // GITHUB_OUTPUT
	tempDir string // RUNNER_TEMP
}

func newAction(t *testing.T) *action {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil || runtime.GOOS == "windows" {
		t.Skip("needs bash and a Unix")
	}
	dir := t.TempDir()
	a := &action{t, filepath.Join(dir, "bin"), filepath.Join(dir, "action", ".github", "action"), filepath.Join(dir, "output"), filepath.Join(dir, "temp dir")}
	for _, d := range []string{a.bin, a.here, a.tempDir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script, err := os.ReadFile(filepath.Join(root, ".github/action/gate.sh"))
	if err != nil {
		t.Fatal(err)
	}
	a.write(a.here, "gate.sh", string(script))
	a.write(a.here, "sums.txt", "# no sums\n")
	for _, name := range []string{"Makefile", "go.sum"} {
		src, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		a.write(a.source(), name, string(src))
	}
	a.write(a.bin, "imagegate", fakeGate)
	a.write(a.bin, "curl", "#!/bin/sh\necho curl was called; exit 6\n")
	return a
}

func (a *action) write(dir, name, content string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
		a.t.Fatal(err)
	}
}

// source is the root of the repository that the action is a copy of.
func (a *action) source() string { return filepath.Join(a.here, "..", "..") }

// run runs the script and returns what it printed, its outputs, and its code.
func (a *action) run(env ...string) (stdout, outputs string, code int) {
	a.t.Helper()
	return a.runWith(nil, env...)
}

func (a *action) runWith(args []string, env ...string) (stdout, outputs string, code int) {
	a.t.Helper()
	if err := os.WriteFile(a.output, nil, 0o644); err != nil {
		a.t.Fatal(err)
	}
	cmd := exec.Command("bash", append([]string{filepath.Join(a.here, "gate.sh")}, args...)...)
	cmd.Env = append([]string{
		"PATH=" + a.bin + ":" + os.Getenv("PATH"), "GITHUB_OUTPUT=" + a.output, "RUNNER_TEMP=" + a.tempDir,
		"INPUT_IMAGES=", "INPUT_POLICY=", "INPUT_OUTPUTS=", "INPUT_ARGS=", "INPUT_VERSION=", "INPUT_SHA256=", "INPUT_BINARY=",
	}, env...)
	cmd.Dir = a.t.TempDir()
	doc, _ := cmd.CombinedOutput()
	written, err := os.ReadFile(a.output)
	if err != nil {
		a.t.Fatal(err)
	}
	left, err := os.ReadDir(a.tempDir)
	if err != nil || len(left) > 0 {
		a.t.Errorf("left behind: %v %v", left, err)
	}
	return string(doc), string(written), cmd.ProcessState.ExitCode()
}

// The value of an input is passed on unchanged: no shell interprets it, and no
// image can be a flag.
func TestActionHandsInputsOver(t *testing.T) {
	a := newAction(t)
	const hostile = "$(touch pwned) `touch pwned`; touch pwned & \"' * ~ ${HOME}"
	got, outputs, code := a.run("INPUT_BINARY=imagegate",
		"INPUT_IMAGES=app:1\n--policy=weak.yaml\n"+hostile+"\n",
		"INPUT_POLICY= "+hostile,
		"INPUT_OUTPUTS=\n  sarif=a b.sarif  \n\njson="+hostile+"\n",
		"INPUT_ARGS=--platform=linux/amd64\r\n--jobs=2")
	want := "arg check\narg --images=-\narg --policy=" + hostile + "\narg --output=sarif=a b.sarif\narg --output=json=" + hostile +
		"\narg --platform=linux/amd64\narg --jobs=2\nimage app:1\nimage --policy=weak.yaml\nimage " + hostile + "\nimage \n"
	// Here-strings end with a newline of their own.
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if code != 0 || outputs != "verdict=pass\nexit-code=0\n" {
		t.Errorf("code %d, outputs %q", code, outputs)
	}
}

// Outputs are written for every end of the program, and the exit code is the
// program's.
func TestActionOutputs(t *testing.T) {
	tests := []struct {
		name, script string
		env          []string
		code         int
		outputs      string
	}{
		{"pass", fakeGate, []string{"CODE=0"}, 0, "verdict=pass\nexit-code=0\n"},
		{"fail", fakeGate, []string{"CODE=1"}, 1, "verdict=fail\nexit-code=1\n"},
		{"no verdict", fakeGate, []string{"CODE=2"}, 2, "verdict=no-verdict\nexit-code=2\n"},
		{"usage", fakeGate, []string{"CODE=3"}, 3, "verdict=no-verdict\nexit-code=3\n"},
		{"killed", "#!/bin/sh\nkill -9 $$\n", nil, 137, "verdict=no-verdict\nexit-code=137\n"},
		{"written by the program", fakeGate, []string{"CODE=1", "WRITE=fail"}, 1, "verdict<<X\nfail\nX\nexit-code<<X\n7\nX\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAction(t)
			a.write(a.bin, "imagegate", tt.script)
			got, outputs, code := a.run(append(tt.env, "INPUT_BINARY=imagegate", "INPUT_IMAGES=app:1")...)
			if code != tt.code || outputs != tt.outputs {
				t.Errorf("code %d, outputs %q, want %d, %q\n%s", code, outputs, tt.code, tt.outputs, got)
			}
		})
	}
}

// archive is a release archive whose program is fakeGate.
func archive(t *testing.T) (content, sum string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, f := range []struct{ name, body string }{{"LICENSE", "..."}, {"imagegate", fakeGate}} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), fmt.Sprintf("%x", sha256.Sum256(b.Bytes()))
}

// fakeCurl answers every request with the file beside it, and tells the URL.
const fakeCurl = `#!/bin/sh
printf 'curl %s\n' "$*" >>"$0.log"
while [ "$1" != --output ]; do shift; done
cp "$0.archive" "$2"
`

func TestActionInstalls(t *testing.T) {
	content, sum := archive(t)
	other := strings.Repeat("0", 64)
	table := ""
	for _, platform := range []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"} {
		table += sum + "  imagegate_0.1.0_" + platform + ".tar.gz\n"
	}
	tests := []struct {
		name, sums string
		env        []string
		code       int
		want       string // in what is printed
		downloads  bool
	}{
		{"the release of this commit", table, nil, 0, "image app:1", true},
		{"the same, named", table, []string{"INPUT_VERSION=v0.1.0"}, 0, "image app:1", true},
		{"another release with its sum", table, []string{"INPUT_VERSION=9.9.9", "INPUT_SHA256=" + sum}, 0, "image app:1", true},
		{"not what was released", strings.ReplaceAll(table, sum, other), nil, 2, "is not what was released", true},
		{"not the sum that was given", table, []string{"INPUT_VERSION=9.9.9", "INPUT_SHA256=" + other}, 2, "is not what was released", true},
		{"another release without a sum", table, []string{"INPUT_VERSION=9.9.9"}, 3, "there is no sum for imagegate_9.9.9_", false},
		{"no platform", sum + "  imagegate_0.1.0_linux_amd64.tar.gz\n", []string{"UNAME=riscv64"}, 2, "there is no imagegate for", false},
		{"a sum without a version", table, []string{"INPUT_SHA256=" + sum}, 3, `needs the input "version"`, false},
		{"a sum that is none", table, []string{"INPUT_VERSION=9.9.9", "INPUT_SHA256=*"}, 3, "64 hexadecimal digits", false},
		{"a version that is a path", table, []string{"INPUT_VERSION=../../evil"}, 3, "must be the number of a release", false},
		{"a version that is a pattern", table, []string{"INPUT_VERSION=.*"}, 3, "must be the number of a release", false},
		{"no image", table, []string{"INPUT_IMAGES= \n "}, 3, "names no image", false},
		{"manifests alone", table, []string{"INPUT_IMAGES=", "INPUT_MANIFESTS=my k8s/\nb.yaml"}, 0, "arg check\narg --manifests=my k8s/\narg --manifests=b.yaml\n", true},
		{"manifests and an image", table, []string{"INPUT_MANIFESTS=k8s"}, 0, "arg --images=-\narg --manifests=k8s\nimage app:1", true},
		{"no such program", table, []string{"INPUT_BINARY=/missing"}, 3, "there is no such program", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAction(t)
			a.write(a.here, "sums.txt", tt.sums)
			a.write(a.bin, "curl", fakeCurl)
			a.write(a.bin, "curl.archive", content)
			if slices.Contains(tt.env, "UNAME=riscv64") {
				a.write(a.bin, "uname", "#!/bin/sh\n[ \"$1\" = -s ] && echo Linux || echo riscv64\n")
			}
			got, outputs, code := a.run(append([]string{"INPUT_IMAGES=app:1"}, tt.env...)...)
			if code != tt.code || !strings.Contains(got, tt.want) {
				t.Errorf("code %d, want %d and %q:\n%s", code, tt.code, tt.want, got)
			}
			if code != 0 && !strings.Contains(outputs, "verdict=no-verdict\n") {
				t.Errorf("outputs %q", outputs)
			}
			if code != 0 && !strings.HasPrefix(got, "::error title=imagegate: no verdict::") {
				t.Errorf("not an annotation: %s", got)
			}
			asked, _ := os.ReadFile(filepath.Join(a.bin, "curl.log"))
			if (len(asked) > 0) != tt.downloads {
				t.Errorf("downloads: %q", asked)
			}
			if tt.downloads && !strings.Contains(string(asked), "--proto =https --proto-redir =https") {
				t.Errorf("a download that can be without TLS: %s", asked)
			}
		})
	}
}

// fakeGo notes how it was called and builds the program beside it.
const fakeGo = `#!/bin/sh
{ printf 'in %s\n' "$PWD"; env | grep -E '^(GO|CGO)'; printf 'go %s\n' "$*"; } >>"$0.log"
[ -z "$BROKEN" ] || exit 1
while [ "$1" != -o ]; do shift; done
cp "$0.program" "$2"
`

// A commit that belongs to no release is built with the settings of the Makefile.
func TestActionBuilds(t *testing.T) {
	settings := []string{"CGO_ENABLED=0"}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^export (GO\w+) *:= *(.*)$`).FindAllStringSubmatch(string(makefile), -1) {
		settings = append(settings, m[1]+"="+m[2])
	}
	if len(settings) != 4 {
		t.Fatalf("settings of the Makefile: %q", settings)
	}
	tests := []struct {
		name string
		env  []string
		noGo bool
		code int
		want string
	}{
		{"builds and judges", nil, false, 0, "image app:1"},
		{"the code is the program's", []string{"CODE=1"}, false, 1, "image app:1"},
		{"a build that fails is no verdict", []string{"BROKEN=1"}, false, 2, "could not be built"},
		{"a sum of a release", []string{"INPUT_SHA256=" + strings.Repeat("0", 64)}, false, 3, `needs the input "version"`},
		{"no Go", nil, true, 3, "Add actions/setup-go"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAction(t)
			if tt.noGo {
				a.tools()
				tt.env = []string{"PATH=" + a.bin}
			} else {
				a.write(a.bin, "go", fakeGo)
			}
			a.write(a.bin, "go.program", fakeGate)
			got, _, code := a.run(append([]string{"INPUT_IMAGES=app:1", "HOME=" + a.tempDir}, tt.env...)...)
			if code != tt.code || !strings.Contains(got, tt.want) {
				t.Fatalf("code %d, want %d and %q:\n%s", code, tt.code, tt.want, got)
			}
			if tt.code == 3 {
				return
			}
			log, err := os.ReadFile(filepath.Join(a.bin, "go.log"))
			if err != nil {
				t.Fatal(err)
			}
			source, err := filepath.EvalSymlinks(a.source())
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range append(settings, "in "+source, "./cmd/imagegate", "GOCACHE="+a.tempDir) {
				if !strings.Contains(string(log), want) {
					t.Errorf("the build was not called with %q:\n%s", want, log)
				}
			}
		})
	}
}

// tools links what the script calls into bin, so that PATH can be bin alone.
func (a *action) tools() {
	a.t.Helper()
	for _, name := range []string{"sh", "bash", "sed", "cat", "mktemp", "rm", "dirname", "uname", "touch", "grep", "sha256sum", "env", "tr"} {
		path, err := exec.LookPath(name)
		if err != nil {
			a.t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(a.bin, name)); err != nil {
			a.t.Fatal(err)
		}
	}
}

// The step before keeps Go's caches exactly when something has to be built.
func TestActionPlans(t *testing.T) {
	key := regexp.MustCompile(`(?m)^key=(imagegate-[a-z0-9]+_[a-z0-9]+-[0-9a-f]{64})?$`)
	tests := []struct {
		name, sums string
		env        []string
		builds     bool
	}{
		{"no release", "# none\n", nil, true},
		{"a release", strings.Repeat("0", 64) + "  imagegate_0.1.0_linux_amd64.tar.gz\n", nil, false},
		{"another release", "# none\n", []string{"INPUT_VERSION=9.9.9"}, false},
		{"a program", "# none\n", []string{"INPUT_BINARY=imagegate"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAction(t)
			a.write(a.here, "sums.txt", tt.sums)
			_, outputs, code := a.runWith([]string{"plan"}, append([]string{"HOME=" + a.tempDir}, tt.env...)...)
			m := key.FindStringSubmatch(outputs)
			if code != 0 || m == nil || (m[1] != "") != tt.builds {
				t.Fatalf("code %d, outputs %q", code, outputs)
			}
			if tt.builds != strings.Contains(outputs, "compiled="+a.tempDir) {
				t.Errorf("directories to keep: %q", outputs)
			}
		})
	}
}

// TestActionDescribes holds action.yml to the script and to the formats.
func TestActionDescribes(t *testing.T) {
	src, err := os.ReadFile(filepath.Join(root, "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join(root, ".github/action/gate.sh"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Inputs, Outputs map[string]map[string]any
		Runs            struct {
			Using string
			Steps []struct {
				ID, If, Run string
				Env         map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(src, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Runs.Using != "composite" || len(doc.Runs.Steps) != 3 || doc.Runs.Steps[2].ID != "gate" || doc.Runs.Steps[2].If != "" {
		t.Fatalf("runs: %+v", doc.Runs)
	}
	env := doc.Runs.Steps[2].Env
	if env["ACTION_REF"] != "${{ github.action_ref }}" {
		t.Errorf("ACTION_REF is %q", env["ACTION_REF"])
	}
	delete(env, "ACTION_REF")
	for name := range doc.Inputs {
		variable := "INPUT_" + strings.ToUpper(name)
		if env[variable] != "${{ inputs."+name+" }}" || !strings.Contains(string(script), variable) {
			t.Errorf("input %s does not reach the script", name)
		}
		if _, has := doc.Inputs[name]["default"]; has {
			t.Errorf("input %s has a default: the program has them", name)
		}
	}
	if len(env) != len(doc.Inputs) {
		t.Errorf("%d variables for %d inputs", len(env), len(doc.Inputs))
	}
	for _, format := range report.Formats() {
		// Annotations are for the log, not for a file.
		if _, has := doc.Outputs[format.Name]; !has && format.Name != "github" {
			t.Errorf("format %s has no output", format.Name)
		}
	}
	for name, output := range doc.Outputs {
		if output["value"] != "${{ steps.gate.outputs."+name+" }}" {
			t.Errorf("output %s is %q", name, output["value"])
		}
	}
	if regexp.MustCompile(`(?i)token|secret`).Match(src) {
		t.Error("the action asks for a token")
	}
}
