package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/disguise"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/gatetest/sampletest"
)

// oraclePolicy is the default policy, and a scratch image may pass by name.
const oraclePolicy = `version: 1
extends: none
reference: {pin: version}
config: {user: non-root}
vulnerabilities:
  max: {critical: 0, high: 0}
  unfixed: fail
overrides:
  - images: ["127.0.0.1:*/oracle/scratch-*"]
    coverage: {unknown-os: warn}
`

// oracle runs the real program on images in a registry.
type oracle struct {
	t      *testing.T
	reg    *registrytest.Reg
	cache  string
	policy string
	tmp    string
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	o := &oracle{t: t, reg: registrytest.Registry(t), tmp: t.TempDir()}
	o.cache = dbtest.Database(t, dbtest.DBOptions{DownloadedAt: time.Now()})
	o.policy = filepath.Join(o.tmp, "policy.yaml")
	if err := os.WriteFile(o.policy, []byte(oraclePolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	return o
}

// check returns the exit code and everything that was printed.
func (o *oracle) check(ref string, args ...string) (int, string) {
	o.t.Helper()
	return o.checkOnline(ref, append(args, "--offline")...)
}

// longestRun is how long a run of the program may take. A machine with a load of 60 has
// taken more than two minutes for one image.
const longestRun = 10 * time.Minute

// checkOnline lets the program download a database.
func (o *oracle) checkOnline(ref string, args ...string) (int, string) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), longestRun)
	defer cancel()
	argv := append([]string{"check", "-p", o.policy, "--ci", "none", "--cache-dir", o.cache, "--tmp-dir", o.tmp, "--quiet"}, args...)
	cmd := exec.CommandContext(ctx, "imagegate", append(argv, ref)...)
	cmd.Dir = o.tmp
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		o.t.Fatalf("%s: %v", ref, err)
	}
	if ctx.Err() != nil {
		o.t.Errorf("%s: the test ended the program after %s", ref, longestRun)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// TestSamples is the control of the oracle: without a disguise every bad image
// is rejected for its findings, and every clean twin passes. A gate that always
// said no would fail here.
func TestSamples(t *testing.T) {
	o := newOracle(t)
	samples := sampletest.Samples()
	for _, s := range samples {
		t.Run(s.Name, func(t *testing.T) {
			ref := o.reg.MustPush(t, s.Image, "oracle/"+s.Name+":1.0.0")
			code, out := o.check(ref.Tagged, "-o", "json")
			if s.Clean() {
				if code != exitPass {
					t.Errorf("a clean image ended in %d:\n%s", code, out)
				}
				return
			}
			if code != exitFail {
				t.Errorf("a bad image ended in %d:\n%s", code, out)
			}
			var report struct {
				Results []struct {
					Findings []struct {
						ID      string
						Package struct{ Name string }
					}
				}
			}
			if err := json.Unmarshal([]byte(out), &report); err != nil || len(report.Results) != 1 {
				t.Fatalf("no report: %v\n%s", err, out)
			}
			found := map[string]bool{}
			for _, f := range report.Results[0].Findings {
				found[f.ID+" "+f.Package.Name] = true
			}
			for _, want := range s.Findings {
				if !found[want] {
					t.Errorf("the report does not name %s", want)
				}
			}
		})
	}
}

// TestOracle disguises images that are known to be bad: packages databases are
// deleted, truncated, linked, padded; layers, documents and identities are
// tampered with, composed at random. No disguise may let such an image
// pass: the program finds what is bad, or reports what it could not see.
//
// IMAGEGATE_ORACLE_SEED and IMAGEGATE_ORACLE_COUNT choose other seeds.
func TestOracle(t *testing.T) {
	first := envInt(t, "IMAGEGATE_ORACLE_SEED", 1)
	count := envInt(t, "IMAGEGATE_ORACLE_COUNT", 240)
	o := newOracle(t)
	samples := sampletest.Samples()
	var bad []sampletest.Sample
	for _, s := range samples {
		if !s.Clean() {
			bad = append(bad, s)
		}
	}
	seeds := make(chan int)
	var mu sync.Mutex
	codes := map[int]int{}
	var slowest time.Duration
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for seed := range seeds {
				begin := time.Now()
				code := o.disguised(bad[seed%len(bad)], seed)
				mu.Lock()
				codes[code]++
				slowest = max(slowest, time.Since(begin))
				mu.Unlock()
			}
		})
	}
	for i := range count {
		seeds <- first + i
	}
	close(seeds)
	wg.Wait()
	t.Logf("%d disguised images: %d rejected, %d without a verdict, %d passed; the slowest took %s", count, codes[exitFail], codes[exitNoVerdict], codes[exitPass], slowest.Round(time.Second))
	if left, _ := filepath.Glob(filepath.Join(o.tmp, "imagegate-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// disguised judges one disguised image and returns the exit code.
func (o *oracle) disguised(s sampletest.Sample, seed int) int {
	parts, names, err := disguise.Disguise(s.Image, uint64(seed), 3)
	if err != nil {
		o.t.Errorf("seed %d: %v", seed, err)
		return -1
	}
	ref, err := o.reg.Push(parts, fmt.Sprintf("oracle/%s-%d:1.0.0", s.Name, seed))
	if err != nil {
		o.t.Errorf("seed %d: %v", seed, err)
		return -1
	}
	code, out := o.check(ref.Tagged)
	if code != exitFail && code != exitNoVerdict {
		o.t.Errorf("seed %d: %s disguised by %v ended in %d:\n%s", seed, s.Name, names, code, out)
	}
	return code
}

func envInt(t *testing.T, name string, fallback int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
