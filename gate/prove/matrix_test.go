package prove_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/image/remote"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/gate/prove"
)

// requireMatrix makes a cell that cannot be tried a failure. .ci/conformance sets it,
// with the paths of the tools.
const requireMatrix = "IMAGEGATE_REQUIRE_MATRIX"

// tool is the path of a program of others, "" when it is not installed.
func tool(variable, program string) string {
	if path := os.Getenv(variable); path != "" {
		return path
	}
	path, _ := exec.LookPath(program)
	return path
}

// matrix prints a line for each cell.
type matrix struct {
	t    *testing.T
	name string // of the pair
}

func (m matrix) cell(what string, want bool, err error) {
	m.t.Helper()
	state := "ok"
	if (err == nil) != want {
		state = "FAIL"
		m.t.Errorf("%s: %s: accepted is %v, want %v: %v", m.name, what, err == nil, want, err)
	}
	fmt.Printf("matrix %-4s %-45s %s\n", state, m.name, what)
}

func (m matrix) skip(what, why string) {
	m.t.Helper()
	if os.Getenv(requireMatrix) != "" {
		m.t.Errorf("%s: %s cannot be tried: %s", m.name, what, why)
	}
	fmt.Printf("matrix skip %-45s %s: %s\n", m.name, what, why)
}

// registries are those of the promotion tests, by name; "" is one that is not
// installed.
func registries(t *testing.T) map[string]string {
	quiet := registry.Logger(log.New(io.Discard, "", 0))
	hosts := map[string]string{"docker-registry": distribution(t)}
	for kind, referrers := range map[string]bool{"ggcr": false, "ggcr-referrers": true} {
		s := httptest.NewServer(registry.New(quiet, registry.WithReferrersSupport(referrers)))
		t.Cleanup(s.Close)
		hosts[kind] = strings.TrimPrefix(s.URL, "http://")
	}
	return hosts
}

