package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/evidencetest"
	"github.com/imagegate/imagegate/gate/saved"
)

// A report for a standard output that is closed is lost, which is an error. A
// standard output that is thrown away is what the user wants.
func TestClosedStandardOutput(t *testing.T) {
	evidence, policy := savedPass(t)
	run := func(redirect string, args ...string) (int, string) {
		cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `"$0" "$@" ` + redirect + `; exit $?`, "imagegate"}, args...)...)
		cmd.Env = append(os.Environ(), "TEST_TIME=2026-11-23T12:00:00Z")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		_ = cmd.Run()
		return cmd.ProcessState.ExitCode(), stderr.String()
	}
	eval := []string{"eval", "--ci", "none", evidence, "-p", policy}
	for _, c := range []struct {
		redirect string
		want     int
	}{
		{"2>&1", 0}, {">&-", 2}, {"<&- >&-", 2}, {"<&- >&- 2>&-", 2}, {">&- 2>&-", 2},
		{"2>&1 | { exec >&-; cat >/dev/null; }", 0},
		{">/dev/null", 0}, {">/dev/null 2>&1 <&1", 0}, {"<&- >/dev/null", 0}, {"</dev/null >/dev/null 2>/dev/null", 0},
	} {
		if code, stderr := run(c.redirect, eval...); code != c.want {
			t.Errorf("%s: ended in %d, not %d: %s", c.redirect, code, c.want, stderr)
		}
	}
	if code, stderr := run(">&-", eval...); code != 2 || !strings.Contains(stderr, "it is closed") {
		t.Errorf("ended in %d: %s", code, stderr)
	}
	// A report that goes elsewhere needs no standard output.
	file := t.TempDir() + "/report.txt"
	if code, stderr := run(">&-", append(eval, "-o", "text="+file)...); code != 0 {
		t.Errorf("with a report in a file: ended in %d: %s", code, stderr)
	}
	if code, stderr := run(">&- & wait $!", eval...); code != 2 {
		t.Errorf("in the background: ended in %d: %s", code, stderr)
	}
	// What Python's subprocess.DEVNULL and Node's "ignore" are.
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, argv := range map[string][]string{
		"by the parent":          append([]string{"imagegate"}, eval...),
		"by the parent's parent": append([]string{"sh", "-c", `"$0" "$@"; exit $?`, "imagegate"}, eval...),
	} {
		cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
		cmd.Stdout, cmd.Env = null, append(os.Environ(), "TEST_TIME=2026-11-23T12:00:00Z")
		if err := cmd.Run(); err != nil {
			t.Errorf("thrown away %s: %v", name, err)
		}
	}
}

// savedPass writes the evidence of an image and a policy that it meets.
func savedPass(t *testing.T) (evidence, policy string) {
	t.Helper()
	images := evidencetest.Evidence(1)
	var b bytes.Buffer
	if err := saved.WriteRun(&b, &gate.Run{Results: []gate.Result{{Evidence: &images[0]}}}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	evidence, policy = filepath.Join(dir, "evidence.json"), filepath.Join(dir, "policy.yaml")
	for name, text := range map[string]string{evidence: b.String(), policy: "version: 1\nextends: none\nconfig: {user: non-root}\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return evidence, policy
}
