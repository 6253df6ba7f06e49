//go:build unix

package main

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// runningProgram is a running imagegate.
type runningProgram struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
	tmp            string
}

// startProgram starts imagegate in a directory and with an environment of its own.
func startProgram(t *testing.T, args ...string) *runningProgram {
	t.Helper()
	p := prepareProgram(t, args...)
	p.start(t)
	return p
}

// prepareProgram does everything that startProgram does but starting it.
func prepareProgram(t *testing.T, args ...string) *runningProgram {
	t.Helper()
	p := &runningProgram{Cmd: exec.Command("imagegate", args...)}
	p.Dir = t.TempDir()
	p.tmp = t.TempDir()
	p.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + p.tmp}
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	return p
}

func (p *runningProgram) start(t *testing.T) {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
}

// wait returns the exit code, and fails the test when the process does not end.
func (p *runningProgram) wait(t *testing.T, within time.Duration) int {
	t.Helper()
	timer := time.AfterFunc(within, func() {
		t.Errorf("still running after %s", within)
		_ = p.Process.Kill()
	})
	defer timer.Stop()
	err := p.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(p.tmp); len(left) > 0 {
		t.Errorf("temporary files were left behind: %v", left)
	}
	return p.ProcessState.ExitCode()
}

// silentRegistry accepts connections and never answers. It tells when a client
// has connected.
func silentRegistry(t *testing.T) (address string, connected <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	seen := make(chan struct{}, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			seen <- struct{}{}
		}
	}()
	return listener.Addr().String(), seen
}

func TestSignalsEndARunWithoutVerdict(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			address, connected := silentRegistry(t)
			p := startProgram(t, "check", address+"/app:1", "-o", "json", "--quiet")
			select {
			case <-connected:
			case <-time.After(time.Minute):
				t.Fatalf("the program did not connect to the registry\n%s", p.stderr.String())
			}
			_ = p.Process.Signal(signal)
			if got := p.wait(t, grace/2); got != exitNoVerdict {
				t.Errorf("exit code %d, want 2\n%s", got, p.stderr.String())
			}
			report := p.stdout.String()
			if !strings.Contains(report, `"verdict": "no-verdict"`) || !strings.Contains(report, "signal") {
				t.Errorf("the report does not say that a signal ended the run:\n%s", report)
			}
		})
	}
}

func TestTheDeadlineEndsARun(t *testing.T) {
	address, _ := silentRegistry(t)
	p := startProgram(t, "check", address+"/app:1", "--timeout", "500ms")
	if got := p.wait(t, grace); got != exitNoVerdict {
		t.Errorf("exit code %d, want 2", got)
	}
	if text := p.stdout.String(); !strings.Contains(text, "did not end within 500ms") || !strings.Contains(text, "--timeout") {
		t.Errorf("the report does not name the deadline:\n%s", text)
	}
}

// A write that nothing can interrupt (here to a pipe that is full) must not keep
// the program alive.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	_ = w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := w.Write(make([]byte, 1<<20)); err == nil {
		t.Fatal("the pipe is not full")
	}
	evidence := makeFIFO(t)
	p := prepareProgram(t, "eval", evidence)
	p.Stdout = w
	p.start(t)
	if err := os.WriteFile(evidence, []byte(`{"schemaVersion": 2, "images": [], "missing": [{"reference": "gone:1", "reason": "404"}]}`), 0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // for the report
	_ = p.Process.Signal(syscall.SIGTERM)
	stop := time.After(grace / 2)
	for done := false; !done; { // signals that come at once are delivered once
		select {
		case <-stop:
			done = true
		case <-time.After(50 * time.Millisecond):
			done = p.Process.Signal(syscall.SIGTERM) != nil || strings.Contains(processState(p.Process.Pid), "Z")
		}
	}
	if got := p.wait(t, grace/2); got != exitNoVerdict {
		t.Errorf("exit code %d, want 2\n%s", got, p.stderr.String())
	}
	if got := p.stderr.String(); !strings.Contains(got, "ended without waiting") {
		t.Errorf("stderr %q does not say why it ended", got)
	}
}

// processState returns the third field of /proc/PID/stat, "Z" for a process
// that has ended and was not waited for.
func processState(pid int) string {
	data, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	_, rest, _ := strings.Cut(string(data), ") ")
	state, _, _ := strings.Cut(rest, " ")
	return state
}

