package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/imagegate/imagegate/gate/gatetest/sampletest"
)

// crowd is how many programs use one layer cache at the same time.
const crowd = 8

// TestCrowdAgrees lets many programs judge the same images at the same moment,
// with one directory of databases and one layer cache that is empty at first.
// All say what one says that keeps nothing.
func TestCrowdAgrees(t *testing.T) {
	o := newOracle(t)
	var refs []string
	samples := sampletest.Samples()
	for _, s := range samples[:min(12, len(samples))] {
		refs = append(refs, o.reg.MustPush(t, s.Image, "crowd/"+s.Name+":1.0.0").Tagged)
	}
	code, out := o.run(refs, "--cache", "none")
	want := o.parse(out)
	check := func(t *testing.T, place string) {
		var wg sync.WaitGroup
		for range crowd {
			wg.Go(func() {
				gotCode, out := o.run(refs, "--cache", place, "--jobs", "2")
				got := o.parse(out)
				if gotCode != code || code != exitFail {
					t.Errorf("exit code %d, want %d, which is %d", gotCode, code, exitFail)
				}
				for _, ref := range refs {
					if diff := different(want[ref], got[ref]); diff != "" {
						t.Errorf("%s: %s", ref, diff)
					}
				}
			})
		}
		wg.Wait()
	}
	t.Run("directory", func(t *testing.T) { check(t, filepath.Join(o.tmp, "crowd")) })
	t.Run("redis", func(t *testing.T) {
		t.Setenv("IMAGEGATE_CACHE_KEY", "a secret of more than 16 bytes")
		check(t, redisPlace(t))
	})
}

// redisPlace starts a server. Without the program the test is skipped, but not
// in CI.
func redisPlace(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("IMAGEGATE_REQUIRE_REDIS") != "" {
			t.Fatal("redis-server is missing, and IMAGEGATE_REQUIRE_REDIS is set")
		}
		t.Skip("redis-server is missing: apt-get install redis-server")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	l.Close()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no")
	cmd.Dir = t.TempDir()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var log bytes.Buffer
	for buf := make([]byte, 4096); !strings.Contains(log.String(), "Ready to accept connections"); {
		n, err := out.Read(buf)
		log.Write(buf[:n])
		if err != nil {
			t.Fatalf("redis-server ended: %s", log.String())
		}
	}
	return "redis://127.0.0.1:" + port + "/1"
}
