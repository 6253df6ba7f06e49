package examples_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// component is templates/gate.yml.
type component struct {
	inputs map[string]struct {
		Default     any
		Regex       string
		Description string
	}
	header, body string
}

func readComponent(t *testing.T) component {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(root, "templates/gate.yml"))
	if err != nil {
		t.Fatal(err)
	}
	header, body, ok := strings.Cut(string(src), "\n---\n")
	if !ok {
		t.Fatal("there is no header")
	}
	c := component{header: header, body: body}
	var spec struct {
		Spec struct {
			Inputs map[string]struct {
				Default     any
				Regex       string
				Description string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(header), &spec); err != nil {
		t.Fatal(err)
	}
	c.inputs = spec.Spec.Inputs
	return c
}

// job is the one job of the component.
type job struct {
	Image        struct{ Name string }
	Stage        string
	AllowFailure any `yaml:"allow_failure"`
	Variables    map[string]string
	BeforeScript []string `yaml:"before_script"`
	Script       []string
	Artifacts    struct {
		When, Access string
		Paths        []string
		Reports      map[string]string
	}
}

// job fills the inputs in, as GitLab does.
func (c component) job(t *testing.T, inputs map[string]string) job {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(c.body), &doc); err != nil {
		t.Fatal(err)
	}
	c.fill(t, &doc, inputs)
	var jobs map[string]job
	if err := doc.Decode(&jobs); err != nil {
		t.Fatal(err)
	}
	if len(jobs) != 1 {
		t.Fatalf("%d jobs", len(jobs))
	}
	for _, j := range jobs {
		return j
	}
	panic("unreachable")
}

var reference = regexp.MustCompile(`\$\[\[ inputs\.([a-z0-9-]+) \]\]`)

// fill replaces inputs in every string. What does not fit an input's pattern is
// refused, as by GitLab.
func (c component) fill(t *testing.T, n *yaml.Node, inputs map[string]string) {
	t.Helper()
	n.Value = reference.ReplaceAllStringFunc(n.Value, func(s string) string {
		name := reference.FindStringSubmatch(s)[1]
		input, known := c.inputs[name]
		if !known {
			t.Fatalf("there is no input %s", name)
		}
		value, given := inputs[name]
		if !given {
			value = fmt.Sprint(input.Default)
		}
		if !regexp.MustCompile(input.Regex).MatchString(value) {
			t.Fatalf("input %s: %q does not match %s", name, value, input.Regex)
		}
		return value
	})
	for _, child := range n.Content {
		c.fill(t, child, inputs)
	}
}

func TestComponentInputs(t *testing.T) {
	c := readComponent(t)
	used := map[string]bool{}
	for _, m := range reference.FindAllStringSubmatch(c.body, -1) {
		used[m[1]] = true
	}
	for name, input := range c.inputs {
		if !used[name] {
			t.Errorf("input %s is not used", name)
		}
		if input.Description == "" {
			t.Errorf("input %s is not described", name)
		}
		if input.Default == nil {
			t.Errorf("input %s has no default", name)
		}
	}
	if n := strings.Count(c.body, "$[["); n != len(reference.FindAllString(c.body, -1)) {
		t.Error("an input is referred to in a way that this test does not know")
	}
	j := c.job(t, map[string]string{"images": "app:1"})
	script := strings.Join(j.Script, "\n")
	for name, input := range c.inputs {
		// What can be text of the script must not be able to leave its quotes.
		text := "'$[[ inputs." + name + " ]]'"
		if strings.Count(c.body, "$[[ inputs."+name+" ]]") != 1 {
			t.Errorf("input %s is used more than once", name)
		}
		if strings.Contains(c.body, text) && regexp.MustCompile(input.Regex).MatchString("'; evil; '") {
			t.Errorf("input %s can leave its quotes: %q", name, input.Regex)
		}
	}
	if !strings.Contains(j.Image.Name, "@sha256:") {
		t.Errorf("the job's image is not pinned: %s", j.Image.Name)
	}
	if len(j.Script) != 1 || strings.Contains(script, "$[[") {
		t.Errorf("the script: %s", script)
	}
	if j.Artifacts.When != "always" {
		t.Error("reports of a denied image would be lost")
	}
	for kind, file := range j.Artifacts.Reports {
		if !strings.Contains(script, file) {
			t.Errorf("report %s: the script does not write %s", kind, file)
		}
	}
}

