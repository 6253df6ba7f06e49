//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
)

// sweep judges a bad image and its clean twin on machines that lack something:
// file size, descriptors, memory, disk. In every case the bad one never
// passes, the clean one passes or has no verdict, and no report is half there.
type sweep struct {
	*oracle
	refs  map[bool]string // by: is it bad
	codes map[int]int     // how often each exit code came
}

// TestSweep runs all sweeps, two at a time.
func TestSweep(t *testing.T) {
	s := newSweep(t)
	for name, sweep := range map[string]func(*testing.T, *sweep){
		"file size": sweepFileSize, "descriptors": sweepDescriptors, "memory": sweepMemory,
		"temp space": sweepTempSpace, "read-only temp": sweepReadOnlyTemp,
		"full device": sweepFullDevice, "full reports": sweepFullReports, "kills": sweepKills,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part := *s
			part.codes = map[int]int{}
			sweep(t, &part)
			tried := 0
			for _, n := range part.codes {
				tried += n
			}
			t.Logf("%d points tried: %d passed, %d rejected, %d without a verdict, %d ended by a signal", tried,
				part.codes[exitPass], part.codes[exitFail], part.codes[exitNoVerdict], part.codes[-1])
		})
	}
}

// attempt is one run on a machine that lacks something.
type attempt struct {
	name    string
	prefix  []string // what the command line begins with: a shell that sets a limit
	dir     string   // holds everything that the run writes
	tmp     string   // --tmp-dir, default dir/tmp
	reports string   // where the reports go, default dir/reports
	output  string   // one more --output
	stdout  string   // a file to be standard output
	crash   bool     // the Go runtime itself may give up
}

// ended is how an attempt ended.
type ended struct {
	code int // -1: by a signal
	out  string
}

// reportNames are the files that every attempt asks for. The first one says how
// the run ended.
var reportNames = []string{"report.json", "report.sarif", "evidence.json"}

func newSweep(t *testing.T) *sweep {
	t.Helper()
	s := &sweep{oracle: newOracle(t), refs: map[bool]string{}, codes: map[int]int{}}
	for bad, version := range map[bool]string{true: "2.14.1", false: "2.25.4"} {
		jar := rootfs.Jar("org.apache.logging.log4j", "log4j-core", version)
		// A jar is analysed as a file on the disk. Bytes before an archive are
		// allowed; these pack well, so the layer looks smaller than it is.
		jar.Files[0].Body = append(fluff(20<<20), jar.Files[0].Body...)
		img := imagetest.Spec{Layers: []imagetest.Layer{rootfs.Base(), jar}, User: "65532:65532"}.Image()
		s.refs[bad] = s.reg.MustPush(t, img, fmt.Sprintf("sweep/bad-%t:1.0.0", bad)).Tagged
	}
	// The control: with everything there, the sweep can tell them apart.
	for bad, want := range map[bool]int{true: exitFail, false: exitPass} {
		if got := s.try(t, bad, attempt{name: "nothing lacks"}); got.code != want {
			t.Fatalf("with nothing lacking, bad=%t ended in %d:\n%s", bad, got.code, got.out)
		}
	}
	return s
}

// fluff returns n bytes that pack about twenty to one.
func fluff(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := 0; i < n; i += 32 {
		b[i] = byte(r.Uint32())
	}
	return b
}

