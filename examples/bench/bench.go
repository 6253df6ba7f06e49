package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// bench is what all measurements share.
type bench struct {
	gate, trivy, crane string
	database           string // a cache directory: db/ and java-db/
	layouts            []string
	images             map[string]v1.Descriptor
	registry           *peer
	work               string // scratch: caches and reports of the runs
	runs               int
	layerCache         bool   // this imagegate has --cache
	target             func() // ends the registry that is copied to, nil for none
}

// The policies: one that looks into layers, one that need not.
const (
	scanPolicy   = "version: 1\nextends: none\nvulnerabilities: {max: {critical: 0}}\n"
	configPolicy = "version: 1\nextends: none\nreference: {pin: version, deny-tags: [latest]}\nconfig: {deny-ports: [22, 2375]}\n"
)

// prepare writes what the runs need and looks what this imagegate can do.
func (b *bench) prepare(ctx context.Context) error {
	for name, body := range orderedFiles("scan.yaml", scanPolicy, "config.yaml", configPolicy) {
		if err := os.WriteFile(filepath.Join(b.work, name), []byte(body), 0o600); err != nil {
			return err
		}
	}
	help, err := exec.CommandContext(ctx, b.gate, "check", "--help").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s check --help: %w", b.gate, err)
	}
	b.layerCache = regexp.MustCompile(`--cache[ ,=]`).Match(help)
	b.images = map[string]v1.Descriptor{}
	for _, dir := range b.layouts {
		var index v1.IndexManifest
		if err := readJSON(filepath.Join(dir, "index.json"), &index); err != nil {
			return err
		}
		for _, d := range index.Manifests {
			b.images[d.Annotations[refName]] = d
		}
	}
	return b.linkDatabase(b.trivyCache("plain"))
}

// trivyCache is a cache directory of Trivy's that has a name.
func (b *bench) trivyCache(name string) string { return filepath.Join(b.work, "trivy-"+name) }

