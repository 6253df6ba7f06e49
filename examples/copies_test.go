package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/gate/report"
	"github.com/imagegate/imagegate/gate/scan/database"
)

// copies are the files that people copy into their pipelines.
func copies(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, dir := range []string{"github", "gitlab", "azure", "jenkins", "shell", "tekton", "argo"} {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no example (%v)", dir, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out[filepath.ToSlash(file)] = string(src)
		}
	}
	return out
}

// examplesIn returns the examples that a document shows, by their names.
func examplesIn(t *testing.T, document string) (text string, shown map[string]string) {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	shown = map[string]string{}
	for _, m := range regexp.MustCompile("(?s)<!-- examples/(\\S+) -->\n\n```[a-z]*\n(.*?)```\n").FindAllStringSubmatch(string(src), -1) {
		shown[m[1]] = m[2]
	}
	return string(src), shown
}

// TestReadmeShowsExamples: README.md begins with one example for each of the two
// most common CI systems, as they are tested.
func TestReadmeShowsExamples(t *testing.T) {
	_, shown := examplesIn(t, "README.md")
	for _, file := range []string{"github/gate.yml", "gitlab/component.yml"} {
		if want := copies(t)[file]; want == "" || shown[file] != want {
			t.Errorf("README.md does not show examples/%s as it is", file)
		}
		delete(shown, file)
	}
	for file := range shown {
		t.Errorf("README.md shows examples/%s, which this test does not know", file)
	}
}

// TestDocumentLinks: links between documents lead to files that exist.
func TestDocumentLinks(t *testing.T) {
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(documents) == 0 {
		t.Fatalf("no documents (%v)", err)
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md"} {
		documents = append(documents, filepath.Join(root, name))
	}
	for _, document := range documents {
		src, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(string(src), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), m[1])); err != nil {
				t.Errorf("%s links %s, which does not exist", document, m[1])
			}
		}
	}
}

// TestDocumentShowsExamples: what docs/pipelines.md shows is what is tested.
func TestDocumentShowsExamples(t *testing.T) {
	src, shown := examplesIn(t, "docs/pipelines.md")
	for file, want := range copies(t) {
		if linked := []string{"tekton/pipeline.yaml", "github/code-scanning.yml", "github/cache.yml", "gitlab/cache.yml"}; slices.Contains(linked, file) {
			if !strings.Contains(src, "../examples/"+file) {
				t.Errorf("docs/pipelines.md does not link %s", file)
			}
			continue
		}
		if got, ok := shown[file]; !ok || got != want {
			t.Errorf("docs/pipelines.md does not show examples/%s as it is", file)
		}
		delete(shown, file)
	}
	for file := range shown {
		t.Errorf("docs/pipelines.md shows examples/%s, which does not exist", file)
	}
}

