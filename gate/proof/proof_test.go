package proof

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	repository = "registry.example.no/shop/app"
	predicate  = "https://example.no/other"
)

var (
	otherImage = "sha256:" + strings.Repeat("f", 64)
	now        = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
)

// world is a repository with an image for one platform in an index, and keys.
type world struct {
	t             testing.TB
	repo          *provetest.Repository
	image, index  string
	gate, release provetest.Key
	sigstore      *provetest.Sigstore
	roots         []*prove.Root
	rootErr       error
	bases         map[string]*gate.Resolution
	labels        map[string]string
	layers        []evidence.Layer
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, repo: provetest.NewRepository(repository), gate: provetest.NewKey(t), release: provetest.NewKey(t), bases: map[string]*gate.Resolution{}, layers: layers("a", "b", "c")}
	w.image = w.repo.Push("", provetest.Layer{Type: "application/vnd.oci.image.layer.v1.tar", Raw: []byte("layer")}).Digest
	w.setIndex()
	return w
}

// setIndex makes the index of the image and of attestations.
func (w *world) setIndex(attestations ...promote.Manifest) {
	type entry struct {
		promote.Descriptor
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	entries := []entry{{Descriptor: promote.Descriptor{MediaType: provetest.ManifestType, Digest: w.image, Size: 1}}}
	for _, a := range attestations {
		entries = append(entries, entry{a.Descriptor, map[string]string{annotationType: attestationType, annotationSubject: w.image}})
	}
	raw, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries})
	if err != nil {
		w.t.Fatal(err)
	}
	w.index = provetest.DigestOf(raw)
	m := promote.Manifest{Raw: raw, Descriptor: promote.Descriptor{MediaType: "application/vnd.oci.image.index.v1+json", Digest: w.index, Size: int64(len(raw))}}
	if err := w.repo.PutManifest(context.Background(), m); err != nil {
		w.t.Fatal(err)
	}
}

// statement is a statement about a digest.
func statement(digest, predicateType string, predicate any) *prove.Statement {
	raw, _ := json.Marshal(predicate)
	return &prove.Statement{
		Type: prove.StatementType, PredicateType: predicateType, Predicate: raw,
		Subject: []prove.Resource{{Name: repository, Digest: map[string]string{"sha256": strings.TrimPrefix(digest, "sha256:")}}},
	}
}

