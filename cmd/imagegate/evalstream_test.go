package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/evidencetest"
	"github.com/imagegate/imagegate/gate/saved"
)

// runAt runs imagegate in this process at a fixed time.
func runAt(t *testing.T, stdout io.Writer, args ...string) (code int, stderr string) {
	t.Helper()
	var complaints bytes.Buffer
	p := newProgram([]string{"TMPDIR=" + t.TempDir()}, strings.NewReader(""), stdout, &complaints)
	p.now = func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }
	return p.run(context.Background(), append([]string{"imagegate"}, args...)), complaints.String()
}

// writeSavedFiles writes evidence to files, three images and one that was never
// seen to each, and a policy.
func writeSavedFiles(t *testing.T) (policy string, files []string) {
	t.Helper()
	dir := t.TempDir()
	images := evidencetest.Evidence(9)
	images[7].Scan.Database.Digest = "sha256:" + strings.Repeat("7", 64)
	images[8].Scan = nil
	for i := 0; i < len(images); i += 3 {
		results := []gate.Result{{Ref: "gone:1", Err: errors.New("404")}}
		for k := range 3 {
			results = append(results, gate.Result{Evidence: &images[i+k]})
		}
		var b bytes.Buffer
		if err := saved.WriteRun(&b, &gate.Run{Results: results}); err != nil {
			t.Fatal(err)
		}
		files = append(files, filepath.Join(dir, string(rune('a'+i))+".json"))
		if err := os.WriteFile(files[len(files)-1], b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	policy = filepath.Join(dir, "policy.yaml")
	text := `version: 1
extends: none
vulnerabilities: {max: {critical: 30, high: 60}, unfixed: warn}
exceptions:
  - {id: CVE-2026-2003, reason: not reachable, expires: 2027-01-31}
  - {id: CVE-2020-1005, images: ["registry.example.no/team-*/**"], reason: not reachable, expires: 2027-01-31}
`
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return policy, files
}

// A report that is written image by image is the one that is written at the end.
func TestEvalStreamWritesTheSameReport(t *testing.T) {
	policy, files := writeSavedFiles(t)
	for name, args := range map[string][]string{"all": files, "one": files[:1], "two databases": files[2:]} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			whole := filepath.Join(dir, "whole.json")
			args := append([]string{"eval", "-p", policy}, args...)
			wantCode, stderr := runAt(t, io.Discard, append(args, "-o", "json="+whole, "-o", "text")...)
			want, err := os.ReadFile(whole)
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			var stdout bytes.Buffer
			if code, stderr := runAt(t, &stdout, append(args, "-o", "json")...); code != wantCode {
				t.Errorf("exit code %d, want %d\n%s", code, wantCode, stderr)
			}
			if diff := cmp.Diff(string(want), stdout.String()); diff != "" {
				t.Errorf("standard output (-want +got):\n%s", diff)
			}
		})
	}
}

// A file that turns out to be broken at its end leaves no report, wherever it
// should go.
func TestEvalStreamOfABrokenFileLeavesNoReport(t *testing.T) {
	policy, files := writeSavedFiles(t)
	text, err := os.ReadFile(files[2])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[2], append(text, 'x'), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	code, stderr := runAt(t, &stdout, append([]string{"eval", "-p", policy, "-o", "json"}, files...)...)
	if code != exitNoVerdict || stdout.Len() > 0 || !strings.Contains(stderr, files[2]) {
		t.Errorf("exit code %d, %d bytes of a report, %s", code, stdout.Len(), stderr)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// A report that cannot be written hides no denial and lets nothing pass.
func TestEvalStreamToABrokenOutput(t *testing.T) {
	policy, files := writeSavedFiles(t)
	if code, stderr := runAt(t, brokenWriter{}, append([]string{"eval", "-p", policy, "-o", "json"}, files...)...); code != exitFail || !strings.Contains(stderr, "no space left") {
		t.Errorf("a denial: exit code %d\n%s", code, stderr)
	}
	if err := os.WriteFile(policy, []byte("version: 1\nextends: none\nreference: {deny-tags: [latest]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stderr := runAt(t, brokenWriter{}, "eval", "-p", policy, "-o", "json", files[0]); code != exitNoVerdict || !strings.Contains(stderr, "no space left") {
		t.Errorf("a pass: exit code %d\n%s", code, stderr)
	}
}