// A reader that went away is a report that could not be written: a pass becomes
// no verdict, a denial stays.
func TestABrokenPipeIsNoPass(t *testing.T) {
	const image = `{"schemaVersion": 2, "images": [{"schemaVersion": 1,
		"reference": {"asked": "app:1", "source": "registry", "name": "docker.io/library/app", "tag": "1"},
		"digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
		"platform": "linux/amd64", "platforms": ["linux/amd64"],
		"config": {"user": "1000", "healthcheck": false, "size": 1, "layers": []}}]}`
	dir := t.TempDir()
	for _, tt := range []struct {
		policy string
		want   int
	}{
		{"version: 1\nextends: none\nreference: {deny-tags: [latest]}\n", exitNoVerdict},
		{"version: 1\nextends: none\nreference: {pin: digest}\n", exitFail},
	} {
		files := map[string]string{"image.json": image, "policy.yaml": tt.policy}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		cmd := exec.Command("imagegate", "eval", filepath.Join(dir, "image.json"), "-p", filepath.Join(dir, "policy.yaml"),
			"-o", "text", "-o", "json="+filepath.Join(dir, "report.json"))
		cmd.Stdout = w
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		_ = cmd.Run()
		w.Close()
		if got := cmd.ProcessState.ExitCode(); got != tt.want {
			t.Errorf("exit code %d, want %d (%v)\n%s", got, tt.want, cmd.ProcessState, stderr.String())
		}
		want := map[int]string{exitNoVerdict: `"verdict": "no-verdict"`, exitFail: `"verdict": "fail"`}[tt.want]
		if report, err := os.ReadFile(filepath.Join(dir, "report.json")); err != nil || !strings.Contains(string(report), want) || strings.Contains(string(report), `"verdict": "pass"`) {
			t.Errorf("exit code %d, and the report does not say %s (%v):\n%s", tt.want, want, err, report)
		}
	}
}

// stallLayers makes a registry with an image whose layers never come, and tells
// when a client waits for one. A worker is running by then.
func stallLayers(t *testing.T) (ref, cache string, waiting <-chan struct{}) {
	t.Helper()
	reg := registrytest.Registry(t)
	img := imagetest.Spec{Layers: []imagetest.Layer{rootfs.Base()}, User: "65532"}.Image()
	pushed := reg.MustPush(t, img, "app:1.0.0")
	cache = dbtest.Database(t, dbtest.DBOptions{DownloadedAt: time.Now()})
	seen := make(chan struct{}, 100)
	reg.Inject(registrytest.KindLayer, registrytest.Fault{Name: "stall", Serve: func(_ http.ResponseWriter, q *http.Request, _ http.Handler) {
		seen <- struct{}{}
		<-q.Context().Done()
	}})
	return pushed.Tagged, cache, seen
}

func await(t *testing.T, p *runningProgram, event <-chan struct{}) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(2 * time.Minute):
		t.Fatalf("the program did not get that far\n%s", p.stderr.String())
	}
}

// A signal in the middle of a scan ends the workers and removes every file.
func TestASignalDuringAScanLeavesNothingBehind(t *testing.T) {
	ref, cache, waiting := stallLayers(t)
	p := startProgram(t, "check", ref, "--offline", "--cache-dir", cache, "--quiet")
	await(t, p, waiting)
	if left, _ := os.ReadDir(p.tmp); len(left) != 1 || !strings.HasPrefix(left[0].Name(), "imagegate-run-") {
		t.Errorf("temporary files during the run: %v, want one root", left)
	}
	worker := childOf(p.Process.Pid)
	if _, err := os.Stat("/proc/self/task"); err == nil && worker == 0 {
		t.Error("no worker is running")
	}
	_ = p.Process.Signal(syscall.SIGTERM)
	if got := p.wait(t, grace); got != exitNoVerdict {
		t.Errorf("exit code %d, want 2\n%s", got, p.stderr.String())
	}
	if state := processState(worker); worker != 0 && state != "" && state != "Z" {
		t.Errorf("the worker is still running (state %s)", state)
	}
}

// What a killed run leaves behind goes with the next one.
func TestTheNextRunSweepsAfterAKilledOne(t *testing.T) {
	ref, cache, waiting := stallLayers(t)
	killed := startProgram(t, "check", ref, "--offline", "--cache-dir", cache, "--quiet")
	await(t, killed, waiting)
	_ = killed.Process.Kill()
	_ = killed.Wait()
	if left, _ := os.ReadDir(killed.tmp); len(left) == 0 {
		t.Fatal("a killed run left nothing: the test proves nothing")
	}
	next := startProgram(t, "check", ref, "--offline", "--cache-dir", cache, "--quiet", "--tmp-dir", killed.tmp, "--timeout", "2s")
	await(t, next, waiting)
	if got := next.wait(t, time.Minute); got != exitNoVerdict {
		t.Errorf("exit code %d, want 2\n%s", got, next.stderr.String())
	}
	if left, _ := os.ReadDir(killed.tmp); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
}

// childOf returns a child of process pid, 0 when there is none.
func childOf(pid int) int {
	tasks, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "children"))
	for _, name := range tasks {
		data, _ := os.ReadFile(name)
		first, _, _ := strings.Cut(string(data), " ")
		if child, err := strconv.Atoi(first); err == nil {
			return child
		}
	}
	return 0
}
