// Command bench measures `imagegate check` beside Trivy's own command line of
// the same version: same images, same database, same cache state, in turn, A B
// A B. It prints ratios; absolute times depend on the machine and its mood.
//
//	make bench            # or: go run . -gate ../../bin/imagegate -n 7
//
// Both programs read from the same registry on loopback and write a JSON
// report. Trivy runs with --detection-priority comprehensive, as imagegate
// does, and without a cache between runs, because imagegate keeps none.
package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	gate := flag.String("gate", "../../bin/imagegate", "the imagegate `binary`")
	trivy := flag.String("trivy", "", "the Trivy `binary`; built from this module when empty")
	cache := flag.String("cache-dir", "", "a Trivy cache `directory` with a database (required)")
	images := flag.String("layout", "", "an OCI image layout `directory` whose images are measured too")
	only := flag.String("only", "", "measure only images whose name contains this `text`")
	runs := flag.Int("n", 5, "counted runs of each program")
	server := flag.Bool("serve", false, "be the registry (used by the program itself)")
	flag.Parse()
	if *server {
		if err := serve(context.Background(), *images, *only); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := run(context.Background(), *gate, *trivy, *cache, *images, *only, *runs); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, gate, trivy, cache, images, only string, runs int) error {
	if cache == "" {
		return fmt.Errorf("-cache-dir is required: a directory with db/ and java-db/")
	}
	tmp, err := os.MkdirTemp("", "imagegate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if trivy == "" {
		trivy = filepath.Join(tmp, "trivy")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", trivy, "github.com/aquasecurity/trivy/cmd/trivy").CombinedOutput(); err != nil {
			return fmt.Errorf("build Trivy: %w\n%s", err, out)
		}
	}
	refs, stop, err := startRegistry(ctx, images, only)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Printf("%-40s %22s %22s\n", "image (imagegate / trivy)", "wall, median (range)", "peak memory, median")
	for _, ref := range refs {
		if err := compare(ctx, ref, gate, trivy, cache, tmp, runs); err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
	}
	return nil
}

// startRegistry runs this program again as a registry. The images must not lie
// in this process: Linux counts the memory of a process that forks as the peak
// of what it starts.
func startRegistry(ctx context.Context, images, only string) (refs []string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-serve", "-layout", images, "-only", only)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
	if err := json.NewDecoder(out).Decode(&refs); err != nil {
		stop()
		return nil, nil, fmt.Errorf("start the registry: %w", err)
	}
	return refs, stop, nil
}

// serve is that registry: it prints the references it has and ends with its
// standard input.
func serve(ctx context.Context, images, only string) error {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	refs, err := push(ctx, strings.TrimPrefix(server.URL, "http://"), images, only)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(refs); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// push uploads Trivy's own test images and those of the layout.
func push(ctx context.Context, host, images, only string) ([]string, error) {
	var refs []string
	add := func(label string, img v1.Image) error {
		if !strings.Contains(label, only) {
			return nil
		}
		ref, err := name.ParseReference(host + "/bench/" + label + ":1.0.0")
		if err != nil {
			return err
		}
		refs = append(refs, ref.String())
		return remote.Write(ref, img, remote.WithContext(ctx))
	}
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aquasecurity/trivy").Output()
	if err != nil {
		return nil, fmt.Errorf("find Trivy's sources: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "pkg/fanal/test/testdata/*.tar.gz"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		img, err := tarball.Image(unzipped(file), nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if err := add(strings.TrimSuffix(filepath.Base(file), ".tar.gz"), img); err != nil {
			return nil, err
		}
	}
	return refs, pushLayout(images, add)
}

// unzipped opens a gzipped archive: Trivy keeps its test images that way.
func unzipped(file string) tarball.Opener {
	return func() (io.ReadCloser, error) {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return struct {
			io.Reader
			io.Closer
		}{z, f}, nil
	}
}

func pushLayout(dir string, add func(string, v1.Image) error) error {
	if dir == "" {
		return nil
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range manifest.Manifests {
		label := d.Annotations["org.opencontainers.image.ref.name"]
		if d.MediaType.IsIndex() || label == "" {
			continue
		}
		img, err := index.Image(d.Digest)
		if err != nil {
			return err
		}
		if err := add(label, img); err != nil {
			log.Printf("%s is left out: %v", label, err)
		}
	}
	return nil
}

// usage is what one run cost.
type usage struct {
	wall   time.Duration
	memory int64 // bytes, of the largest single process
}

// compare runs both programs in turn and prints the ratios pair by pair.
func compare(ctx context.Context, ref, gate, trivy, cache, tmp string, runs int) error {
	policy := filepath.Join(tmp, "policy.yaml")
	if err := os.WriteFile(policy, []byte("version: 1\nvulnerabilities: {max: {critical: 0}}\n"), 0o600); err != nil {
		return err
	}
	ours := []string{gate, "check", "-p", policy, "--offline", "--quiet", "--ci", "none", "--cache-dir", cache, "-o", "json=" + filepath.Join(tmp, "gate.json"), ref}
	theirs := []string{trivy, "image", "--quiet", "--insecure", "--scanners", "vuln", "--detection-priority", "comprehensive",
		"--offline-scan", "--skip-db-update", "--skip-java-db-update", "--skip-version-check", "--cache-backend", "memory",
		"--cache-dir", cache, "-f", "json", "-o", filepath.Join(tmp, "trivy.json"), ref}
	var a, b []usage
	for i := range runs + 1 {
		ua, err := measure(ctx, ours, 2)
		if err != nil {
			return err
		}
		ub, err := measure(ctx, theirs, 0)
		if err != nil {
			return err
		}
		if i > 0 { // the first pair warms the file cache
			a, b = append(a, ua), append(b, ub)
		}
	}
	report(ref, filepath.Join(tmp, "gate.json"), a, b)
	return nil
}

// measure runs one command; exit codes up to worst are verdicts, not failures.
func measure(ctx context.Context, argv []string, worst int) (usage, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() > worst || cmd.ProcessState.ExitCode() < 0 {
		return usage{}, fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, stderr.String())
	}
	u := usage{wall: wall}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.memory = r.Maxrss << 10 // kilobytes on Linux
	}
	return u, nil
}

func report(ref, file string, a, b []usage) {
	var wall, memory []float64
	for i := range a {
		wall = append(wall, a[i].wall.Seconds()/b[i].wall.Seconds())
		memory = append(memory, float64(a[i].memory)/float64(b[i].memory))
	}
	slices.Sort(wall)
	slices.Sort(memory)
	verdict := struct{ Verdict string }{"no report"}
	if raw, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(raw, &verdict)
	}
	_, label, _ := strings.Cut(ref, "/bench/")
	fmt.Printf("%-40s %8.2f (%.2f-%.2f) %12.2f   %s\n", label, wall[len(wall)/2], wall[0], wall[len(wall)-1],
		memory[len(memory)/2], verdict.Verdict)
}
