package proof

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/gatetest/registrytest"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/image/remote"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// What cosign itself signs and attests is read: bundles and the older form, over an
// index and over one platform. IMAGEGATE_COSIGN names the program.
func TestCosign(t *testing.T) {
	program := os.Getenv("IMAGEGATE_COSIGN")
	if program == "" {
		program, _ = exec.LookPath("cosign")
	}
	if program == "" {
		t.Skip("cosign is not installed")
	}
	reg := registrytest.Registry(t)
	client, err := remote.NewClient(t.Context(), remote.Options{Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	resolver, err := image.NewResolver(image.Options{Sources: map[evidence.Source]image.Source{evidence.SourceRegistry: client}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, gate: provetest.NewKey(t), release: provetest.NewKey(t)}
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "COSIGN_PASSWORD=", "HOME="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("cosign %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("release.pem", w.release.Private)
	run("import-key-pair", "--key", "release.pem", "--output-key-prefix", "release")
	judge := func(ref, rules, id string) policy.RuleResult {
		t.Helper()
		p, err := policy.Parse("policy.yaml", []byte(w.trust()+rules+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		g := &gate.Gate{Policy: p, Resolver: resolver, Prover: New(Options{
			Resolver: resolver, Repository: func(name string) (promote.Repository, error) { return client.Repository(name) },
		})}
		r := g.Check(context.Background(), []string{ref})
		if len(r) == 0 || r[0].Err != nil {
			t.Fatalf("%s: %+v", ref, r)
		}
		return rule(t, r[0].Verdict, id)
	}
	const signed = "signatures: {require: [release]}"
	write("predicate.json", []byte(`{"buildDefinition":{"externalParameters":{"workflow":{"repository":"https://github.com/acme/app","ref":"refs/tags/v1"}}},"runDetails":{"builder":{"id":"https://b.example.no/x"}}}`))
	for name, form := range map[string][]string{
		"bundle": {"--new-bundle-format=true", "--use-signing-config=false"},
		"old":    {"--new-bundle-format=false", "--use-signing-config=false"},
	} {
		img, err := random.Image(64, 2)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		config.OS, config.Architecture = "linux", "amd64"
		if img, err = mutate.ConfigFile(img, config); err != nil {
			t.Fatal(err)
		}
		ref := reg.MustPush(t, img, "cosign/"+name+":1").Tagged
		if r := judge(ref, signed, "signatures.require"); r.Result != policy.ResultFail {
			t.Fatalf("%s, before it is signed: %+v", name, r)
		}
		common := append([]string{"--yes", "--key", "release.key", "--allow-http-registry", "--tlog-upload=false"}, form...)
		run(append(append([]string{"attest", "--type", policy.ProvenanceV1, "--predicate", "predicate.json"}, common...), ref)...)
		if r := judge(ref, signed, "signatures.require"); r.Result != policy.ResultFail {
			t.Errorf("%s, an attestation is no signature: %+v", name, r)
		}
		if r := judge(ref, `provenance: {signed-by: [release], sources: ["github.com/acme/*"]}`, "provenance"); r.Result != policy.ResultPass {
			t.Errorf("%s, provenance: %+v", name, r)
		}
		run(append(append([]string{"sign"}, common...), ref)...)
		if r := judge(ref, signed, "signatures.require"); r.Result != policy.ResultPass {
			t.Errorf("%s, signed: %+v", name, r)
		}
		digest := judgedDigestOf(t, client, ref)
		p, err := policy.Parse("policy.yaml", []byte(w.trust()+"approvals: [{by: [release], at-least: 1}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		write("approval.json", []byte(`{"policy": {"digest": {"sha256": "`+strings.TrimPrefix(p.Digest(), "sha256:")+`"}}, "reason": "reviewed"}`))
		run(append(append([]string{"attest", "--type", policy.ApprovalType, "--predicate", "approval.json"}, common...), strings.TrimSuffix(ref, ":1")+"@"+digest)...)
		if r := judge(ref, "approvals: [{by: [release], at-least: 1}]", "approvals"); r.Result != policy.ResultPass {
			t.Errorf("%s, approved: %+v", name, r)
		}
	}
}

func judgedDigestOf(t *testing.T, client *remote.Client, ref string) string {
	t.Helper()
	repo, err := client.Repository(ref)
	if err != nil {
		t.Fatal(err)
	}
	m, err := repo.Tag(context.Background(), "1")
	if err != nil {
		t.Fatal(err)
	}
	return m.Digest
}