// distribution starts Debian's docker-registry.
func distribution(t *testing.T) string {
	path := tool("IMAGEGATE_DOCKER_REGISTRY", "docker-registry")
	if path == "" {
		return ""
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	_ = l.Close()
	config := filepath.Join(t.TempDir(), "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %s}\n", t.TempDir(), host)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "serve", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 100 {
		if resp, err := http.Get("http://" + host + "/v2/"); err == nil {
			_ = resp.Body.Close()
			return host
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("docker-registry does not answer")
	return ""
}

// A decision that is signed during a promotion is verified at the target by
// programs that are not ours, for every pair of registries: with a key and with an
// identity, as referrer and under the tag of cosign. Each refuses the wrong ones.
func TestMatrix(t *testing.T) {
	hosts := registries(t)
	s := provetest.NewSigstore(t)
	kinds := []string{"ggcr", "ggcr-referrers", "docker-registry"}
	for _, from := range kinds {
		for _, to := range kinds {
			if os.Getenv(requireMatrix) == "" && from != to {
				continue // all pairs take a minute, and without the programs they add little
			}
			m := matrix{t, from + " -> " + to}
			if hosts[from] == "" || hosts[to] == "" {
				m.skip("all cells", "docker-registry is not installed")
				continue
			}
			o := &oracle{matrix: m, sigstore: s, key: provetest.NewKey(t), stranger: provetest.NewKey(t), dir: t.TempDir()}
			o.promote(hosts[from]+"/"+to+"/app", hosts[to]+"/prod/from-"+from)
			o.sigstoreGo()
			o.cosign()
			o.slsaVerifier()
		}
	}
}

// oracle is one pair of registries, after the promotion.
type oracle struct {
	matrix
	sigstore      *provetest.Sigstore
	key, stranger provetest.Key
	dir           string
	target        *remote.Repository
	digest        string // of the index
	platform      string // of one platform
	tagged        string // of the other platform, whose decisions are under the tag of cosign alone
	bare          string // of an image without decision
	keyBundle     []byte
	idBundle      []byte
}

// promote copies an index and attaches decisions at the target.
func (o *oracle) promote(from, to string) {
	t, ctx := o.t, context.Background()
	index, err := random.Index(64, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewTag(from+":1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := ggcr.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	hash, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	o.digest, o.platform, o.tagged = hash.String(), manifest.Manifests[0].Digest.String(), manifest.Manifests[1].Digest.String()
	client, err := remote.NewClient(t.Context(), remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	source, err := client.Repository(from)
	if err != nil {
		t.Fatal(err)
	}
	if o.target, err = client.Repository(to); err != nil {
		t.Fatal(err)
	}
	wishes := promote.Options{BeforeTags: func(ctx context.Context) error { return o.attach(ctx, to) }}
	p, err := promote.Prepare(ctx, source, o.digest, o.target, []string{"1"}, wishes)
	if err == nil {
		err = p.Run(ctx)
	}
	o.cell("imagegate promote and attach", true, err)
	o.write()
	o.bare = o.other(to)
}

// other pushes an image without decision.
func (o *oracle) other(to string) string {
	img, err := random.Image(64, 1)
	if err != nil {
		o.t.Fatal(err)
	}
	ref, err := name.NewTag(to+":other", name.Insecure)
	if err != nil {
		o.t.Fatal(err)
	}
	if err := ggcr.Write(ref, img); err != nil {
		o.t.Fatal(err)
	}
	var hash v1.Hash
	if hash, err = img.Digest(); err != nil {
		o.t.Fatal(err)
	}
	return hash.String()
}

func (o *oracle) attach(ctx context.Context, to string) error {
	keyed, err := prove.KeySigning(o.key.Private, nil, prove.Services{})
	if err != nil {
		return err
	}
	keyless, err := prove.KeylessSigning(workflow, services(o.sigstore, "rekor v1 and timestamp"))
	if err != nil {
		return err
	}
	for _, digest := range []string{o.digest, o.platform, o.tagged} {
		st, err := prove.NewStatement(prove.Resource{Name: to, Digest: map[string]string{"sha256": strings.TrimPrefix(digest, "sha256:")}}, summary(func(v *prove.Summary) {
			v.ResourceURI, v.TimeVerified = prove.RepositoryURI(to), time.Now()
		}))
		if err != nil {
			return err
		}
		m, err := o.target.Manifest(ctx, digest)
		if err != nil {
			return err
		}
		for _, signing := range []*prove.Signing{keyed, keyless} {
			places := prove.Places{Referrer: digest != o.tagged, Tag: digest == o.tagged}
			raw, err := signing.Sign(ctx, st)
			if err != nil {
				return err
			}
			if err := prove.Attach(ctx, o.target, m.Descriptor, raw, places, time.Now()); err != nil {
				return err
			}
			if digest != o.digest {
				continue
			}
			if signing == keyed {
				o.keyBundle = raw
			} else {
				o.idBundle = raw
			}
		}
	}
	return nil
}

// write writes the files that the programs read.
func (o *oracle) write() {
	b, err := prove.ParseBundle(o.keyBundle)
	if err != nil {
		o.t.Fatal(err)
	}
	e := b.GetDsseEnvelope()
	envelope, err := json.Marshal(map[string]any{
		"payloadType": e.GetPayloadType(), "payload": base64.StdEncoding.EncodeToString(e.GetPayload()),
		"signatures": []map[string]string{{"sig": base64.StdEncoding.EncodeToString(e.GetSignatures()[0].GetSig())}},
	})
	if err != nil {
		o.t.Fatal(err)
	}
	for file, content := range map[string][]byte{"vsa.json": envelope, "root.json": o.sigstore.Root, "gate.pub": o.key.Public, "stranger.pub": o.stranger.Public} {
		if err := os.WriteFile(filepath.Join(o.dir, file), content, 0o600); err != nil {
			o.t.Fatal(err)
		}
	}
}

// sigstoreGo verifies what the registry has with the library alone.
func (o *oracle) sigstoreGo() {
	found, err := prove.Find(context.Background(), o.target, o.digest)
	if err != nil || len(found.Attachments) != 2 {
		o.cell("find what is attached", true, fmt.Errorf("%d attachments, %w", len(found.Attachments), err))
		return
	}
	trusted, err := root.NewTrustedRootFromJSON(o.sigstore.Root)
	if err != nil {
		o.t.Fatal(err)
	}
	identity, err := verify.NewShortCertificateIdentity(provetest.GitHub, "", provetest.Workflow, "")
	if err != nil {
		o.t.Fatal(err)
	}
	v, err := verify.NewVerifier(trusted, verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
	if err != nil {
		o.t.Fatal(err)
	}
	try := func(digest string) error {
		var b bundle.Bundle
		if err := b.UnmarshalJSON(o.idBundle); err != nil {
			return err
		}
		hash, err := v1.NewHash(digest)
		if err != nil {
			return err
		}
		raw := make([]byte, 32)
		if _, err := fmt.Sscanf(hash.Hex, "%x", &raw); err != nil {
			return err
		}
		_, err = v.Verify(&b, verify.NewPolicy(verify.WithArtifactDigest("sha256", raw), verify.WithCertificateIdentity(identity)))
		return err
	}
	o.cell("sigstore-go, identity", true, try(o.digest))
	o.cell("sigstore-go, another digest", false, try(o.bare))
}

func (o *oracle) run(program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Dir = o.dir
	cmd.Env = append(os.Environ(), "HOME="+o.dir, "DOCKER_CONFIG="+o.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (o *oracle) cosign() {
	program := tool("IMAGEGATE_COSIGN", "cosign")
	if program == "" {
		o.skip("cosign", "it is not installed")
		return
	}
	attestation := func(digest string, args ...string) error {
		args = append([]string{"verify-attestation", "--allow-http-registry", "--type", prove.PredicateSummary}, args...)
		return o.run(program, append(args, o.target.Name()+"@"+digest)...)
	}
	key := []string{"--key", "gate.pub", "--insecure-ignore-tlog"}
	identity := []string{
		"--trusted-root", "root.json", "--insecure-ignore-sct", "--certificate-oidc-issuer", provetest.GitHub, "--certificate-identity", provetest.Workflow,
	}
	o.cell("cosign, key, index", true, attestation(o.digest, key...))
	o.cell("cosign, key, platform", true, attestation(o.platform, key...))
	o.cell("cosign, identity, index", true, attestation(o.digest, identity...))
	o.cell("cosign, key, under the tag", true, attestation(o.tagged, key...))
	o.cell("cosign, identity, under the tag", true, attestation(o.tagged, identity...))
	o.cell("cosign, another key", false, attestation(o.digest, "--key", "stranger.pub", "--insecure-ignore-tlog"))
	o.cell("cosign, another identity", false, attestation(o.digest, append(identity[:len(identity)-1:len(identity)-1], "https://github.com/acme/other")...))
	o.cell("cosign, another digest", false, attestation(o.bare, key...))
}

func (o *oracle) slsaVerifier() {
	program := tool("IMAGEGATE_SLSA_VERIFIER", "slsa-verifier")
	if program == "" {
		o.skip("slsa-verifier", "it is not installed")
		return
	}
	vsa := func(key, digest, resource string) error {
		return o.run(program, "verify-vsa", "--subject-digest", digest, "--attestation-path", "vsa.json", "--verifier-id", "https://example.no/imagegate",
			"--resource-uri", resource, "--verified-level", "IMAGEGATE_POLICY_PASSED", "--public-key-path", key)
	}
	resource := prove.RepositoryURI(o.target.Name())
	o.cell("slsa-verifier", true, vsa("gate.pub", o.digest, resource))
	o.cell("slsa-verifier, another key", false, vsa("stranger.pub", o.digest, resource))
	o.cell("slsa-verifier, another digest", false, vsa("gate.pub", o.bare, resource))
	o.cell("slsa-verifier, another repository", false, vsa("gate.pub", o.digest, "oci://registry.example.no/other"))
}
