package prove_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/gate/prove"
)

func workflow(context.Context) (string, error) { return provetest.WorkflowToken(), nil }

// services are the services of an instance, for one kind of log.
func services(s *provetest.Sigstore, log string) prove.Services {
	o := prove.Services{Fulcio: s.URL + "/fulcio"}
	switch log {
	case "rekor v1":
		o.Rekor = s.URL + "/rekor"
	case "rekor v1 and timestamp":
		o.Rekor, o.Timestamps = s.URL+"/rekor", s.URL+"/tsa/api/v1/timestamp"
	case "rekor v2":
		o.Rekor, o.RekorVersion, o.Timestamps = s.URL+"/rekor2", 2, s.URL+"/tsa/api/v1/timestamp"
	case "timestamp":
		o.Timestamps = s.URL + "/tsa/api/v1/timestamp"
	}
	return o
}

func identityVerifier(t testing.TB, root []byte, signers ...prove.Signer) *prove.Verifier {
	t.Helper()
	roots, err := prove.ParseRoots(root)
	if err != nil {
		t.Fatal(err)
	}
	v, err := prove.NewVerifier(signers, roots...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func release(identity string) prove.Signer {
	return prove.Signer{Name: "release", Identity: identity, Issuer: provetest.GitHub}
}

// The whole way of an identity: token, certificate, log, timestamp, bundle,
// repository, verifier. The two logs of Rekor, and the old form of cosign.
func TestKeyless(t *testing.T) {
	s := provetest.NewSigstore(t)
	for log, places := range map[string]prove.Places{
		"rekor v1":               {Referrer: true, Tag: true},
		"rekor v1 and timestamp": {Referrer: true, Tag: true},
		"rekor v2":               {Referrer: true},
	} {
		t.Run(log, func(t *testing.T) {
			signing, err := prove.KeylessSigning(workflow, services(s, log))
			if err != nil {
				t.Fatal(err)
			}
			raw, err := signing.Sign(context.Background(), decision(t, image, prove.ResultPassed, noon))
			if err != nil {
				t.Fatal(err)
			}
			repo := provetest.NewRepository("registry.example.no/app")
			d := promote.Descriptor{MediaType: provetest.ManifestType, Digest: image, Size: 2}
			if err := prove.Attach(context.Background(), repo, d, raw, places, noon); err != nil {
				t.Fatal(err)
			}
			found, err := prove.Find(context.Background(), repo, image)
			if err != nil {
				t.Fatal(err)
			}
			want := 1
			if places.Tag {
				want = 2
			}
			v := identityVerifier(t, s.Root, release("https://github.com/acme/app/.github/workflows/*.yml@refs/tags/*"))
			got, refused := v.VerifyAll(found.Attachments, image)
			if len(got) != want || refused != nil {
				t.Fatalf("verified %d of %d, refused %v", len(got), want, refused)
			}
			for _, g := range got {
				if g.By != provetest.Workflow || g.Issuer != provetest.GitHub || time.Since(g.Signed) > time.Minute || time.Since(g.Signed) < -time.Minute {
					t.Errorf("%s: by %s of %s at %s", g.Attachment.Place, g.By, g.Issuer, g.Signed)
				}
			}
			for name, wrong := range map[string]struct {
				v      *prove.Verifier
				reason prove.Reason
			}{
				"another workflow":     {identityVerifier(t, s.Root, release("https://github.com/acme/other/.github/workflows/release.yml@refs/tags/*")), prove.ReasonSigner},
				"a branch, not a tag":  {identityVerifier(t, s.Root, release("https://github.com/acme/app/.github/workflows/release.yml@refs/heads/*")), prove.ReasonSigner},
				"a prefix":             {identityVerifier(t, s.Root, release("https://github.com/acme/app/.github/workflows/release.yml")), prove.ReasonSigner},
				"an unanchored regexp": {identityVerifier(t, s.Root, prove.Signer{Name: "release", IdentityRegexp: "release", Issuer: provetest.GitHub}), prove.ReasonSigner},
				"another issuer":       {identityVerifier(t, s.Root, prove.Signer{Name: "release", Identity: provetest.Workflow, Issuer: "https://gitlab.com"}), prove.ReasonSigner},
				"another root":         {identityVerifier(t, provetest.NewSigstore(t).Root, release(provetest.Workflow)), prove.ReasonSignature},
				"a root that demands a receipt of a certificate log": {identityVerifier(t, s.RootCT, release(provetest.Workflow)), prove.ReasonSignature},
				"only a key": {verifier(t, provetest.NewKey(t)), prove.ReasonNoRoot},
			} {
				got, refused := wrong.v.VerifyAll(found.Attachments, image)
				if got != nil || len(refused) != want || refused[0].Reason != wrong.reason {
					t.Errorf("%s: verified %v, refused %v, want %s", name, got, refused, wrong.reason)
				}
			}
		})
	}
}

// A key can have its signature confirmed too: then the time is trusted.
func TestKeyWithLogAndTimestamp(t *testing.T) {
	s := provetest.NewSigstore(t)
	k := provetest.NewKey(t)
	for _, log := range []string{"rekor v1", "rekor v2", "timestamp"} {
		signing, err := prove.KeySigning(k.Private, nil, services(s, log))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := signing.Sign(context.Background(), decision(t, image, prove.ResultPassed, noon))
		if err != nil {
			t.Fatalf("%s: %v", log, err)
		}
		v := identityVerifier(t, s.Root, prove.Signer{Name: "gate", Key: k.Public})
		got, refusal := v.Verify(&prove.Attachment{Form: prove.FormBundle, Raw: raw}, image)
		if refusal != nil || time.Since(got.Signed) > time.Minute {
			t.Fatalf("%s: %+v, %v", log, got, refusal)
		}
		if got, refusal = verifier(t, k).Verify(&prove.Attachment{Form: prove.FormBundle, Raw: raw}, image); refusal != nil || !got.Signed.IsZero() {
			t.Fatalf("%s without a root: %+v, %v", log, got, refusal)
		}
	}
}

// A service that is away is an error that names it, after several tries, and its
// answer is not believed.
func TestServicesAway(t *testing.T) {
	for service, log := range map[string]string{"fulcio": "rekor v1", "rekor": "rekor v1", "rekor2": "rekor v2", "tsa": "rekor v2"} {
		s := provetest.NewSigstore(t)
		s.Away(service, http.StatusForbidden)
		signing, err := prove.KeylessSigning(workflow, services(s, log))
		if err != nil {
			t.Fatal(err)
		}
		_, err = signing.Sign(context.Background(), decision(t, image, prove.ResultPassed, noon))
		if err == nil || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), provetest.WorkflowToken()) {
			t.Errorf("%s: %v", service, err)
		}
	}
}

// The statements of one run share a certificate.
func TestOneCertificateForManyStatements(t *testing.T) {
	s := provetest.NewSigstore(t)
	signing, err := prove.KeylessSigning(workflow, services(s, "rekor v1"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := signing.Sign(context.Background(), decision(t, image, prove.ResultPassed, noon)); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	for _, path := range s.Requests() {
		if strings.HasPrefix(path, "/fulcio") {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("%d requests for a certificate", asked)
	}
}

func TestGitHubToken(t *testing.T) {
	s := provetest.NewSigstore(t)
	got, err := prove.GitHubToken(context.Background(), http.DefaultTransport, s.URL+"/github/token?x=1", "runner")
	if err != nil || got != provetest.WorkflowToken() {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := prove.GitHubToken(context.Background(), http.DefaultTransport, s.URL+"/github/token", "stranger"); err == nil {
		t.Error("no error without a credential")
	}
}
