package scan_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/dbtest"
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
	"github.com/imagegate/imagegate/gate/gatetest/rootfs"
	"github.com/imagegate/imagegate/gate/layer"
	"github.com/imagegate/imagegate/gate/scan"
	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/gate/scan/process"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

// The test binary is its own worker: it misbehaves as the second argument says.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == process.Command {
		os.Exit(behave(os.Args[2]))
	}
	os.Exit(m.Run())
}

// behave is a worker that speaks the protocol until its fault comes.
func behave(fault string) int {
	in, out := wire.NewReader(os.Stdin), wire.NewWriter(os.Stdout)
	var opened wire.Open
	if _, payload, err := in.Next(); err != nil || strictjson.Unmarshal(payload, &opened) != nil || os.Chdir(opened.Dir) != nil {
		return 3
	}
	ready := wire.Ready{Version: wire.Version, Engine: "fake 1", SelfTest: true, Advisories: 1}
	switch fault {
	case "exit at start":
		return 3
	case "hang at start":
		time.Sleep(time.Hour)
	case "empty database":
		ready.Problem = "the vulnerability database has no advisories"
	case "no self-test":
		ready.SelfTest = false
	case "another protocol":
		ready.Version = 99
	}
	_ = out.JSON(wire.TypeReady, ready)
	_ = out.Flush()
	for {
		kind, payload, err := in.Next()
		if err != nil {
			return 0
		}
		switch kind {
		case wire.TypeEntry:
			entry, err := wire.ParseEntry(payload)
			if err != nil {
				return 3
			}
			if code, end := entered(fault, out); end {
				return code
			}
			if _, err := io.Copy(io.Discard, in.Body(entry.Size)); err != nil {
				return 3
			}
		case wire.TypeLayerEnd:
			if code, end := analysed(fault, out); end {
				return code
			}
		case wire.TypeFinish:
			if code, end := finish(fault, out); end {
				return code
			}
		}
	}
}

// entered misbehaves at a file.
func entered(fault string, out *wire.Writer) (int, bool) {
	switch fault {
	case "panic":
		go panic("index out of range [7] with length 3")
		time.Sleep(time.Hour)
	case "out of memory":
		fmt.Fprintln(os.Stderr, "fatal error: runtime: out of memory")
		return 2, true
	case "hang":
		time.Sleep(time.Hour)
	case "failure":
		_ = out.JSON(wire.TypeFailure, wire.Failure{Message: "walk the layer: no"})
		_ = out.Flush()
		return 2, true
	case "exit":
		return 0, true
	}
	return 0, false
}

// analysed misbehaves at the end of a layer.
func analysed(fault string, out *wire.Writer) (int, bool) {
	analysis := []byte{wire.AnalysisClean, '{', '}'}
	size := int64(len(analysis))
	switch fault {
	case "no mark":
		analysis[0] = '{'
	case "complaint":
		analysis[0] = wire.AnalysisDoubtful
	case "no analysis":
		size = 0
	case "huge analysis":
		size = 1 << 40
	case "half an analysis":
		_ = out.JSON(wire.TypeAnalysed, wire.Announced{Size: 10})
		_ = out.Data([]byte("{"))
		_ = out.Flush()
		return 0, true
	}
	_ = out.JSON(wire.TypeAnalysed, wire.Announced{Size: size})
	_ = out.Data(analysis)
	_ = out.Flush()
	return 0, false
}

// everything wants every file.
type everything struct{ fingerprint string }

func (everything) Wants(evidence.Need) (func(string, fs.FileMode, int64) bool, error) {
	return func(string, fs.FileMode, int64) bool { return true }, nil
}

func (e everything) Fingerprint(evidence.Need) (string, error) { return "fake 1 " + e.fingerprint, nil }

func finish(fault string, out *wire.Writer) (int, bool) {
	report := &wire.Report{OS: &wire.OS{Family: "alpine", Name: "3.20"}, Stream: "alpine 3.20", StreamKnown: true}
	switch fault {
	case "garbage report":
		_ = out.Sized(wire.TypeReport, []byte(`{"os":{"family":`))
		return 0, true
	case "half a report":
		_ = out.JSON(wire.TypeReport, wire.Announced{Size: 100})
		_ = out.Data([]byte(`{}`))
		_ = out.Flush()
		return 0, true
	case "unknown field":
		_ = out.Sized(wire.TypeReport, []byte(`{"verdict":"pass"}`))
		return 0, false
	case "environment":
		report.Unmatched = os.Environ()
		wd, _ := os.Getwd()
		report.Suppliers = []string{wd}
	case "hang at the end":
		time.Sleep(time.Hour)
	}
	b, _ := wire.EncodeReport(report)
	_ = out.Sized(wire.TypeReport, b)
	return 0, false
}

