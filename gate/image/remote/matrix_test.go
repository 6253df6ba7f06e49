package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/random"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate/promote"
)

// program is a registry of another project that runs on loopback.
type program struct {
	name    string
	command string // that must be on the PATH
	args    []string
	config  string // text of its configuration; DIR and PORT are replaced
	file    string // name of its configuration
}

func programs() []program {
	return []program{
		{"CNCF distribution", "docker-registry", []string{"serve", "FILE"}, "version: 0.1\nlog: {level: error}\n" +
			"storage: {filesystem: {rootdirectory: DIR}, delete: {enabled: true}}\nhttp: {addr: 127.0.0.1:PORT}\n", "config.yml"},
		{"zot", "zot", []string{"serve", "FILE"}, `{"storage":{"rootDirectory":"DIR"},"http":{"address":"127.0.0.1","port":"PORT","compat":["docker2s2"]},"log":{"level":"error"}}`, "config.json"},
	}
}

// start runs the registry until the end of the test, and returns its host. It is ""
// where the program is not installed.
func (p *program) start(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath(p.command)
	if err != nil {
		if slices.Contains(strings.Fields(os.Getenv("IMAGEGATE_REQUIRE_REGISTRIES")), p.command) {
			t.Fatalf("%s is not installed", p.command)
		}
		return ""
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := free.Addr().String()
	_ = free.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, p.file)
	_, port, _ := net.SplitHostPort(host)
	text := strings.NewReplacer("DIR", filepath.Join(dir, "data"), "PORT", port).Replace(p.config)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := slices.Clone(p.args)
	args[slices.Index(args, "FILE")] = file
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 200 {
		if resp, err := http.Get("http://" + host + "/v2/"); err == nil {
			_ = resp.Body.Close()
			return host
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not answer", p.command)
	return ""
}

// release pushes an index with everything that can belong to one: two platforms, an
// attestation of BuildKit in the index, referrers of the index and of each platform
// with a referrer of their own, and tags of cosign. It returns the digest.
func release(t *testing.T, host, path, signer string) string {
	t.Helper()
	repo, err := name.NewRepository(host + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	index := v1.ImageIndex(mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	for i, arch := range []string{"amd64", "arm64", "unknown"} {
		add := mutate.IndexAddendum{Add: artifact(t, fmt.Sprintf("%s of a release", arch)), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}}
		if i == 2 {
			add.Platform.OS = arch
			add.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
		}
		index = mutate.AppendManifests(index, add)
	}
	check(ggcr.WriteIndex(repo.Tag("1"), index))
	top, err := partial.Descriptor(index)
	check(err)
	manifest, err := index.IndexManifest()
	check(err)
	for _, d := range append(manifest.Manifests, *top) {
		bundle := mutate.Subject(artifact(t, "bundle of "+signer+d.Digest.String()), v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}).(v1.Image)
		b, err := partial.Descriptor(bundle)
		check(err)
		check(ggcr.Write(repo.Digest(b.Digest.String()), bundle))
		stamp := mutate.Subject(artifact(t, "timestamp of "+signer+b.Digest.String()), *b).(v1.Image)
		s, err := partial.Descriptor(stamp)
		check(err)
		check(ggcr.Write(repo.Digest(s.Digest.String()), stamp))
		for _, end := range []string{".sig", ".att", ".sbom"} {
			check(ggcr.Write(repo.Tag(strings.Replace(d.Digest.String(), ":", "-", 1)+end), artifact(t, end+" by "+signer+d.Digest.String())))
		}
	}
	return top.Digest.String()
}

// newSeed is a source of bytes that are the same for the same text.
func newSeed(text string) rand.Source {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return rand.NewSource(int64(h.Sum64()))
}

// artifact is an image of one layer, the same for the same seed.
func artifact(t *testing.T, seed string) v1.Image {
	t.Helper()
	layer, err := random.Layer(2000, "application/vnd.dev.sigstore.bundle.v0.3+json", random.WithSource(newSeed(seed)))
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), mutate.Addendum{
		Layer: layer, Annotations: map[string]string{"dev.cosignproject.cosign/signature": seed}, MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// lacks walks the source and says what is not at the target byte for byte, with other
// means than the promotion.
func lacks(ctx context.Context, from, to *Repository, digest string) error {
	source, err := from.Manifest(ctx, digest)
	if err != nil {
		return err
	}
	target, err := to.Manifest(ctx, digest)
	if err != nil || string(source.Raw) != string(target.Raw) {
		return fmt.Errorf("manifest %s: %w", digest, err)
	}
	below, err := manifestsOf(source.Raw)
	if err != nil {
		return err
	}
	referrers, err := from.Referrers(ctx, digest)
	if err != nil {
		return err
	}
	listed, err := to.Referrers(ctx, digest)
	if err != nil {
		return err
	}
	for _, r := range referrers {
		if !slices.ContainsFunc(listed, func(d promote.Descriptor) bool { return d.Digest == r.Digest }) {
			return fmt.Errorf("referrer %s of %s", r.Digest, digest)
		}
	}
	for _, end := range []string{".sig", ".att", ".sbom"} {
		tag := strings.Replace(digest, ":", "-", 1) + end
		if _, err := from.Tag(ctx, tag); errors.Is(err, promote.ErrNotFound) {
			continue
		}
		if _, err := to.Tag(ctx, tag); err != nil {
			return fmt.Errorf("tag %s: %w", tag, err)
		}
	}
	for _, d := range append(below, referrers...) {
		if err := lacks(ctx, from, to, d.Digest); err != nil {
			return err
		}
	}
	return nil
}

// An image with everything that belongs to it goes between registries of all kinds,
// in all pairs, joins what is signed there already, and goes back.
func TestMatrixOfRegistries(t *testing.T) {
	type kind struct{ name, host string }
	kinds := []kind{{"go-containerregistry", newWritable(t, false).host}, {"go-containerregistry with referrers", newWritable(t, true).host}}
	for _, p := range programs() {
		if host := p.start(t); host != "" {
			kinds = append(kinds, kind{p.name, host})
		} else {
			t.Logf("skipped: %s: %s is not installed", p.name, p.command)
		}
	}
	for i, source := range kinds {
		for k, target := range kinds {
			began := time.Now()
			path := fmt.Sprintf("matrix/from-%d-to-%d", i, k)
			digest := release(t, source.host, path, "the team, ")
			client := newClient(t, nil)
			from, to := repository(t, client, source.host+"/"+path), repository(t, client, target.host+"/released/"+path)
			if again := release(t, target.host, "released/"+path, "production, "); again != digest {
				t.Fatalf("the two releases are %s and %s", digest, again)
			}
			theirs, err := to.Referrers(t.Context(), digest)
			if err != nil {
				t.Fatal(err)
			}
			err = promoted(t.Context(), from, to, digest)
			if err == nil {
				err = lacks(t.Context(), from, to, digest)
			}
			now, _ := to.Referrers(t.Context(), digest)
			if err == nil && len(now) != len(theirs)+1 {
				err = fmt.Errorf("%d referrers of %d", len(now), len(theirs)+1)
			}
			if err == nil {
				err = promoted(t.Context(), to, repository(t, client, source.host+"/back/"+path), digest)
			}
			if err != nil {
				t.Errorf("%s to %s: %v", source.name, target.name, err)
				continue
			}
			t.Logf("%s to %s: complete in %s", source.name, target.name, time.Since(began).Round(time.Millisecond))
		}
	}
}

// Whichever request of a promotion is the last one that a killed job makes (every seventh
// is tried here, every one in package promote), the tag
// names what it named before or an image with everything, and the next job completes
// it.
func TestKilledAtRequests(t *testing.T) {
	for _, api := range []bool{true, false} {
		t.Run(fmt.Sprintf("referrers %v", api), func(t *testing.T) {
			source := newWritable(t, true)
			digest := release(t, source.host, "team/app", "the team, ")
			total := 0
			for last := 0; ; last += 7 {
				target := newWritable(t, api)
				old := olderRelease(t, target.host+"/released/app:released")
				client := newClient(t, func(o *Options) { o.Limits.Tries = 1 })
				from, to := repository(t, client, source.host+"/team/app"), repository(t, client, target.host+"/released/app")
				ctx, kill := context.WithCancel(t.Context())
				target.mu.Lock()
				n := 0
				target.before = func(_ http.ResponseWriter, q *http.Request) bool {
					// go-containerregistry's handler stores what it gets of a body that ends
					// too early.
					body, err := io.ReadAll(q.Body)
					q.Body = io.NopCloser(bytes.NewReader(body))
					target.mu.Lock()
					defer target.mu.Unlock()
					if n++; n == last {
						kill()
					}
					return err != nil
				}
				target.mu.Unlock()
				err := promoted(ctx, from, to, digest)
				kill()
				total++
				target.mu.Lock()
				target.before = nil
				target.mu.Unlock()
				got, tagErr := to.Tag(t.Context(), "released")
				if tagErr != nil {
					t.Fatal(tagErr)
				}
				switch got.Digest {
				case old:
				case digest:
					if missing := lacks(t.Context(), from, to, digest); missing != nil {
						t.Fatalf("killed after request %d, the tag names an image without %v", last, missing)
					}
				default:
					t.Fatalf("killed after request %d, the tag names %s", last, got.Digest)
				}
				if again := promoted(t.Context(), from, to, digest); again != nil {
					t.Fatalf("killed after request %d, again: %v", last, again)
				}
				if missing := lacks(t.Context(), from, to, digest); missing != nil {
					t.Fatalf("killed after request %d, again without %v", last, missing)
				}
				if err == nil && last > 0 {
					break
				}
			}
			t.Logf("killed at %d points", total)
		})
	}
}

// olderRelease pushes an image of its own and returns its digest.
func olderRelease(t *testing.T, ref string) string {
	t.Helper()
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	img := artifact(t, "an older release")
	if err := ggcr.Write(tag, img); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}
