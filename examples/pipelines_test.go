package examples_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// root is the root of the repository, from here.
const root = ".."

var (
	pinnedUse = regexp.MustCompile(`^(\./.*|[A-Za-z0-9_.-]+(/[A-Za-z0-9_./-]+)+@[0-9a-f]{40})$`)
	noted     = regexp.MustCompile(`^# v[0-9]+\.[0-9]+\.[0-9]+\b`)
	// ours is the one use without a commit: imagegate has no release to pin yet.
	ours = regexp.MustCompile(`^imagegate/imagegate@main # built from this branch until there is a release`)
)

// workflows are the files that GitHub runs: ours, and those that people copy.
func workflows(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{".github/workflows/*.yml", "action.yml", "examples/github/*.yml"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: found nothing (%v)", pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

func TestWorkflowsAreHardened(t *testing.T) {
	for _, file := range workflows(t) {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range faults(t, string(src)) {
			t.Errorf("%s: %s", file, fault)
		}
	}
}

// TestRulesBite asks that each rule reports a workflow that breaks it.
func TestRulesBite(t *testing.T) {
	const sha = "3d3c42e5aac5ba805825da76410c181273ba90b1"
	job := func(steps string) string {
		return "on: push\npermissions: {}\nconcurrency: ci\njobs:\n  a:\n    runs-on: x\n    timeout-minutes: 5\n    permissions: {}\n    steps:\n" + steps
	}
	good := job("      - run: make test\n        env: {TITLE: \"${{ github.event.pull_request.title }}\"}\n")
	tests := []struct{ name, src, want string }{
		{"fine", good, ""},
		{"tag", job("      - uses: actions/checkout@v7\n"), "is not pinned"},
		{"our branch without the reason", job("      - uses: imagegate/imagegate@main # main\n"), "is not pinned"},
		{"short commit", job("      - uses: a/b@3d3c42e # v1.0.0\n"), "is not pinned"},
		{"image of a registry", job("      - uses: docker://alpine:3\n"), "is not pinned"},
		{"no version beside the commit", job("      - uses: a/b@" + sha + "\n"), "says no version"},
		{"credentials left behind", job("      - uses: actions/checkout@" + sha + " # v7.0.1\n"), "persist-credentials"},
		{"expression in a script", job("      - run: echo ${{ github.event.pull_request.title }}\n"), "expression in a script"},
		{"harmless expression in a script", job("      - run: echo ${{ runner.os }}\n"), "expression in a script"},
		{"expression in a script action", job("      - uses: actions/github-script@" + sha + " # v8.0.0\n        with: {script: \"${{ github.head_ref }}\"}\n"), "expression in a script"},
		{"environment of the job", job("      - run: echo A=b >> \"$GITHUB_ENV\"\n"), "GITHUB_ENV"},
		{"old command", job("      - run: echo '::set-output name=a::b'\n"), "set-output"},
		{"installer", job("      - run: curl -s https://example.com/i.sh | sh\n"), "piped into a shell"},
		{"inherited secrets", strings.Replace(good, "    runs-on: x\n", "    runs-on: x\n    secrets: inherit\n", 1), "secrets: inherit"},
		{"no permissions", strings.Replace(good, "permissions: {}\nconcurrency", "concurrency", 1), "top-level permissions"},
		{"wide permissions", strings.Replace(good, "permissions: {}\nconcurrency", "permissions: write-all\nconcurrency", 1), "top-level permissions"},
		{"no permissions of the job", strings.Replace(good, "    permissions: {}\n", "", 1), "job a has no permissions"},
		{"all permissions of the job", strings.Replace(good, "    permissions: {}\n", "    permissions: write-all\n", 1), "job a has no permissions"},
		{"no timeout", strings.Replace(good, "    timeout-minutes: 5\n", "", 1), "timeout"},
		{"pull_request_target", strings.Replace(good, "on: push", "on: pull_request_target", 1), "trigger pull_request_target"},
		{"in a list", strings.Replace(good, "on: push", "on: [push, workflow_run]", 1), "trigger workflow_run"},
		{"in a map", strings.Replace(good, "on: push", "on: {issue_comment: {}}", 1), "trigger issue_comment"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(faults(t, tt.src), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("faults are %q, want %q in\n%s", got, tt.want, tt.src)
			}
		})
	}
}

// faults returns what is wrong with a workflow or an action.
func faults(t *testing.T, src string) []string {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(src), &doc); err != nil {
		return []string{err.Error()}
	}
	top := doc.Content[0]
	var out []string
	walk(top, func(key string, value *yaml.Node) { out = append(out, keyFaults(key, value)...) })
	for _, step := range all(top, "steps") {
		out = append(out, stepFaults(step)...)
	}
	if jobs := get(top, "jobs"); jobs != nil {
		out = append(out, workflowFaults(top, jobs)...)
	}
	return out
}