// open returns a scanner whose workers have a fault.
func open(t *testing.T, fault string, change func(*scan.Options)) *scan.Scanner {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cache := dbtest.Database(t, dbtest.DBOptions{})
	store, err := database.New(database.Options{CacheDir: cache, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	o := scan.Options{
		TempDir: t.TempDir(), Databases: store, Offline: true, MaxAge: 24 * time.Hour,
		Limits: layer.DefaultLimits(), Command: []string{exe, process.Command, fault}, Now: time.Now,
		Analyzers: everything{},
	}
	if change != nil {
		change(&o)
	}
	s := scan.New(o)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(o.TempDir, "worker-*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return s
}

func target(t *testing.T, img v1.Image) *gate.Target {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	tg := &gate.Target{Image: evidence.Image{
		Reference: evidence.Reference{Asked: "registry.example.no/app:1"}, Platform: "linux/amd64",
		Config: &evidence.Config{},
	}}
	for _, l := range layers {
		digest, err := l.Digest()
		diffID, err2 := l.DiffID()
		size, err3 := l.Size()
		kind, err4 := l.MediaType()
		if err := errors.Join(err, err2, err3, err4); err != nil {
			t.Fatal(err)
		}
		tg.Layers = append(tg.Layers, gate.Blob{
			Digest: digest.String(), DiffID: diffID.String(), Size: size, MediaType: string(kind),
			Open: func(context.Context) (io.ReadCloser, error) { return l.Compressed() },
		})
	}
	return tg
}

func alpine() v1.Image { return imagetest.Image(rootfs.Alpine("3.20")) }

const need = evidence.NeedPackages | evidence.NeedUser

// A worker can fail in any way: there is an error that says what happened, no
// evidence, and the next image is judged by a new worker.
func TestWorkerFaults(t *testing.T) {
	tests := map[string]string{
		"panic":            "the scanner crashed on this image: panic: index out of range",
		"out of memory":    "the scanner needed more than 64 MiB of memory",
		"failure":          "the scanner failed: walk the layer: no",
		"exit":             "the scanner",
		"garbage report":   "report",
		"half a report":    "the scanner",
		"no analysis":      "an answer of 0 bytes",
		"huge analysis":    "an answer of 1099511627776 bytes",
		"half an analysis": "the scanner",
		"no mark":          "an analysis without its mark",
		"unknown field":    `"verdict"`,
	}
	for fault, want := range tests {
		t.Run(fault, func(t *testing.T) {
			s := open(t, fault, func(o *scan.Options) { o.Memory = 64 << 20 })
			for range 2 {
				got, err := s.Scan(t.Context(), target(t, alpine()), need)
				if err == nil || got != nil {
					t.Fatalf("Scan = %v, %v; want an error and nothing else", got, err)
				}
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestOpenFaults(t *testing.T) {
	tests := map[string]string{
		"exit at start":    "the scanner",
		"empty database":   "no advisories",
		"no self-test":     "could not test",
		"another protocol": "version 99",
	}
	for fault, want := range tests {
		t.Run(fault, func(t *testing.T) {
			_, err := open(t, fault, nil).Scan(t.Context(), target(t, alpine()), need)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("Scan: %v, want an error that says %q", err, want)
			}
			var f *gate.Fault
			if !errors.As(err, &f) {
				t.Errorf("%v does not say in which phase", err)
			}
		})
	}
}

// Neither a hanging worker nor a stalled registry outlives the deadline.
func TestDeadlines(t *testing.T) {
	stalled := func(tg *gate.Target) {
		tg.Layers[0].Open = func(ctx context.Context) (io.ReadCloser, error) {
			r, w := io.Pipe()
			context.AfterFunc(ctx, func() { _ = w.CloseWithError(context.Cause(ctx)) })
			return r, nil
		}
	}
	tests := []struct {
		fault  string
		change func(*gate.Target)
	}{{"hang", nil}, {"hang at the end", nil}, {"", stalled}}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			s := open(t, tt.fault, func(o *scan.Options) { o.Timeout = 300 * time.Millisecond })
			tg := target(t, alpine())
			if tt.change != nil {
				tt.change(tg)
			}
			done := make(chan error, 1)
			go func() {
				_, err := s.Scan(t.Context(), tg, need)
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil || !strings.Contains(err.Error(), "did not end within 300ms") {
					t.Errorf("error = %v", err)
				}
			case <-time.After(time.Minute):
				t.Fatal("the scan outlived its deadline")
			}
		})
	}
}

func TestHangAtStartEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, errors.New("out of time"))
	defer cancel()
	_, err := open(t, "hang at start", nil).Scan(ctx, target(t, alpine()), need)
	if err == nil || !strings.Contains(err.Error(), "out of time") {
		t.Errorf("error = %v, want the context's cause", err)
	}
}

// Wrong bytes are an error even where the archive itself is fine.
func TestUnverifiedBytes(t *testing.T) {
	other, err := target(t, imagetest.Image(rootfs.Alpine("3.19"))).Layers[0].Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := io.ReadAll(other)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(*gate.Blob){
		"another blob": func(b *gate.Blob) { b.Open = bytesOf(wrong); b.Size = int64(len(wrong)) },
		"wrong size":   func(b *gate.Blob) { b.Size++ },
		"wrong diffID": func(b *gate.Blob) { b.DiffID = "sha256:" + strings.Repeat("0", 64) },
		"cannot be had": func(b *gate.Blob) {
			b.Open = func(context.Context) (io.ReadCloser, error) { return nil, errors.New("404") }
		},
		"digest missing": func(b *gate.Blob) { b.Digest = "" },
	}
	s := open(t, "", nil)
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			tg := target(t, alpine())
			change(&tg.Layers[0])
			if got, err := s.Scan(t.Context(), tg, need); err == nil {
				t.Errorf("accepted: %+v", got)
			}
		})
	}
	if _, err := s.Scan(t.Context(), target(t, alpine()), need); err != nil {
		t.Errorf("a valid image after all faults: %v", err)
	}
}

