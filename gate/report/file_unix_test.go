//go:build unix

package report_test

import (
	"os"
	"os/exec"
	"testing"
)

// runLimited runs the calling test in a process that may write no file of more
// than 16 KiB. SIGXFSZ is ignored by the Go runtime, so writes return EFBIG.
func runLimited(t *testing.T, dir string) {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// ulimit counts in blocks of 512 bytes, or of 1024 where sh is bash.
	cmd := exec.Command(sh, "-c", `ulimit -f 16; exec "$0" "$@"`, exe, "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), "IMAGEGATE_TEST_FULL="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