// linkDatabase makes dir a cache directory with the same database: hard links,
// so that the page cache holds it once and both programs find it warm.
func (b *bench) linkDatabase(dir string) error {
	for _, name := range []string{"db/trivy.db", "db/metadata.json", "java-db/trivy-java.db", "java-db/metadata.json"} {
		from, to := filepath.Join(b.database, name), filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.Link(from, to); err == nil || errors.Is(err, fs.ErrExist) {
			continue
		}
		raw, err := os.ReadFile(from)
		if err != nil {
			return fmt.Errorf("-cache-dir has no whole database: %w", err)
		}
		if err := os.WriteFile(to, raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// The layer cache of an imagegate run: none, or a directory.
const noCache = "none"

// check is one run of imagegate over images of the registry.
func (b *bench) check(report, policy, cache string, more []string, images ...string) step {
	argv := []string{b.gate, "check", "-p", filepath.Join(b.work, policy), "--offline", "--quiet", "--ci", "none",
		"--cache-dir", b.database, "-o", "json=" + report}
	if b.layerCache {
		argv = append(argv, "--cache", cache)
	}
	argv = append(argv, more...)
	for _, name := range images {
		argv = append(argv, b.registry.ref(name))
	}
	return step{argv, []int{0, 1}}
}

// scan is one run of Trivy over an image of the registry.
func (b *bench) scan(report, backend, cache, platform, image string) step {
	argv := []string{b.trivy, "image", "--quiet", "--insecure", "--scanners", "vuln", "--detection-priority", "comprehensive",
		"--offline-scan", "--skip-db-update", "--skip-java-db-update", "--skip-version-check",
		"--cache-backend", backend, "--cache-dir", cache, "--format", "json", "--output", report}
	if platform != "" {
		argv = append(argv, "--platform", platform)
	}
	return step{append(argv, b.registry.ref(image)), []int{0}}
}

// target is an image, for one platform when it has several.
type target struct{ image, platform string }

// targets lists the platforms of images: Trivy wants a run for each.
func (b *bench) targets(images ...string) ([]target, error) {
	var out []target
	for _, name := range images {
		d, ok := b.images[name]
		if !ok {
			return nil, fmt.Errorf("there is no image %s", name)
		}
		if !d.MediaType.IsIndex() {
			out = append(out, target{name, ""})
			continue
		}
		var index v1.IndexManifest
		if err := b.document(d.Digest, &index); err != nil {
			return nil, err
		}
		for _, child := range index.Manifests {
			if child.Platform != nil && child.Platform.OS != "unknown" {
				out = append(out, target{name, child.Platform.String()})
			}
		}
	}
	return out, nil
}

func (b *bench) document(h v1.Hash, to any) error {
	for _, dir := range b.layouts {
		if err := readJSON(blobPath(dir, h), to); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("no layout has %s", h)
}

// weight is the size of all layers of images, each layer once: a run without a
// cache has to fetch as much.
func (b *bench) weight(images ...string) (int64, error) {
	sizes := map[v1.Hash]int64{}
	var add func(h v1.Hash) error
	add = func(h v1.Hash) error {
		var document struct{ Manifests, Layers []v1.Descriptor }
		if err := b.document(h, &document); err != nil {
			return err
		}
		for _, l := range document.Layers {
			sizes[l.Digest] = l.Size
		}
		for _, child := range document.Manifests {
			if child.Platform != nil && child.Platform.OS == "unknown" {
				continue // an attestation
			}
			if err := add(child.Digest); err != nil {
				return err
			}
		}
		return nil
	}
	for _, name := range images {
		if err := add(b.images[name].Digest); err != nil {
			return 0, err
		}
	}
	var sum int64
	for _, size := range sizes {
		sum += size
	}
	return sum, nil
}

// ours is imagegate over images in one run.
func (b *bench) ours(dir, cache string, images ...string) side {
	report := filepath.Join(dir, "gate.json")
	return side{
		steps:    []step{b.check(report, "scan.yaml", cache, nil, images...)},
		findings: func() (int, error) { return gateFindings(report) },
	}
}

// theirs is Trivy over the same images, a run for each image and platform.
func (b *bench) theirs(dir, backend, cache string, targets []target) side {
	var s side
	var reports []string
	for i, t := range targets {
		report := filepath.Join(dir, fmt.Sprintf("trivy-%d.json", i))
		reports = append(reports, report)
		s.steps = append(s.steps, b.scan(report, backend, cache, t.platform, t.image))
	}
	s.findings = func() (int, error) { return trivyFindings(reports...) }
	return s
}

// floor unpacks and lists the layers of an image with gzip and tar. Every
// program that looks into layers has to do as much.
func (b *bench) floor(image string) (side, error) {
	var manifest v1.Manifest
	if err := b.document(b.images[image].Digest, &manifest); err != nil {
		return side{}, err
	}
	var script strings.Builder
	for _, l := range manifest.Layers {
		for _, dir := range b.layouts {
			if path := blobPath(dir, l.Digest); exists(path) {
				fmt.Fprintf(&script, "gzip -dc '%s' | tar -tf - >/dev/null || exit 1\n", path)
				break
			}
		}
	}
	return side{steps: []step{{[]string{"sh", "-c", script.String()}, []int{0}}}}, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// gateFindings counts the findings in imagegate's report.
func gateFindings(path string) (int, error) {
	var report struct {
		Results []struct{ Counts struct{ Total int } }
	}
	if err := readJSON(path, &report); err != nil {
		return 0, err
	}
	n := 0
	for _, r := range report.Results {
		n += r.Counts.Total
	}
	return n, nil
}

// trivyFindings counts the findings in Trivy's reports.
func trivyFindings(paths ...string) (int, error) {
	n := 0
	for _, path := range paths {
		var report struct {
			Results []struct{ Vulnerabilities []struct{} }
		}
		if err := readJSON(path, &report); err != nil {
			return 0, err
		}
		for _, r := range report.Results {
			n += len(r.Vulnerabilities)
		}
	}
	return n, nil
}