// A layer that was damaged on the way is fetched once more. One that is malformed
// as its author made it is not.
func TestDamagedLayerIsFetchedOnceMore(t *testing.T) {
	tg := target(t, alpine())
	open0 := tg.Layers[0].Open
	sound := func() []byte {
		r, err := open0(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}()
	flipped := func(i int) []byte {
		b := bytes.Clone(sound)
		b[i] ^= 0x55
		return b
	}
	sum := sha256.Sum256(flipped(len(sound) / 2))
	tests := map[string]struct {
		digest string
		bodies [][]byte
		opens  int
		ok     bool
	}{
		"sound":                {"", [][]byte{sound}, 1, true},
		"damaged at the start": {"", [][]byte{flipped(3), sound}, 2, true},
		"damaged inside":       {"", [][]byte{flipped(len(sound) / 2), sound}, 2, true},
		"damaged at the end":   {"", [][]byte{flipped(len(sound) - 3), sound}, 2, true},
		"cut off":              {"", [][]byte{sound[:len(sound)/2], sound}, 2, true},
		"too long":             {"", [][]byte{append(bytes.Clone(sound), 'x'), sound}, 2, true},
		"damaged twice":        {"", [][]byte{flipped(9), flipped(9)}, 2, false},
		"malformed":            {"sha256:" + hex.EncodeToString(sum[:]), [][]byte{flipped(len(sound) / 2)}, 1, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tg := target(t, alpine())
			b, opens := &tg.Layers[0], 0
			if tt.digest != "" {
				b.Digest = tt.digest
			}
			b.Open = func(context.Context) (io.ReadCloser, error) {
				opens++
				return io.NopCloser(bytes.NewReader(tt.bodies[min(opens, len(tt.bodies))-1])), nil
			}
			_, err := open(t, "", nil).Scan(t.Context(), tg, need)
			if (err == nil) != tt.ok || opens != tt.opens {
				t.Errorf("%d fetches and error %v, want %d and success %t", opens, err, tt.opens, tt.ok)
			}
		})
	}
}

func bytesOf(b []byte) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

// The worker sees nothing of our environment and works in its own directory.
func TestWorkerSeesNothing(t *testing.T) {
	for _, name := range []string{"TRIVY_SEVERITY", "AWS_SECRET_ACCESS_KEY", "CI_JOB_TOKEN", "HTTPS_PROXY", "DOCKER_CONFIG"} {
		t.Setenv(name, "canary")
	}
	var temp string
	s := open(t, "environment", func(o *scan.Options) { temp = o.TempDir })
	got, err := s.Scan(t.Context(), target(t, alpine()), need)
	if err != nil {
		t.Fatal(err)
	}
	inTemp := false
	for _, g := range got.Coverage.Gaps {
		if strings.Contains(g.Detail, "canary") {
			t.Errorf("the worker saw the canary: %s", g.Detail)
		}
		inTemp = inTemp || strings.Contains(g.Subject, filepath.Base(temp))
	}
	if !inTemp {
		t.Errorf("the worker does not work below %s: %+v", temp, got.Coverage.Gaps)
	}
}

// A process that was started ahead becomes the first worker, or ends with the
// scanner.
func TestAhead(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, scanning := range []bool{true, false} {
		p, err := process.Start([]string{exe, process.Command, "environment"})
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, "exit at start", func(o *scan.Options) { o.Ahead = p })
		if scanning {
			if _, err := s.Scan(t.Context(), target(t, alpine()), need); err != nil {
				t.Errorf("scan with the process that was started ahead: %v", err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Wait(); err == nil {
			t.Error("the process is still there")
		}
	}
}

func TestScansSideBySide(t *testing.T) {
	s := open(t, "", func(o *scan.Options) { o.Jobs = 3 })
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			got, err := s.Scan(t.Context(), target(t, alpine()), need)
			if err != nil || got.OS == nil || got.Coverage.Gaps == nil {
				t.Errorf("Scan = %+v, %v", got, err)
			}
		})
	}
	wg.Wait()
}

// A cancelled scan returns before the database that it asked for is open. What
// opens it must end with Close: it wrote into directories that were removed.
func TestCancelledRunHasNoEvidence(t *testing.T) {
	s := open(t, "", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := s.Scan(ctx, target(t, alpine()), need); err == nil {
		t.Errorf("a cancelled scan returned %+v", got)
	}
}