// TestComponentRuns runs the job's script with a shell that knows no more than
// POSIX where there is one.
func TestComponentRuns(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("needs sh and a Unix")
	}
	content, sum := archive(t)
	table := sum + "  imagegate_0.1.0_linux_amd64.tar.gz\n" + sum + "  imagegate_0.1.0_linux_arm64.tar.gz"
	wrong := strings.ReplaceAll(table, sum, strings.Repeat("0", 64))
	tests := []struct {
		name   string
		inputs map[string]string
		sums   string
		code   string // of the program
		want   int
		text   string // in the log
		env    string // in the dotenv report
	}{
		{"pass", map[string]string{"binary": "imagegate"}, "", "0", 0, "image app:1", "pass"},
		{"fail", map[string]string{"binary": "imagegate"}, "", "1", 1, "image app:1", "fail"},
		{"no verdict", map[string]string{"binary": "imagegate"}, "", "2", 2, "image app:1", "no-verdict"},
		{"flags", map[string]string{"binary": "imagegate", "policy": "my $HOME/p.yaml", "args": "--jobs=2\n--platform=linux/amd64"}, "", "0", 0,
			"arg --policy=my $HOME/p.yaml\narg --jobs=2\narg --platform=linux/amd64\n", "pass"},
		{"an image that is a flag", map[string]string{"binary": "imagegate", "images": "--policy=weak.yaml"}, "", "0", 0, "image --policy=weak.yaml\n", "pass"},
		{"no image", map[string]string{"binary": "imagegate", "images": ""}, "", "0", 3, "names no image", "no-verdict"},
		{"manifests alone", map[string]string{"binary": "imagegate", "images": "", "manifests": "my k8s/\nb.yaml", "args": "--jobs=2"}, "", "1", 1,
			"arg --manifests=my k8s/\narg --manifests=b.yaml\narg --jobs=2\n", "fail"},
		{"manifests and an image", map[string]string{"binary": "imagegate", "manifests": "k8s"}, "", "0", 0, "arg --manifests=k8s\nimage app:1", "pass"},
		{"no such program", map[string]string{"binary": "/missing"}, "", "0", 3, "there is no such program", "no-verdict"},
		{"the release of this commit", nil, table, "0", 0, "image app:1", "pass"},
		{"no release yet", nil, "", "0", 0, "image app:1", "pass"},
		{"the code of what was built", map[string]string{"ref": strings.Repeat("a", 40)}, "", "1", 1, "at " + strings.Repeat("a", 40), "fail"},
		{"a source that cannot be read", map[string]string{"source": "missing"}, "", "0", 2, "missing could not be read at main", "no-verdict"},
		{"a build that fails", map[string]string{"ref": "broken"}, "", "0", 2, "could not be built", "no-verdict"},
		{"a sum of no release", map[string]string{"sha256": sum}, "", "0", 3, `needs the input "version"`, "no-verdict"},
		{"not what was released", nil, wrong, "0", 2, "is not what was released", "no-verdict"},
		{"another release", map[string]string{"version": "9.9.9"}, table, "0", 3, "there is no sum for imagegate_9.9.9", "no-verdict"},
		{"another release with its sum", map[string]string{"version": "v9.9.9", "sha256": sum}, table, "1", 1, "image app:1", "fail"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := readComponent(t)
			c.body = regexp.MustCompile(`( *)# sums begin\n( *)# sums end`).ReplaceAllString(c.body, "${1}"+strings.ReplaceAll(tt.sums, "\n", "\n${1}"))
			inputs := map[string]string{"images": "app:1"}
			for k, v := range tt.inputs {
				inputs[k] = v
			}
			j := c.job(t, inputs)
			bin, dir := t.TempDir(), t.TempDir()
			write(t, filepath.Join(bin, "imagegate"), fakeGate)
			write(t, filepath.Join(bin, "curl"), fakeCurl)
			write(t, filepath.Join(bin, "curl.archive"), content)
			write(t, filepath.Join(bin, "git"), fakeGit)
			write(t, filepath.Join(bin, "git.Makefile"), "export GOEXPERIMENT := jsonv2\nexport GOFLAGS := -trimpath -buildvcs=false\n")
			write(t, filepath.Join(bin, "go"), fakeGo)
			write(t, filepath.Join(bin, "go.program"), fakeGate)
			// What another job left behind must not pass for this one's.
			write(t, filepath.Join(dir, "imagegate.env"), "IMAGEGATE_VERDICT=pass\n")

			cmd := exec.Command(sh, "-c", j.Script[0])
			cmd.Dir = dir
			cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "CODE=" + tt.code, "TMPDIR=" + t.TempDir(), "GATE_IMAGES=" + j.Variables["GATE_IMAGES"]}
			got, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != tt.want || !strings.Contains(string(got), tt.text) {
				t.Errorf("code %d, want %d and %q:\n%s", code, tt.want, tt.text, got)
			}
			dotenv, err := os.ReadFile(filepath.Join(dir, "imagegate.env"))
			if want := fmt.Sprintf("IMAGEGATE_VERDICT=%s\nIMAGEGATE_EXIT_CODE=%d\n", tt.env, tt.want); err != nil || string(dotenv) != want {
				t.Errorf("dotenv %q %v, want %q", dotenv, err, want)
			}
			if log, err := os.ReadFile(filepath.Join(bin, "go.log")); err == nil {
				for _, want := range []string{"GOEXPERIMENT=jsonv2\n", "GOFLAGS=-trimpath -buildvcs=false\n", "CGO_ENABLED=0\n", "GOCACHE=" + dir + "/.imagegate-build/compiled\n", "/source\n"} {
					if !strings.Contains(string(log), want) {
						t.Errorf("the build was not called with %q:\n%s", want, log)
					}
				}
			}
		})
	}
}