// TestFlagsExist holds the examples, the component and the documents to the
// flags that the program has.
func TestFlagsExist(t *testing.T) {
	sources, err := filepath.Glob(filepath.Join(root, "cmd/imagegate/*.go"))
	if err != nil || len(sources) == 0 {
		t.Fatal(err)
	}
	flags := []string{"help", "version"}
	for _, source := range sources {
		src, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:Flag\{Name: |flag[A-Z][A-Za-z]* *= )"([a-z0-9-]+)"`).FindAllStringSubmatch(string(src), -1) {
			flags = append(flags, m[1])
		}
	}
	if len(flags) < 20 {
		t.Fatalf("only %d flags found in the program", len(flags))
	}
	files := copies(t)
	for _, name := range []string{"templates/gate.yml", ".github/action/gate.sh", "action.yml"} {
		src, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(src)
	}
	foreign := []string{"proto", "proto-redir", "tlsv1", "fail", "location", "silent", "show-error", "retry", "connect-timeout", "max-time",
		"no-cache", "depth", "tag", "branch", "quiet", "preserve-digests", "dest-creds"} // of curl, apk, git, docker and skopeo
	for name, src := range files {
		for _, m := range regexp.MustCompile(`(?:^|[\s"'(\[])--([a-z][a-z0-9-]*)`).FindAllStringSubmatch(src, -1) {
			if !slices.Contains(flags, m[1]) && !slices.Contains(foreign, m[1]) {
				t.Errorf("%s: imagegate has no flag --%s", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`--output[= ]([a-z-]+)`).FindAllStringSubmatch(src, -1) {
			if _, err := report.Lookup(m[1]); err != nil && m[1] != "archive" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestKubernetesExamples asks that no shell is between the image's name and the
// program, and that the containers have no more rights than they need.
func TestKubernetesExamples(t *testing.T) {
	for _, file := range []string{"tekton/task.yaml", "argo/workflow.yaml"} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(src, &doc); err != nil {
			t.Fatal(err)
		}
		found := false
		walk(doc.Content[0], func(key string, value *yaml.Node) {
			if key == "script" {
				t.Errorf("%s:%d: a script", file, value.Line)
			}
			if key == "image" && strings.HasPrefix(value.Value, "ghcr.io/imagegate/") {
				found = true
				if !regexp.MustCompile(`@sha256:[0-9a-f]{64}$`).MatchString(value.Value) {
					t.Errorf("%s:%d: %s is not named by digest", file, value.Line, value.Value)
				}
			}
		})
		if !found {
			t.Errorf("%s does not run imagegate", file)
		}
		for _, want := range []string{"command: [/usr/bin/imagegate]", "runAsNonRoot: true", "runAsUser: 65532",
			"allowPrivilegeEscalation: false", "readOnlyRootFilesystem: true", "capabilities: {drop: [ALL]}", "        - --\n"} {
			if !strings.Contains(string(src), want) {
				t.Errorf("%s: no %q", file, want)
			}
		}
	}
}

// TestJenkinsfile asks that Groovy puts no parameter into a script.
func TestJenkinsfile(t *testing.T) {
	src, err := os.ReadFile("jenkins/Jenkinsfile")
	if err != nil {
		t.Fatal(err)
	}
	text := string(src)
	if strings.Count(text, "{") != strings.Count(text, "}") || strings.Count(text, "'''")%2 != 0 {
		t.Error("brackets or quotes do not match")
	}
	if strings.Contains(text, `"""`) || regexp.MustCompile(`sh\s+"`).MatchString(text) {
		t.Error("a script in double quotes: Groovy expands parameters in it")
	}
	if !strings.Contains(text, "always") {
		t.Error("reports of a denied image would be lost")
	}
}

// TestDocumentNamesHosts: the tables of hosts in docs/pipelines.md name every host
// that the program, the action and the component are made to talk to.
func TestDocumentNamesHosts(t *testing.T) {
	src, err := os.ReadFile(filepath.Join(root, "docs/pipelines.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(src), "\n## Hosts that imagegate talks to\n")
	if !found {
		t.Fatal("docs/pipelines.md has no section about hosts")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	hosts := []string{"proxy.golang.org", "sum.golang.org", "dl-cdn.alpinelinux.org", "actions/cache", "docker-credential-"}
	for _, kind := range []database.Kind{database.Vulnerability, database.Java} {
		for _, repository := range database.DefaultRepositories(kind) {
			hosts = append(hosts, strings.Split(repository, "/")[0], strings.SplitN(repository, "/", 2)[1])
		}
	}
	for _, name := range []string{"templates/gate.yml", ".github/action/gate.sh", "action.yml"} {
		src, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:https://|default: )([a-z0-9-]+(?:\.[a-z0-9-]+)+)/`).FindAllStringSubmatch(string(src), -1) {
			hosts = append(hosts, m[1])
		}
	}
	if len(hosts) < 12 {
		t.Errorf("only %d hosts found", len(hosts))
	}
	for _, host := range hosts {
		if !strings.Contains(section, "`"+host) {
			t.Errorf("the tables of hosts in docs/pipelines.md lack %s", host)
		}
	}
}

// TestContributingKnowsPackages: CONTRIBUTING.md names every package in policy,
// gate and cmd.
func TestContributingKnowsPackages(t *testing.T) {
	src, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, dir := range []string{"policy/*", "gate/*", "gate/*/*", "cmd/*", "cmd/*/*"} {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			pkg, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			pkg = filepath.ToSlash(pkg)
			if strings.HasPrefix(pkg, "gate/gatetest") {
				continue
			}
			found++
			last := pkg[strings.LastIndex(pkg, "/")+1:]
			if !strings.Contains(string(src), "`"+pkg+"`") && !strings.Contains(string(src), "`"+last+"`") {
				t.Errorf("CONTRIBUTING.md does not name %s", pkg)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d files of Go found", found)
	}
}
