package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/image/remote"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// attached is a statement that a key signs about an image of the registry.
type attached struct {
	image, key, predicateType string
	predicate                 any
}

// sign attaches statements, as cosign and build systems do.
func (w *world) sign(t *testing.T, all ...attached) {
	t.Helper()
	client, err := remote.NewClient(t.Context(), remote.Options{Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, a := range all {
		repo, tag, _ := strings.Cut(a.image, ":")
		target, err := client.Repository(w.host + "/" + repo)
		if err != nil {
			t.Fatal(err)
		}
		m, err := target.Tag(context.Background(), tag)
		if err != nil {
			t.Fatal(err)
		}
		predicate, err := json.Marshal(a.predicate)
		if err != nil {
			t.Fatal(err)
		}
		signing, err := prove.KeySigning(w.keys[a.key].Private, nil, prove.Services{})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := signing.Sign(context.Background(), &prove.Statement{
			Type: prove.StatementType, PredicateType: a.predicateType, Predicate: predicate,
			Subject: []prove.Resource{{Name: repo, Digest: map[string]string{"sha256": strings.TrimPrefix(m.Digest, "sha256:")}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := prove.Attach(context.Background(), target, m.Descriptor, raw, prove.Places{Referrer: true}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

// seal is "seal KEY TIME FILE": the file of evidence is sealed as by a run of that time.
func (w *world) seal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: seal KEY TIME FILE")
	}
	at, err := time.Parse(time.RFC3339, args[1])
	ts.Check(err)
	path := ts.MkAbs(args[2])
	sum := sha256.Sum256([]byte(ts.ReadFile(args[2])))
	statement, err := prove.NewSeal(args[2], fmt.Sprintf("sha256:%x", sum), prove.Sealed{Tool: "imagegate test", Time: at})
	ts.Check(err)
	signing, err := prove.KeySigning(w.keys[args[0]].Private, nil, prove.Services{})
	ts.Check(err)
	raw, err := signing.Sign(context.Background(), statement)
	ts.Check(err)
	ts.Check(os.WriteFile(path+sealEnd, raw, 0o600))
}

// signSamples attaches what the script trust.txtar judges.
func (w *world) signSamples(t *testing.T) {
	t.Helper()
	build := map[string]any{
		"buildDefinition": map[string]any{"externalParameters": map[string]any{"workflow": map[string]any{"repository": "https://github.com/acme/app", "ref": "refs/tags/v1.0.0"}}},
		"runDetails":      map[string]any{"builder": map[string]any{"id": "https://github.com/actions/runner/github-hosted"}},
	}
	w.sign(t,
		attached{"signed/app:1.0.0", "gate", "https://sigstore.dev/cosign/sign/v1", map[string]any{}},
		attached{"signed/app:1.0.0", "gate", policy.ProvenanceV1, build},
		attached{"provenance-only/app:1.0.0", "gate", policy.ProvenanceV1, build},
		attached{"by-stranger/app:1.0.0", "stranger", "https://sigstore.dev/cosign/sign/v1", map[string]any{}},
	)
}

// trustSection is a trust section with the key pairs of the scripts.
func (w *world) trustSection() []byte {
	var b bytes.Buffer
	b.WriteString("version: 1\nextends: none\ntrust:\n")
	for _, s := range []struct{ name, key, purposes string }{
		{"gate", "gate", "decision"}, {"release", "gate", "signature, provenance"}, {"alice", "gate", "approval"}, {"bob", "stranger", "approval"},
	} {
		key := strings.ReplaceAll(strings.TrimSpace(string(w.keys[s.key].Public)), "\n", "\n      ")
		fmt.Fprintf(&b, "  - name: %s\n    for: [%s]\n    key: |\n      %s\n", s.name, s.purposes, key)
	}
	fmt.Fprintf(&b, "  - {name: workflow, identity: \"https://github.com/acme/app/.github/workflows/*@refs/tags/*\", issuer: \"%s\", for: [decision]}\n", provetest.GitHub)
	return b.Bytes()
}

// Only the flag, or a base policy that the caller demands, lets decisions take the
// place of a scan; and whose decisions count is said where no file above can change it.
func TestWhoMayAskForDecisions(t *testing.T) {
	const signer = "trust: [{name: gate, identity: gate@example.no, issuer: \"https://login.example.no\", for: [decision]}]\n"
	const decision = "decision: {signed-by: [gate], max-age: 7d"
	const rules = "version: 1\nextends: none\nsecrets: {max: 0}\n"
	based := func(base, own string) *policy.Policy {
		sum := sha256.Sum256([]byte(base))
		src := fmt.Appendf(nil, "version: 1\nextends: {file: base.yaml, sha256: %x}\n%s", sum, own)
		p, err := policy.ParseOn("own.yaml", src, func(string, policy.Base) (string, []byte, error) { return "base.yaml", []byte(base), nil })
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	instead := based(rules+signer+decision+", instead-of-scan: true}\n", "config: {max-layers: 9}\n")
	quiet := based(rules, signer+decision+"}\n")
	alone, err := policy.Parse("own.yaml", []byte(rules+signer+decision+", instead-of-scan: true}\n"))
	if err != nil {
		t.Fatal(err)
	}
	baseOf := func(p *policy.Policy) string { return "sha256:" + p.Parts()[0].SHA256 }
	for name, c := range map[string]struct {
		policy *policy.Policy
		args   []string
		asked  bool
		say    string
	}{
		"the base that is demanded":        {instead, []string{"--require-base-policy", baseOf(instead)}, true, ""},
		"a base that is not demanded":      {instead, nil, false, ""},
		"the flag":                         {instead, []string{"--decision"}, true, ""},
		"the file alone":                   {alone, nil, false, ""},
		"the file, with the flag":          {alone, []string{"--decision"}, true, ""},
		"signers above a base":             {quiet, []string{"--decision"}, false, "builds on a base policy that does not"},
		"signers above the base, demanded": {quiet, []string{"--decision", "--require-base-policy", baseOf(quiet)}, false, "builds on a base policy that does not"},
		"the decision that others rest on": {instead, []string{"--require-base-policy", baseOf(instead), "--attest"}, false, ""},
		"no decision section":              {policy.Default(), []string{"--decision"}, false, "does not say whose decisions count"},
		"signing what rests on a decision": {alone, []string{"--decision", "--attest"}, false, "exclude each other"},
	} {
		s := &setup{started: time.Now(), policy: c.policy, source: sourceOf(c.policy)}
		var got policy.Decisions
		var asked bool
		app := &cli.App{Commands: []*cli.Command{{
			Name: "check", Flags: slices.Concat(policyFlags(), proofFlags(), attestFlags()),
			Action: func(ctx *cli.Context) (err error) {
				got, asked, err = s.decisions(ctx)
				return err
			},
		}}, ExitErrHandler: func(*cli.Context, error) {}}
		err := app.Run(append([]string{"imagegate", "check"}, c.args...))
		if asked != c.asked || (err == nil) != (c.say == "") || err != nil && !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, %v", name, asked, err)
		}
		if asked && (got.Policy != s.source.Digest || len(got.SignedBy) != 1) {
			t.Errorf("%s: without policy and base-policy it is this policy that must have decided: %+v", name, got)
		}
	}
}

// A decision that rests on another one is as old as that one.
func TestDecisionsAreNotRenewed(t *testing.T) {
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	by := func(age time.Duration) *evidence.Image {
		return &evidence.Image{Proof: &evidence.Proof{Decision: &evidence.Decision{Time: now.Add(-age)}}}
	}
	for name, c := range map[string]struct {
		images []*evidence.Image
		want   time.Duration
	}{
		"scanned":         {[]*evidence.Image{{}, {Proof: &evidence.Proof{}}}, 0},
		"the oldest":      {[]*evidence.Image{by(time.Hour), by(3 * time.Hour), by(2 * time.Hour)}, 3 * time.Hour},
		"beside a scan":   {[]*evidence.Image{{}, by(time.Hour)}, time.Hour},
		"from the future": {[]*evidence.Image{by(-time.Hour)}, 0},
	} {
		s := &subject{images: c.images}
		if got := now.Sub(s.decidedAt(now)); got != c.want {
			t.Errorf("%s: %s old, want %s", name, got, c.want)
		}
	}
}