// keyFaults returns what is wrong with one key, at any place in a file.
func keyFaults(key string, value *yaml.Node) []string {
	var out []string
	add := func(format string, args ...any) {
		out = append(out, fmt.Sprintf("line %d: ", value.Line)+fmt.Sprintf(format, args...))
	}
	switch key {
	case "uses":
		switch {
		case ours.MatchString(value.Value + " " + value.LineComment):
		case !pinnedUse.MatchString(value.Value):
			add("%s is not pinned by a full commit", value.Value)
		case !strings.HasPrefix(value.Value, "./") && !noted.MatchString(value.LineComment):
			add("%s says no version in a comment, so a reader cannot tell whether it is current", value.Value)
		}
	case "run", "script":
		// Every expression is a fault, not only those that are known to be
		// dangerous. Expressions belong in env.
		if strings.Contains(value.Value, "${{") {
			add("expression in a script")
		}
		for _, word := range []string{"GITHUB_ENV", "set-output", "save-state", "set-env"} {
			if strings.Contains(value.Value, word) {
				add("%s in a script", word)
			}
		}
		if regexp.MustCompile(`(curl|wget)[^\n]*\|\s*(ba|z|da)?sh\b`).MatchString(value.Value) {
			add("a download is piped into a shell")
		}
	case "secrets":
		if value.Value == "inherit" {
			add("secrets: inherit hands over all of them")
		}
	}
	return out
}

func stepFaults(step *yaml.Node) []string {
	uses := get(step, "uses")
	if uses == nil || !strings.HasPrefix(uses.Value, "actions/checkout@") {
		return nil
	}
	with := get(step, "with")
	if with != nil {
		if p := get(with, "persist-credentials"); p != nil && p.Value == "false" {
			return nil
		}
	}
	return []string{fmt.Sprintf("line %d: checkout without persist-credentials: false leaves a token on the disk", uses.Line)}
}

// workflowFaults looks at what a workflow has and an action has not.
func workflowFaults(top, jobs *yaml.Node) []string {
	var out []string
	if p := get(top, "permissions"); p == nil || p.Kind != yaml.MappingNode || len(p.Content) != 0 {
		out = append(out, "top-level permissions must be {}: what a job needs, it asks for")
	}
	for i := 0; i < len(jobs.Content); i += 2 {
		name, job := jobs.Content[i].Value, jobs.Content[i+1]
		if p := get(job, "permissions"); p == nil || p.Kind != yaml.MappingNode {
			out = append(out, "job "+name+" has no permissions of its own, one by one")
		}
		if get(job, "timeout-minutes") == nil {
			out = append(out, "job "+name+" has no timeout")
		}
	}
	var triggers []string
	switch on := get(top, "on"); {
	case on == nil:
		out = append(out, "there is no trigger")
	case on.Kind == yaml.ScalarNode:
		triggers = []string{on.Value}
	default:
		for i, n := range on.Content {
			if on.Kind == yaml.SequenceNode || i%2 == 0 {
				triggers = append(triggers, n.Value)
			}
		}
	}
	// These events run with secrets or a writing token on content that a
	// stranger sent.
	for _, bad := range []string{"pull_request_target", "workflow_run", "issue_comment", "issues", "discussion_comment", "repository_dispatch"} {
		if slices.Contains(triggers, bad) {
			out = append(out, "trigger "+bad+" runs with rights on what strangers write")
		}
	}
	return out
}

// walk calls f for every key below n.
func walk(n *yaml.Node, f func(key string, value *yaml.Node)) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			f(child.Value, n.Content[i+1])
			continue
		}
		walk(child, f)
	}
}

// all returns the elements of every list called key below n.
func all(n *yaml.Node, key string) []*yaml.Node {
	var out []*yaml.Node
	walk(n, func(k string, value *yaml.Node) {
		if k == key {
			out = append(out, value.Content...)
		}
	})
	return out
}

// get returns the value of a key of a mapping, nil when there is none.
func get(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// No workflow with rights may use a cache or an artifact that a pull request
// could have written.
func TestReleaseUsesNoCache(t *testing.T) {
	src, err := os.ReadFile(filepath.Join(root, ".github/workflows/release.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(src), "actions/cache") {
		t.Error("release.yml uses a cache")
	}
	if setups, off := strings.Count(string(src), "uses: actions/setup-go@"), strings.Count(string(src), "cache: false"); setups != off {
		t.Errorf("%d setup-go, %d of them without a cache", setups, off)
	}
}

// TestYAMLParses asks that the YAML of all other files of the pipelines parses.
func TestYAMLParses(t *testing.T) {
	n := 0
	for _, dir := range []string{"examples", "templates", ".github"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".yml" && filepath.Ext(path) != ".yaml" {
				return err
			}
			n++
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var any any
			decoder := yaml.NewDecoder(strings.NewReader(string(src)))
			for err = decoder.Decode(&any); err == nil; err = decoder.Decode(&any) {
			}
			if err.Error() != "EOF" {
				t.Errorf("%s: %v", path, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n < 8 {
		t.Errorf("only %d files were read", n)
	}
}
