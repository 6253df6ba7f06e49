package compose

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const secret = "hunter2-of-the-machine"

// outside makes a directory with a project in it and a secret beside it.
func outside(t *testing.T, files map[string]string, links map[string]string) (*Result, string) {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "project")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(top, "secret.yaml"), []byte("services: {"+secret+": {image: x}}\nX: "+secret+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return readIn(t, dir), dir
}

// A link that leads out of the directory is as much outside as a path.
func TestLinksOutOfTheDirectory(t *testing.T) {
	include := "include: [x.yaml]\nservices: {a: {image: a}}\n"
	for _, tc := range []struct {
		name  string
		files map[string]string
		links map[string]string
	}{
		{"include", map[string]string{"compose.yaml": include}, map[string]string{"x.yaml": "../secret.yaml"}},
		{"absolute link", map[string]string{"compose.yaml": include}, map[string]string{"x.yaml": "/etc/passwd"}},
		{"directory", map[string]string{"compose.yaml": "include: [d/secret.yaml]\nservices: {a: {image: a}}\n"}, map[string]string{"d": ".."}},
		{"extends", map[string]string{"compose.yaml": "services: {a: {extends: {file: x.yaml, service: " + secret + "}}}\n"}, map[string]string{"x.yaml": "../secret.yaml"}},
		{"variables", map[string]string{"compose.yaml": "services: {a: {image: \"a:${X:-1}\"}}\n"}, map[string]string{".env": "../secret.yaml"}},
		{"variables of an include", map[string]string{"compose.yaml": "include: [s/x.yaml]\nservices: {a: {image: a}}\n", "s/x.yaml": "services: {b: {image: \"b:${X:-1}\"}}\n"},
			map[string]string{"s/.env": "../../secret.yaml"}},
		{"env_file", map[string]string{"compose.yaml": "services: {a: {image: a, env_file: x.env}}\n"}, map[string]string{"x.env": "../secret.yaml"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, dir := outside(t, tc.files, tc.links)
			found := problems(r, dir)
			if len(found) == 0 {
				t.Error("the link was followed")
			}
			if strings.Contains(strings.Join(found, "\n"), secret) {
				t.Errorf("a message quotes the file: %q", found)
			}
		})
	}
}

// Files below the directory are used: with their own variables, and by links that
// stay inside.
func TestFilesOfTheProject(t *testing.T) {
	r, dir := outside(t, map[string]string{
		"compose.yaml":  "include: [sub/inc.yaml, {path: other.yaml, env_file: vars.env}]\nservices:\n  a:\n    extends: {file: sub/base.yaml, service: base}\n    image: a:${TAG}\n",
		".env":          "TAG=1\n",
		"vars.env":      "OTHER=2\n",
		"other.yaml":    "services: {o: {image: \"o:${OTHER}\"}}\n",
		"sub/inc.yaml":  "include: [../link.yaml]\nservices: {i: {image: \"i:${SUB}\", extends: {file: base.yaml, service: base}}}\n",
		"sub/.env":      "SUB=3\n",
		"sub/base.yaml": "services: {base: {privileged: true, volumes: [\"./data:/data\"]}}\n",
		"real.yaml":     "services: {l: {image: \"l:4\"}}\n",
	}, map[string]string{"link.yaml": "real.yaml"})
	if found := problems(r, dir); len(found) > 0 {
		t.Fatal(found)
	}
	if got, want := r.Release.Refs(false), []string{"a:1", "i:3", "l:4", "o:2"}; !slices.Equal(got, want) {
		t.Errorf("refs: %v, want %v", got, want)
	}
	for _, w := range r.Release.Workloads {
		if c := w.Containers[0]; (w.Name == "a" || w.Name == "i") && (!c.Privileged || w.Volumes[0].HostPath != filepath.Join(dir, "sub/data") ||
			filepath.Base(c.PlaceOf("securityContext.privileged").File) != "base.yaml") {
			t.Errorf("%s: %+v %+v", w.Name, c, w.Volumes)
		}
	}
	if len(r.Release.Documents) != 5 {
		t.Errorf("%d documents", len(r.Release.Documents))
	}
}