// signed is the bundle of a statement.
func (w *world) signed(k provetest.Key, s *prove.Statement) provetest.Layer {
	w.t.Helper()
	signing, err := prove.KeySigning(k.Private, nil, prove.Services{})
	if err != nil {
		w.t.Fatal(err)
	}
	raw, err := signing.Sign(context.Background(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	return provetest.Bundle(raw)
}

// keyless is the bundle of a statement that the release workflow signed.
func (w *world) keyless(s *prove.Statement) provetest.Layer {
	w.t.Helper()
	if w.sigstore == nil {
		w.sigstore = provetest.NewSigstore(w.t)
		w.roots = rootsOf(w.t, w.sigstore.Root)
	}
	token := func(context.Context) (string, error) { return provetest.WorkflowToken(), nil }
	signing, err := prove.KeylessSigning(token, prove.Services{Fulcio: w.sigstore.URL + "/fulcio", Rekor: w.sigstore.URL + "/rekor"})
	if err != nil {
		w.t.Fatal(err)
	}
	raw, err := signing.Sign(context.Background(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	return provetest.Bundle(raw)
}

func rootsOf(t testing.TB, raw []byte) []*prove.Root {
	t.Helper()
	roots, err := prove.ParseRoots(raw)
	if err != nil {
		t.Fatal(err)
	}
	return roots
}

// rawSignature signs bytes with a key.
func (w *world) rawSignature(k provetest.Key, payload []byte) []byte {
	w.t.Helper()
	private, err := cryptoutils.UnmarshalPEMToPrivateKey(k.Private, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	signer, err := signature.LoadDefaultSigner(private)
	if err != nil {
		w.t.Fatal(err)
	}
	sig, err := signer.SignMessage(strings.NewReader(string(payload)))
	if err != nil {
		w.t.Fatal(err)
	}
	return sig
}

// simple is a signature of cosign in its older form. claimed is the digest in it.
func (w *world) simple(k provetest.Key, claimed string) provetest.Layer {
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"%s"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}`, repository, claimed)
	return provetest.Layer{Type: "application/vnd.dev.cosign.simplesigning.v1+json", Raw: payload, Annotations: map[string]string{
		"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(w.rawSignature(k, payload)),
	}}
}

// ofManifest is a bundle that holds the signature of the manifest itself.
func (w *world) ofManifest(k provetest.Key, digest string) provetest.Layer {
	m, err := w.repo.Manifest(context.Background(), digest)
	if err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256(m.Raw)
	raw := fmt.Appendf(nil, `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":""}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"%s"},"signature":"%s"}}`,
		base64.StdEncoding.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(w.rawSignature(k, m.Raw)))
	return provetest.Bundle(raw)
}

// Resolve implements [gate.Resolver] for base images.
func (w *world) Resolve(_ context.Context, ref string) (*gate.Resolution, error) {
	if r := w.bases[ref]; r != nil {
		return r, nil
	}
	return nil, errors.New("no such image")
}

func (w *world) target() *gate.Target {
	return &gate.Target{Image: evidence.Image{
		SchemaVersion: evidence.SchemaVersion, Digest: w.image, IndexDigest: w.index, Platform: "linux/amd64", Platforms: []string{"linux/amd64"},
		Reference: evidence.Reference{Asked: repository + ":1", Source: evidence.SourceRegistry, Name: repository, Registry: "registry.example.no", Repository: "shop/app", Tag: "1"},
		Config:    &evidence.Config{User: "1000", Labels: w.labels, Layers: w.layers},
	}}
}

func (w *world) collector() *Collector {
	return New(Options{
		Repository: func(name string) (promote.Repository, error) {
			if name != repository {
				return nil, errors.New("another repository")
			}
			return w.repo, nil
		},
		Resolver: w, Roots: func(context.Context) ([]*prove.Root, *evidence.TrustedRoot, error) {
			switch {
			case w.rootErr != nil:
				return nil, nil, w.rootErr
			case len(w.roots) == 0:
				return nil, nil, nil
			}
			return w.roots, &evidence.TrustedRoot{Source: "trusted_root.json"}, nil
		},
	})
}

// trust is the trust section of the tests: two keys and the release workflow.
func (w *world) trust() string {
	key := func(k provetest.Key) string { return strings.ReplaceAll(string(k.Public), "\n", `\n`) }
	return fmt.Sprintf(`version: 1
extends: none
trust:
- {name: gate, key: "%s", for: [decision, approval]}
- {name: release, key: "%s", for: [signature, provenance, approval]}
- {name: workflow, identity: "https://github.com/acme/app/.github/workflows/*@refs/tags/*", issuer: "%s", for: [signature, provenance]}
`, key(w.gate), key(w.release), provetest.GitHub)
}

// judge collects the proof and judges by it.
func (w *world) judge(rules string) (policy.Verdict, *evidence.Proof) {
	w.t.Helper()
	p, err := policy.Parse("policy.yaml", []byte(w.trust()+rules+"\n"))
	if err != nil {
		w.t.Fatal(err)
	}
	t := w.target()
	need := p.ProofNeedFor(t.Image.Reference)
	proof, err := w.collector().Prove(context.Background(), t, need)
	if err != nil {
		w.t.Fatal(err)
	}
	t.Image.Proof = proof
	return p.Evaluate(&t.Image, now), proof
}

// rule returns what one rule says.
func rule(t testing.TB, v policy.Verdict, id string) policy.RuleResult {
	t.Helper()
	for _, r := range v.Rules {
		if r.Rule == id {
			return r
		}
	}
	t.Fatalf("no rule %s", id)
	return policy.RuleResult{}
}

// attack is a row of a table: what is attached, and what the rule says of it.
type attack struct {
	attach func(*world)
	want   policy.Result
	say    string // part of the message or the details
}

func runAttacks(t *testing.T, rules, id string, rows map[string]attack) {
	t.Helper()
	for name, a := range rows {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a.attach(w)
			v, proof := w.judge(rules)
			r := rule(t, v, id)
			text := r.Message + "\n" + strings.Join(r.Details, "\n")
			if r.Result != a.want || !strings.Contains(text, a.say) {
				t.Errorf("%s: %s\n%s\nwant %s with %q\nproof: %+v", id, r.Result, text, a.want, a.say, proof)
			}
			if (v.Decision == policy.Passed) != (a.want == policy.ResultPass) {
				t.Errorf("the verdict is %s", v.Decision)
			}
		})
	}
}

// Signatures in every form that cosign writes, and what is none.
func TestSignatures(t *testing.T) {
	sign := func(k func(*world) provetest.Key, digest func(*world) string) func(*world) {
		return func(w *world) {
			w.repo.Push(digest(w), w.signed(k(w), statement(digest(w), predicateSign, map[string]any{})))
		}
	}
	release := func(w *world) provetest.Key { return w.release }
	other := func(w *world) provetest.Key { return w.gate }
	image, index := func(w *world) string { return w.image }, func(w *world) string { return w.index }
	const none = "not signed by release"
	runAttacks(t, "signatures: {require: [release]}", "signatures.require", map[string]attack{
		"a bundle over the image": {sign(release, image), policy.ResultPass, "the image"},
		"a bundle over the index": {sign(release, index), policy.ResultPass, "its index"},
		"a tag over the image":    {func(w *world) { w.repo.PushTag(w.image, ".sig", w.simple(w.release, w.image)) }, policy.ResultPass, ""},
		"a tag over the index":    {func(w *world) { w.repo.PushTag(w.index, ".sig", w.simple(w.release, w.index)) }, policy.ResultPass, ""},
		"second in a tag": {func(w *world) {
			w.repo.PushTag(w.image, ".sig", w.simple(w.gate, w.image), w.simple(w.release, w.image))
		}, policy.ResultPass, ""},
		"the old form as a referrer":   {func(w *world) { w.repo.Push(w.image, w.simple(w.release, w.image)) }, policy.ResultPass, ""},
		"a signature of the manifest":  {func(w *world) { w.repo.Push(w.image, w.ofManifest(w.release, w.image)) }, policy.ResultPass, ""},
		"of the manifest of the index": {func(w *world) { w.repo.Push(w.index, w.ofManifest(w.release, w.index)) }, policy.ResultPass, ""},
		"amid rubbish": {func(w *world) {
			for i := range 50 {
				w.repo.Push(w.image, provetest.Bundle(fmt.Appendf(nil, "rubbish %d", i)))
			}
			sign(release, image)(w)
		}, policy.ResultPass, ""},

		"nothing":                  {func(*world) {}, policy.ResultFail, none},
		"another signer":           {sign(other, image), policy.ResultFail, none},
		"another signer, in a tag": {func(w *world) { w.repo.PushTag(w.image, ".sig", w.simple(w.gate, w.image)) }, policy.ResultFail, none},
		"another subject": {func(w *world) {
			w.repo.Push(w.image, w.signed(w.release, statement(otherImage, predicateSign, map[string]any{})))
		}, policy.ResultFail, "about another image"},
		"another digest in the payload": {func(w *world) { w.repo.PushTag(w.image, ".sig", w.simple(w.release, otherImage)) }, policy.ResultFail, "about another image"},
		"the payload names the index":   {func(w *world) { w.repo.PushTag(w.image, ".sig", w.simple(w.release, w.index)) }, policy.ResultFail, "about another image"},
		"the manifest of another image": {func(w *world) { w.repo.Push(w.image, w.ofManifest(w.release, w.index)) }, policy.ResultFail, none},
		"the signature of another payload": {func(w *world) {
			l := w.simple(w.release, w.image)
			l.Annotations["dev.cosignproject.cosign/signature"] = w.simple(w.release, otherImage).Annotations["dev.cosignproject.cosign/signature"]
			w.repo.PushTag(w.image, ".sig", l)
		}, policy.ResultFail, none},
		"right signer, other statement": {func(w *world) {
			w.repo.Push(w.image, w.signed(w.release, statement(w.image, predicate, map[string]any{})))
		}, policy.ResultFail, none},
		"right signer, provenance": {func(w *world) {
			w.repo.Push(w.image, w.signed(w.release, statement(w.image, policy.ProvenanceV1, map[string]any{})))
		}, policy.ResultFail, none},
		"right signer, decision": {func(w *world) {
			w.repo.Push(w.image, w.signed(w.release, statement(w.image, prove.PredicateSummary, map[string]any{})))
		}, policy.ResultFail, none},
		"the old form under .att": {func(w *world) {
			w.repo.PushTag(w.image, ".att", w.signed(w.release, statement(w.image, predicate, map[string]any{})))
		}, policy.ResultFail, none},
		"attached to another image": {func(w *world) {
			w.repo.Push(otherImage, w.signed(w.release, statement(w.image, predicateSign, map[string]any{})))
		}, policy.ResultFail, none},
		"a bundle of 100 MB":                   {func(w *world) { w.repo.Push(w.image, provetest.Bundle(make([]byte, 100<<20))) }, policy.ResultFail, none},
		"a bundle of 100 MB beside a good one": {func(w *world) { w.repo.Push(w.image, provetest.Bundle(make([]byte, 100<<20))); sign(release, image)(w) }, policy.ResultPass, ""},
		"a thousand and one referrers": {func(w *world) {
			for i := range 1001 {
				w.repo.Push(w.image, provetest.Layer{Type: "text/plain", Raw: fmt.Append(nil, i)})
			}
			sign(release, image)(w)
		}, policy.ResultUndecided, "refer to"},
		"the registry fails": {func(w *world) {
			sign(release, image)(w)
			w.repo.Fail = func(what string) error { return errors.New("503: " + what) }
		}, policy.ResultUndecided, "503"},
		"the registry fails for the index": {func(w *world) {
			sign(release, image)(w)
			w.repo.Fail = func(what string) error {
				if strings.Contains(what, w.index) {
					return errors.New("503")
				}
				return nil
			}
		}, policy.ResultPass, ""},
	})
}

// Signatures with identities need the right identity, issuer and root.
func TestIdentities(t *testing.T) {
	sign := func(w *world) { w.repo.Push(w.image, w.keyless(statement(w.image, predicateSign, map[string]any{}))) }
	const rules = "signatures: {require: [workflow]}"
	runAttacks(t, rules, "signatures.require", map[string]attack{
		"the workflow":               {sign, policy.ResultPass, "workflow signed the image"},
		"without a trusted root":     {func(w *world) { sign(w); w.roots = nil }, policy.ResultUndecided, "without a trusted root"},
		"the root cannot be fetched": {func(w *world) { sign(w); w.rootErr = errors.New("no network") }, policy.ResultUndecided, "no network"},
		"another root":               {func(w *world) { sign(w); w.roots = rootsOf(w.t, provetest.NewSigstore(w.t).Root) }, policy.ResultFail, "does not hold"},
		"an expired root":            {func(w *world) { sign(w); w.roots = rootsOf(w.t, expired(w.t, w.sigstore.Root)) }, policy.ResultFail, "does not hold"},
		"nothing, with a root":       {func(w *world) { w.keyless(statement(w.image, predicate, map[string]any{})) }, policy.ResultFail, "not signed by workflow"},
	})
	w := newWorld(t)
	sign(w)
	for name, trust := range map[string]string{
		"another issuer":   `identity: "https://github.com/acme/app/.github/workflows/*@refs/tags/*", issuer: "https://gitlab.com"`,
		"another identity": `identity: "https://github.com/acme/other/.github/workflows/*@refs/tags/*", issuer: "` + provetest.GitHub + `"`,
		"another ref":      `identity: "https://github.com/acme/app/.github/workflows/*@refs/heads/*", issuer: "` + provetest.GitHub + `"`,
	} {
		p, err := policy.Parse("policy.yaml", []byte("version: 1\nextends: none\ntrust: [{name: x, "+trust+", for: [signature]}]\nsignatures: {require: [x]}\n"))
		if err != nil {
			t.Fatal(err)
		}
		target := w.target()
		target.Image.Proof, err = w.collector().Prove(context.Background(), target, p.ProofNeedFor(target.Image.Reference))
		if err != nil {
			t.Fatal(err)
		}
		r := rule(t, p.Evaluate(&target.Image, now), "signatures.require")
		if text := strings.Join(r.Details, "\n"); r.Result != policy.ResultFail || !strings.Contains(text, provetest.Workflow) {
			t.Errorf("%s: %s, %s", name, r.Result, text)
		}
	}
}

// expired is a trusted root whose authorities ended long ago.
func expired(t testing.TB, root []byte) []byte {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(root, &all); err != nil {
		t.Fatal(err)
	}
	period := map[string]any{"start": "2020-01-01T00:00:00Z", "end": "2020-02-01T00:00:00Z"}
	for _, list := range []string{"certificateAuthorities", "timestampAuthorities"} {
		entries, _ := all[list].([]any)
		for _, e := range entries {
			e.(map[string]any)["validFor"] = period
		}
	}
	for _, list := range []string{"tlogs", "ctlogs"} {
		entries, _ := all[list].([]any)
		for _, e := range entries {
			e.(map[string]any)["publicKey"].(map[string]any)["validFor"] = period
		}
	}
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func v1(builder, source, ref string, dependencies ...resource) map[string]any {
	return map[string]any{
		"buildDefinition": map[string]any{
			"buildType":            "https://actions.github.io/buildtypes/workflow/v1",
			"externalParameters":   map[string]any{"workflow": map[string]any{"repository": source, "ref": ref, "path": ".github/workflows/release.yml"}},
			"resolvedDependencies": dependencies,
		},
		"runDetails": map[string]any{"builder": map[string]any{"id": builder}},
	}
}

func v02(builder, uri string, materials ...resource) map[string]any {
	return map[string]any{
		"builder": map[string]any{"id": builder}, "buildType": "https://mobyproject.org/buildkit@v1",
		"invocation": map[string]any{"configSource": map[string]any{"uri": uri}}, "materials": materials,
	}
}

// inIndex makes a statement part of the index, as BuildKit does.
func (w *world) inIndex(s *prove.Statement) {
	raw, err := s.Payload()
	if err != nil {
		w.t.Fatal(err)
	}
	w.setIndex(w.repo.Push("", provetest.Layer{Type: statementType, Raw: raw, Annotations: map[string]string{"in-toto.io/predicate-type": s.PredicateType}}))
}

func TestProvenance(t *testing.T) {
	const runner = "https://github.com/actions/runner/github-hosted"
	good := v1(runner, "https://github.com/acme/app", "refs/tags/v1.4.2")
	attach := func(digest func(*world) string, predicateType string, p any) func(*world) {
		return func(w *world) { w.repo.Push(digest(w), w.signed(w.release, statement(digest(w), predicateType, p))) }
	}
	image, index := func(w *world) string { return w.image }, func(w *world) string { return w.index }
	const rules = `provenance: {signed-by: [release], builders: ["https://github.com/actions/runner/*"], sources: ["github.com/acme/*"], refs: ["refs/tags/v*"]}`
	runAttacks(t, rules, "provenance", map[string]attack{
		"v1 about the image": {attach(image, policy.ProvenanceV1, good), policy.ResultPass, "github.com/acme/app"},
		"v1 about the index": {attach(index, policy.ProvenanceV1, good), policy.ResultPass, ""},
		"v0.2":               {attach(image, policy.ProvenanceV02, v02(runner, "git+https://github.com/acme/app@refs/tags/v1")), policy.ResultPass, ""},
		"v0.2 of BuildKit":   {attach(image, policy.ProvenanceV02, v02(runner, "https://github.com/acme/app.git#refs/tags/v1")), policy.ResultPass, ""},
		"in an index of release": {func(w *world) {
			w.inIndex(statement(w.image, policy.ProvenanceV1, good))
			w.repo.Push(w.index, w.signed(w.release, statement(w.index, predicateSign, map[string]any{})))
		}, policy.ResultPass, ""},
		"in an unsigned index": {func(w *world) { w.inIndex(statement(w.image, policy.ProvenanceV1, good)) }, policy.ResultFail, "a claim"},
		"in an index of another": {func(w *world) {
			w.inIndex(statement(w.image, policy.ProvenanceV1, good))
			w.repo.Push(w.index, w.signed(w.gate, statement(w.index, predicateSign, map[string]any{})))
		}, policy.ResultFail, "a claim"},
		"in an index, about another": {func(w *world) {
			w.inIndex(statement(otherImage, policy.ProvenanceV1, good))
			w.repo.Push(w.index, w.signed(w.release, statement(w.index, predicateSign, map[string]any{})))
		}, policy.ResultFail, "another image"},
		"replayed from the index before": {func(w *world) {
			w.inIndex(statement(w.image, policy.ProvenanceV1, good))
			before := w.index
			w.repo.Push(before, w.signed(w.release, statement(before, predicateSign, map[string]any{})))
			w.inIndex(statement(w.image, policy.ProvenanceV1, v1(runner, "https://github.com/acme/app", "refs/tags/v9")))
		}, policy.ResultFail, "a claim"},
		"another signer": {func(w *world) { w.repo.Push(w.image, w.signed(w.gate, statement(w.image, policy.ProvenanceV1, good))) }, policy.ResultFail, "no provenance"},
		"another subject": {func(w *world) {
			w.repo.Push(w.image, w.signed(w.release, statement(otherImage, policy.ProvenanceV1, good)))
		}, policy.ResultFail, "another image"},
		"another builder":    {attach(image, policy.ProvenanceV1, v1("https://evil.example/x", "https://github.com/acme/app", "refs/tags/v1")), policy.ResultFail, "builder"},
		"another source":     {attach(image, policy.ProvenanceV1, v1(runner, "https://github.com/evil/app", "refs/tags/v1")), policy.ResultFail, "source"},
		"a source with dots": {attach(image, policy.ProvenanceV1, v1(runner, "https://github.com/acme/../evil", "refs/tags/v1")), policy.ResultFail, "source"},
		"a user for a host":  {attach(image, policy.ProvenanceV1, v1(runner, "https://github.com@evil.example/acme/app", "refs/tags/v1")), policy.ResultFail, "evil.example"},
		"another ref":        {attach(image, policy.ProvenanceV1, v1(runner, "https://github.com/acme/app", "refs/heads/main")), policy.ResultFail, "ref"},
		"no source":          {attach(image, policy.ProvenanceV02, v02(runner, "")), policy.ResultUndecided, "names no source"},
		"odd predicate":      {attach(image, policy.ProvenanceV1, map[string]any{"buildDefinition": 1}), policy.ResultUndecided, "cannot be read"},
		"only a signature":   {func(w *world) { w.repo.Push(w.image, w.signed(w.release, statement(w.image, predicateSign, good))) }, policy.ResultFail, "no provenance"},
		"the index cannot be read": {func(w *world) {
			w.inIndex(statement(w.image, policy.ProvenanceV1, good))
			w.repo.Fail = func(what string) error {
				if what == "manifest "+w.index {
					return errors.New("503")
				}
				return nil
			}
		}, policy.ResultUndecided, "503"},
	})
}

// Approvals count for this image under this policy, and two people are two keys.
func TestApprovals(t *testing.T) {
	const rules = "approvals: [{by: [gate, release], at-least: 2}]"
	approve := func(w *world, k provetest.Key, digest string) provetest.Layer {
		p, err := policy.Parse("policy.yaml", []byte(w.trust()+rules+"\n"))
		if err != nil {
			w.t.Fatal(err)
		}
		if digest == "" {
			digest = p.Digest()
		}
		return w.signed(k, statement(w.image, policy.ApprovalType, map[string]any{"policy": map[string]any{"digest": map[string]string{"sha256": strings.TrimPrefix(digest, "sha256:")}}, "reason": "reviewed"}))
	}
	runAttacks(t, rules, "approvals", map[string]attack{
		"two people": {func(w *world) {
			w.repo.Push(w.image, approve(w, w.gate, ""))
			w.repo.Push(w.image, approve(w, w.release, ""))
		}, policy.ResultPass, "2 of 2"},
		"one person, twice": {func(w *world) {
			w.repo.Push(w.image, approve(w, w.gate, ""))
			w.repo.Push(w.image, approve(w, w.gate, ""))
			w.repo.PushTag(w.image, ".att", approve(w, w.gate, ""))
		}, policy.ResultFail, "1 of 2"},
		"another policy": {func(w *world) {
			w.repo.Push(w.image, approve(w, w.gate, ""))
			w.repo.Push(w.image, approve(w, w.release, otherImage))
		}, policy.ResultFail, "under policy"},
		"no policy": {func(w *world) {
			w.repo.Push(w.image, approve(w, w.gate, ""))
			w.repo.Push(w.image, approve(w, w.release, "sha256:x"))
		}, policy.ResultFail, "names no policy"},
		"a stranger": {func(w *world) {
			w.repo.Push(w.image, approve(w, w.gate, ""))
			w.repo.Push(w.image, approve(w, provetest.NewKey(w.t), ""))
		}, policy.ResultFail, "1 of 2"},
	})
}

func layers(names ...string) []evidence.Layer {
	var out []evidence.Layer
	for _, n := range names {
		sum := provetest.DigestOf([]byte(n))
		out = append(out, evidence.Layer{Digest: provetest.DigestOf([]byte(n + " compressed")), DiffID: sum})
	}
	return out
}

// base adds a base image with layers.
func (w *world) base(ref string, age time.Duration, all []evidence.Layer) string {
	digest := provetest.DigestOf(fmt.Append(nil, ref, all))
	created := now.Add(-age)
	r := &gate.Resolution{Digest: digest, Targets: []gate.Target{{Image: evidence.Image{Digest: digest, Platform: "linux/amd64", Config: &evidence.Config{Created: &created, Layers: all}}}}}
	w.bases[ref] = r
	name, _, _ := strings.Cut(ref, ":")
	w.bases[name+"@"+digest] = r
	return digest
}

func (w *world) labelled(name, digest string) {
	w.labels = map[string]string{labelName: name}
	if digest != "" {
		w.labels[labelDigest] = digest
	}
}

// The layers prove the base image, and nothing that the image says of itself.
func TestBaseImage(t *testing.T) {
	const rules = `base-image: {allow: ["registry.example.no/base/*"], pin: digest, max-age: 30d}`
	const debian = "registry.example.no/base/debian:12"
	const day = 24 * time.Hour
	runAttacks(t, rules, "base-image", map[string]attack{
		"proven by its layers": {func(w *world) { w.labelled(debian, w.base(debian, day, layers("a", "b"))) }, policy.ResultPass, "built on registry.example.no/base/debian:12"},
		"all layers":           {func(w *world) { w.labelled(debian, w.base(debian, day, layers("a", "b", "c"))) }, policy.ResultPass, ""},
		"named by provenance": {func(w *world) {
			d := w.base(debian, day, layers("a"))
			w.repo.Push(w.image, w.signed(w.release, statement(w.image, policy.ProvenanceV1, v1("x", "https://github.com/acme/app", "x", resource{URI: "pkg:docker/registry.example.no/base/debian@12?platform=linux%2Famd64", Digest: map[string]string{"sha256": strings.TrimPrefix(d, "sha256:")}}))))
		}, policy.ResultUndecided, "nothing names"}, // the rules name no signer of provenance
		"named by provenance in the index": {func(w *world) {
			d := w.base(debian, day, layers("a"))
			w.inIndex(statement(w.image, policy.ProvenanceV02, v02("x", "", resource{URI: "pkg:docker/registry.example.no/base/debian@12?platform=linux%2Famd64", Digest: map[string]string{"sha256": strings.TrimPrefix(d, "sha256:")}})))
		}, policy.ResultPass, "debian:12"},
		"nothing names it":      {func(w *world) { w.base(debian, day, layers("a")) }, policy.ResultUndecided, "nothing names"},
		"a forged label":        {func(w *world) { w.labelled(debian, w.base(debian, day, layers("x", "y"))) }, policy.ResultUndecided, "its layers are not the first layers"},
		"a base of another end": {func(w *world) { w.labelled(debian, w.base(debian, day, layers("b", "c"))) }, policy.ResultUndecided, "its layers are not the first layers"},
		"more layers than ours": {func(w *world) { w.labelled(debian, w.base(debian, day, layers("a", "b", "c", "d"))) }, policy.ResultUndecided, "not the first layers"},
		"a base without layers": {func(w *world) { w.labelled(debian, w.base(debian, day, nil)) }, policy.ResultUndecided, "not the first layers"},
		"squashed": {func(w *world) {
			w.layers = layers("abc")
			w.labelled(debian, w.base(debian, day, layers("a", "b")))
		}, policy.ResultUndecided, "squashed"},
		"cannot be fetched": {func(w *world) { w.labelled("registry.example.no/base/gone:1", otherImage) }, policy.ResultUndecided, "cannot be fetched"},
		"not allowed": {func(w *world) {
			w.labelled("docker.io/library/debian:12", w.base("docker.io/library/debian:12", day, layers("a")))
		}, policy.ResultFail, "names no allowed base image"},
		"another host":   {func(w *world) { w.labelled("evil.example/base/debian:12", otherImage) }, policy.ResultFail, "evil.example"},
		"no reference":   {func(w *world) { w.labelled("::", "") }, policy.ResultUndecided, "nothing names"},
		"named by a tag": {func(w *world) { w.base(debian, day, layers("a")); w.labelled(debian, "") }, policy.ResultFail, "without a digest"},
		"too old":        {func(w *world) { w.labelled(debian, w.base(debian, 31*day, layers("a"))) }, policy.ResultFail, "31 days"},
		"compressed otherwise": {func(w *world) {
			other := layers("a")
			other[0].Digest = otherImage
			w.labelled(debian, w.base(debian, day, other))
		}, policy.ResultUndecided, "compressed otherwise"},
		"the nearer of two": {func(w *world) {
			w.labelled(debian, w.base(debian, day, layers("a")))
			d := w.base("registry.example.no/base/python:3", 31*day, layers("a", "b"))
			w.inIndex(statement(w.image, policy.ProvenanceV02, v02("x", "", resource{URI: "pkg:docker/registry.example.no/base/python@3", Digest: map[string]string{"sha256": strings.TrimPrefix(d, "sha256:")}})))
		}, policy.ResultFail, "python:3"},
	})
}

// A candidate whose name the policy does not allow is not asked for: the author of an
// image must not choose which hosts are contacted.
func TestBaseImagesOfOthersAreNotFetched(t *testing.T) {
	w := newWorld(t)
	w.labelled("169.254.169.254/latest/meta-data:1", "")
	asked := 0
	c := w.collector()
	c.o.Resolver = resolverFunc(func(string) { asked++ })
	p, err := c.Prove(context.Background(), w.target(), evidence.ProofNeed{Base: true, Bases: []string{"registry.example.no/base/*"}})
	if err != nil || asked != 0 || len(p.Base.Candidates) != 1 || !p.Base.Candidates[0].Unread {
		t.Errorf("%d requests, %+v, %v", asked, p, err)
	}
}

type resolverFunc func(ref string)

func (f resolverFunc) Resolve(_ context.Context, ref string) (*gate.Resolution, error) {
	f(ref)
	return nil, errors.New("no")
}

// Images that are in no registry have no attachments to read, and that is no pass.
func TestLocalImages(t *testing.T) {
	w := newWorld(t)
	target := w.target()
	target.Image.Reference = evidence.Reference{Asked: "oci:x", Source: evidence.SourceOCI, Name: "oci:x"}
	p, err := w.collector().Prove(context.Background(), target, evidence.ProofNeed{Attached: true})
	if err != nil || len(p.Gaps) != 1 || !strings.Contains(p.Gaps[0].Reason, "registries only") {
		t.Errorf("%+v, %v", p, err)
	}
}

// Of an image that is judged under another name, what is attached is read where the
// image is.
func TestImagesJudgedFromElsewhere(t *testing.T) {
	w := newWorld(t)
	target := w.target()
	for from, want := range map[string]string{repository + ":1": repository, "oci:x": "oci:x", "registry.example.no/other:1": ""} {
		target.Image.Reference.Name, target.Image.Reference.JudgedFrom = "registry.example.no/prod/app", from
		p, err := w.collector().Prove(context.Background(), target, evidence.ProofNeed{Attached: true})
		if (err == nil) != (want != "") || err == nil && (p.Repository != want || (len(p.Gaps) == 0) != (want == repository)) {
			t.Errorf("%s: %+v, %v", from, p, err)
		}
	}
}

// A run that ended collects nothing that could look complete.
func TestCancelled(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if p, err := w.collector().Prove(ctx, w.target(), evidence.ProofNeed{Attached: true}); err == nil {
		t.Errorf("%+v", p)
	}
}
