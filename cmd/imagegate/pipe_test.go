//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// makeFIFO makes a named pipe without a writer.
func makeFIFO(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Wherever a pipe is named, --timeout and SIGTERM end the run, without a verdict.
func TestPipesEndWithTheRun(t *testing.T) {
	for name, args := range map[string][]string{
		"policy":         {"check", "registry.invalid/app:1", "-p"},
		"list of images": {"check", "--images"},
		"evidence":       {"eval"},
		"eval's policy":  {"eval", "evidence.json", "-p"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fifo := makeFIFO(t)
			args := append(args, fifo)
			p := startProgram(t, append(args, "--timeout", "100ms")...)
			if got := p.wait(t, time.Minute); got != exitNoVerdict {
				t.Errorf("with --timeout: exit code %d, want 2\n%s", got, p.stderr.String())
			}
			if !strings.Contains(p.stderr.String(), "--timeout") {
				t.Errorf("stderr %q does not say why it ended", p.stderr.String())
			}
			p = startProgram(t, args...)
			w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // waits for the reader
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			if err := p.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if got := p.wait(t, time.Minute); got != exitNoVerdict {
				t.Errorf("with SIGTERM: exit code %d, want 2\n%s", got, p.stderr.String())
			}
		})
	}
}

// Standard input that never ends ends with the run, too.
func TestOpenStandardInputEndsWithTheRun(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer r.Close()
	p := prepareProgram(t, "check", "--images", "-", "--timeout", "100ms")
	p.Stdin = r
	p.start(t)
	if got := p.wait(t, time.Minute); got != exitNoVerdict {
		t.Errorf("exit code %d, want 2\n%s", got, p.stderr.String())
	}
}

// What cannot be read to an end, or only once, is a mistake of the command line.
func TestInputsThatCannotBeRead(t *testing.T) {
	fifo := makeFIFO(t)
	for _, args := range [][]string{
		{"check", "-p", "/dev/zero", "registry.invalid/app:1"},
		{"check", "-p", "/dev/null", "registry.invalid/app:1"},
		{"check", "--images", "/dev/zero"},
		{"check", "--images", t.TempDir()},
		{"check", "-p", fifo, "--images", fifo},
		{"eval", "/dev/zero"},
		{"eval", t.TempDir()},
		{"eval", fifo, fifo},
		{"eval", "-p", fifo, fifo},
	} {
		p := startProgram(t, args...)
		if got := p.wait(t, time.Minute); got != exitUsage {
			t.Errorf("%q: exit code %d, want 3\n%s", args, got, p.stderr.String())
		}
	}
}

// Pipes are read as files are.
func TestEvalReadsPipes(t *testing.T) {
	const image = `{"schemaVersion": 2, "images": [{"schemaVersion": 1,
		"reference": {"asked": "app:1", "source": "registry", "name": "docker.io/library/app", "tag": "1"},
		"digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
		"platform": "linux/amd64", "platforms": ["linux/amd64"],
		"config": {"user": "1000", "healthcheck": false, "size": 1, "layers": []}}]}`
	policy, evidence := makeFIFO(t), makeFIFO(t)
	for name, text := range map[string]string{policy: "version: 1\nextends: none\nreference: {deny-tags: [latest]}\n", evidence: image} {
		go func() { _ = os.WriteFile(name, []byte(text), 0) }()
	}
	p := startProgram(t, "eval", "-p", policy, evidence)
	if got := p.wait(t, time.Minute); got != exitPass {
		t.Errorf("exit code %d, want 0\n%s%s", got, p.stdout.String(), p.stderr.String())
	}
}