// fakeGit fetches the Makefile beside it, from every source but "missing".
const fakeGit = `#!/bin/sh
case $1 in
fetch) [ "$6" != missing ] && { [ "$7" != broken ] || echo "exit 1" >broken; cp "$0.Makefile" Makefile; } ;;
rev-parse) [ ! -e broken ] && echo 0123 ;;
esac
`

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// What is deployed is what was judged: the index where the reference named one,
// and nothing when there is not one digest to name.
func TestComponentNamesTheDigest(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("needs sh and a Unix")
	}
	golden := func(name string) string {
		src, err := os.ReadFile(filepath.Join(root, "gate/report/testdata/golden", name+".json.json"))
		if err != nil {
			t.Fatal(err)
		}
		return string(src)
	}
	first := func(doc, key string) string {
		m := regexp.MustCompile(`"` + key + `": "(sha256:[0-9a-f]{64})"`).FindStringSubmatch(doc[strings.Index(doc, `"results"`):])
		if m == nil {
			t.Fatalf("no %s in the report", key)
		}
		return m[1]
	}
	pass := golden("pass")
	index := strings.Replace(pass, `"indexDigest": ""`, `"indexDigest": "sha256:`+strings.Repeat("e", 64)+`"`, 1)
	tests := []struct{ name, report, want string }{
		{"one manifest", pass, first(pass, "digest")},
		{"an index", index, first(index, "indexDigest")},
		{"several references", golden("platforms"), ""},
		{"nothing", "", ""},
		{"not a digest", strings.Replace(pass, first(pass, "digest"), "sha256:$(touch pwned)", 1), ""},
		{"another kind of digest", strings.Replace(pass, first(pass, "digest"), "abc", 1), ""},
		{"a name that says it is one", strings.Replace(pass, `"name": "`, `"name": "x\n      \"reference\": \"y\",\n`, 1), first(pass, "digest")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bin, dir := t.TempDir(), t.TempDir()
			write(t, filepath.Join(bin, "imagegate"), "#!/bin/sh\ncp \"$0.report\" imagegate.json\n")
			write(t, filepath.Join(bin, "imagegate.report"), tt.report)
			j := readComponent(t).job(t, map[string]string{"images": "app:1", "binary": "imagegate"})
			cmd := exec.Command(sh, "-c", j.Script[0])
			cmd.Dir = dir
			cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir(), "GATE_IMAGES=app:1"}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			dotenv, err := os.ReadFile(filepath.Join(dir, "imagegate.env"))
			if err != nil {
				t.Fatal(err)
			}
			want := "IMAGEGATE_VERDICT=pass\nIMAGEGATE_EXIT_CODE=0\n"
			if tt.want != "" {
				want += "IMAGEGATE_DIGEST=" + tt.want + "\n"
			}
			if string(dotenv) != want {
				t.Errorf("dotenv is %q, want %q", dotenv, want)
			}
		})
	}
}