func TestPipesAreNotOpened(t *testing.T) {
	top := t.TempDir()
	if err := os.WriteFile(filepath.Join(top, "compose.yaml"), []byte("include: [x.yaml]\nservices: {a: {image: a}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(top, "x.yaml"), 0o644); err != nil {
		t.Skip(err)
	}
	done := make(chan []string, 1)
	go func() { done <- problems(readIn(t, top), top) }()
	select {
	case found := <-done:
		if len(found) != 1 || !strings.Contains(found[0], "it is no regular file") {
			t.Error(found)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("the reader waits for a writer")
	}
}

// Bombs end with a word, in time.
func TestBombs(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("x-a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&bomb, "x-a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	bomb.WriteString("services: {a: {image: a, command: *a11}}\n")
	for name, text := range map[string]string{
		"aliases":       bomb.String(),
		"itself":        "x-a: &a {b: *a}\nservices: {a: {image: a}}\n",
		"merges itself": "x-a: &a\n  <<: *a\nservices: {a: {image: a}}\n",
		"includes":      "include: [compose.yaml]\nservices: {a: {image: a}}\n",
		"extends":       "services: {a: {image: a, extends: b}, b: {image: b, extends: a}}\n",
		"deep":          "services: {a: {image: a, x-a: " + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}}\n",
		"wide":          "services: {a: {image: a, command: [" + strings.Repeat("a,", 200000) + "]}}\n",
		"variables":     "services: {a: {image: \"" + strings.Repeat("${A:-", 500) + strings.Repeat("}", 500) + "\"}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			r, dir := read(t, map[string]string{"compose.yaml": text})
			if found := problems(r, dir); len(found) == 0 && name != "variables" {
				t.Errorf("no problem: %+v", r.Release.Workloads)
			}
			if took := time.Since(start); took > 2*time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// The environment of the process does not exist for a Compose file.
func TestEnvironmentIsNotUsed(t *testing.T) {
	t.Setenv("TAG", "evil")
	t.Setenv("COMPOSE_FILE", "other.yaml")
	t.Setenv("COMPOSE_PROFILES", "none")
	t.Setenv("DOCKER_DEFAULT_PLATFORM", "linux/riscv64")
	r, dir := outside(t, map[string]string{
		"compose.yaml": "services: {a: {image: \"a:${TAG:-1}\", privileged: \"${P:-true}\"}, b: {image: \"b${TAG:+:x}\"}}\n",
	}, nil)
	if found := problems(r, dir); len(found) > 0 {
		t.Fatal(found)
	}
	if got, want := r.Release.Refs(false), []string{"a:1", "b"}; !slices.Equal(got, want) {
		t.Errorf("refs: %v, want %v", got, want)
	}
	if !r.Release.Workloads[0].Containers[0].Privileged {
		t.Error("the default of a variable was lost")
	}
}

// A file that says the same in another way is judged the same.
func TestOtherSpellings(t *testing.T) {
	for name, text := range map[string]string{
		"JSON":              `{"services": {"a": {"image": "a:1", "privileged": true}}}`,
		"CRLF":              "services:\r\n  a:\r\n    image: a:1\r\n    privileged: true\r\n",
		"BOM":               "\ufeffservices:\n  a:\n    image: a:1\n    privileged: true\n",
		"quoted boolean":    "services:\n  a:\n    image: a:1\n    privileged: \"true\"\n",
		"quoted key":        "\"services\":\n  'a':\n    \"image\": a:1\n    \"privileged\": yes\n",
		"anchor":            "x-p: &p {privileged: true}\nservices:\n  a:\n    image: a:1\n    <<: *p\n",
		"list of merges":    "x-p: &p {privileged: true}\nx-q: &q {read_only: true}\nservices:\n  a:\n    image: a:1\n    <<: [*q, *p]\n",
		"second document":   "services:\n  a:\n    image: a:1\n--- # more\nservices:\n  a:\n    privileged: true\n",
		"empty document":    "---\n---\nservices:\n  a:\n    image: a:1\n    privileged: true\n",
		"version":           "version: \"3.8\"\nservices:\n  a:\n    image: a:1\n    privileged: true\n",
		"block scalar":      "services:\n  a:\n    image: >-\n      a:1\n    privileged: true\n",
		"tagged":            "services:\n  a:\n    image: !!str a:1\n    privileged: !!bool true\n",
		"extends":           "services:\n  a: {image: \"a:1\", extends: {service: b}}\n  b: {image: b, privileged: true}\n",
		"profile":           "services:\n  a: {image: \"a:1\", privileged: true, profiles: [never]}\n",
		"variable":          "services:\n  a: {image: \"a:${V:-1}\", privileged: \"${P-true}\"}\n",
		"escaped character": "services:\n  a: {image: \"a:1\", \"privil\\u0065ged\": true}\n",
	} {
		t.Run(name, func(t *testing.T) {
			r, dir := read(t, map[string]string{"compose.yaml": text})
			if found := problems(r, dir); len(found) > 0 {
				return // no verdict is no pass
			}
			w := r.Release.Workloads[0]
			if !w.Containers[0].Privileged || w.Containers[0].Image.Ref != "a:1" {
				t.Errorf("%+v", w.Containers[0])
			}
		})
	}
}
