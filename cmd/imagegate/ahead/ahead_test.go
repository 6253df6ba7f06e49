//go:build unix

package ahead

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleVariable makes the test binary a program that starts slowly.
const roleVariable = "IMAGEGATE_AHEAD_TEST_ROLE"

// Packages that are initialised after this one take their time.
var _ = func() bool {
	if os.Getenv(roleVariable) != "" {
		fmt.Println("starting")
		time.Sleep(300 * time.Millisecond)
	}
	return true
}()

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == "" {
		os.Exit(m.Run())
	}
	select {
	case <-Signals():
		os.Exit(2)
	case <-time.After(time.Minute):
		os.Exit(3)
	}
}

// A signal that comes before main is seen by main.
func TestSignalsBeforeMain(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), roleVariable+"=slow")
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "starting\n" {
			t.Fatalf("%q, %v", line, err)
		}
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
			t.Errorf("%s: %v, want exit code 2", s, err)
		}
	}
}

// Documents may be all that a run judges, whatever the flag looks like.
func TestNamesDocuments(t *testing.T) {
	for args, want := range map[string]bool{
		"--manifests a.yaml": true, "-compose=c.yaml": true, "nginx --dockerfile Dockerfile": true, "--manifests=-": true,
		"nginx": false, "manifests": false, "oci:manifests": false, "--manifest a": false, "--policy manifests": false,
	} {
		if got := namesDocuments(strings.Fields(args)); got != want {
			t.Errorf("%s: %v", args, got)
		}
	}
}