// command prepares an attempt.
func (s *sweep) command(t *testing.T, bad bool, a *attempt) *exec.Cmd {
	t.Helper()
	if a.dir == "" {
		a.dir = t.TempDir()
	}
	for _, d := range []struct {
		to   *string
		name string
	}{{&a.tmp, "tmp"}, {&a.reports, "reports"}} {
		if *d.to == "" {
			*d.to = filepath.Join(a.dir, d.name)
			if err := os.MkdirAll(*d.to, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	argv := append(a.prefix, "imagegate", "check", "--offline", "--quiet", "--ci", "none", "--jobs", "1",
		"-p", s.policy, "--cache-dir", s.cache, "--tmp-dir", a.tmp,
		"-o", "json="+filepath.Join(a.reports, reportNames[0]), "-o", "sarif="+filepath.Join(a.reports, reportNames[1]),
		"--evidence", filepath.Join(a.reports, reportNames[2]))
	if a.output != "" {
		argv = append(argv, "-o", a.output)
	}
	argv = append(argv, s.refs[bad])
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = a.dir
	return cmd
}

// try runs an attempt to its end and checks what holds for all of them.
func (s *sweep) try(t *testing.T, bad bool, a attempt) ended {
	t.Helper()
	cmd := s.command(t, bad, &a)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if a.stdout != "" {
		f, err := os.OpenFile(a.stdout, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd.Stdout = f
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { t.Errorf("%s: hangs", a.name); _ = cmd.Process.Kill() })
	err := cmd.Run()
	stop()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", a.name, err)
	}
	e := ended{cmd.ProcessState.ExitCode(), out.String()}
	s.check(t, bad, a, e)
	if !a.crash {
		if strings.Contains(e.out, "goroutine ") || e.code < 0 {
			t.Errorf("%s: bad=%t crashed:\n%s", a.name, bad, e.out)
		}
		s.checkNothingLeft(t, a)
	}
	if e.code == exitNoVerdict && strings.TrimSpace(e.out) == "" && readVerdict(a) == "" {
		t.Errorf("%s: bad=%t has no verdict, and no reason is given", a.name, bad)
	}
	return e
}

// check is the promise: no wrong pass, and no report that is not whole.
func (s *sweep) check(t *testing.T, bad bool, a attempt, e ended) {
	t.Helper()
	s.codes[e.code]++
	verdict := readVerdict(a)
	switch {
	case bad && (e.code == exitPass || verdict == "pass"):
		t.Errorf("%s: the bad image passed (exit code %d, report %q):\n%s", a.name, e.code, verdict, e.out)
	case !bad && (e.code == exitFail || verdict == "fail"):
		t.Errorf("%s: the clean image was rejected (exit code %d, report %q):\n%s", a.name, e.code, verdict, e.out)
	case e.code == exitNoVerdict && (verdict == "pass" || reportSays(a, reportNames[1], `"executionSuccessful": true`)):
		t.Errorf("%s: exit code 2, and a report says that it passed:\n%s", a.name, e.out)
	case e.code > exitNoVerdict:
		t.Errorf("%s: bad=%t ended in %d:\n%s", a.name, bad, e.code, e.out)
	}
	for _, name := range reportNames {
		data, err := os.ReadFile(filepath.Join(a.reports, name))
		switch {
		case errors.Is(err, fs.ErrNotExist) && e.code != exitPass:
		case err != nil:
			t.Errorf("%s: exit code %d, and %v", a.name, e.code, err)
		case !json.Valid(data):
			t.Errorf("%s: bad=%t, exit code %d: %s is not whole (%d bytes)", a.name, bad, e.code, name, len(data))
		}
	}
	if e.code == exitPass && verdict != "pass" {
		t.Errorf("%s: exit code 0, and the report says %q", a.name, verdict)
	}
}

// checkNothingLeft fails when a run that was not killed left files behind.
func (s *sweep) checkNothingLeft(t *testing.T, a attempt) {
	t.Helper()
	for _, pattern := range []string{filepath.Join(a.tmp, "imagegate-*"), filepath.Join(a.reports, ".imagegate-*")} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("%s: left behind: %v", a.name, left)
		}
	}
}

// readVerdict returns the verdict of the JSON report, "" when there is none.
func readVerdict(a attempt) string {
	data, err := os.ReadFile(filepath.Join(a.reports, reportNames[0]))
	if err != nil {
		return ""
	}
	var report struct{ Verdict string }
	if json.Unmarshal(data, &report) != nil {
		return "" // check complains about it
	}
	return report.Verdict
}

// reportSays reports whether a report holds a text.
func reportSays(a attempt, name, text string) bool {
	data, err := os.ReadFile(filepath.Join(a.reports, name))
	return err == nil && strings.Contains(string(data), text)
}

// both tries the bad image and the clean one, in every step.
func both(t *testing.T, s *sweep, steps []attempt) {
	t.Helper()
	for i, a := range steps {
		if testing.Short() && i%4 != 0 {
			continue
		}
		s.try(t, true, a)
		s.try(t, false, a)
	}
}

// ulimits makes one attempt for each value of a resource limit. The shell sets
// it, so that it holds from the first instruction on, for the worker as well.
func ulimits(flag string, values ...int) []attempt {
	var steps []attempt
	for _, v := range values {
		steps = append(steps, attempt{
			name:   fmt.Sprintf("ulimit -%s %d", flag, v),
			prefix: []string{"sh", "-c", `ulimit "-$0" "$1" && shift && exec "$@"`, flag, fmt.Sprint(v)},
		})
	}
	return steps
}

func doubling(from, to int) []int {
	var out []int
	for v := from; v <= to; v *= 2 {
		out = append(out, v)
	}
	return out
}

// The limit is counted in blocks of 512 bytes or 1 KiB, as the shell likes.
func sweepFileSize(t *testing.T, s *sweep) {
	both(t, s, ulimits("f", append(doubling(1, 1<<16), 0, 20<<10, 21<<10, 40<<10, 42<<10, 48<<10)...))
}

// With six to eight descriptors Go's runtime cannot make its poller beside the
// pipes of the worker that is started ahead, and gives up before main; with fewer
// the policy file cannot be opened, which is no mistake in it.
func sweepDescriptors(t *testing.T, s *sweep) {
	steps := ulimits("n", 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18, 20, 24, 32, 64)
	for i := range steps[:6] {
		steps[i].crash = true
	}
	both(t, s, steps)
}

// Go's runtime ends a process that gets no memory by itself; its exit code is 2.
func sweepMemory(t *testing.T, s *sweep) {
	var steps []attempt
	steps = append(steps, ulimits("v", doubling(32<<10, 8<<20)...)...)
	steps = append(steps, ulimits("d", doubling(8<<10, 2<<20)...)...)
	for i := range steps {
		steps[i].crash = true
	}
	both(t, s, steps)
}
