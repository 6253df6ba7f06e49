package prove_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/image/remote"
	"github.com/imagegate/imagegate/gate/prove"
)

// The right signer on another statement: what looks like a decision and has another
// type decides nothing.
func TestOtherStatementsOfTheSigner(t *testing.T) {
	k := provetest.NewKey(t)
	for _, predicate := range []string{
		"https://slsa.dev/provenance/v1", "https://slsa.dev/verification_summary/v0.2", "https://slsa.dev/verification_summary/v1 ",
		"https://example.com/verification_summary/v1", prove.PredicateEvidence,
	} {
		s := decision(t, image, prove.ResultPassed, noon)
		s.PredicateType = predicate
		repo := provetest.NewRepository("registry.example.no/app")
		repo.Push(image, provetest.Bundle(sign(t, k, s)))
		if got, refused := decide(t, repo, verifier(t, k), prove.Demand{Now: noon.Add(time.Minute)}); got != nil {
			t.Errorf("%s: %+v, refused %v", predicate, got, refused)
		}
	}
}

// A trusted root whose certificate authority, log or timestamp authority was no
// longer valid when the signature was made.
func TestExpiredRoot(t *testing.T) {
	s := provetest.NewSigstore(t)
	signing, err := prove.KeylessSigning(workflow, services(s, "rekor v2"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signing.Sign(context.Background(), decision(t, image, prove.ResultPassed, noon))
	if err != nil {
		t.Fatal(err)
	}
	bundle := &prove.Attachment{Form: prove.FormBundle, Raw: raw}
	if _, refusal := identityVerifier(t, s.Root, release(provetest.Workflow)).Verify(bundle, image); refusal != nil {
		t.Fatal(refusal)
	}
	for _, authority := range []string{"certificateAuthorities", "timestampAuthorities"} {
		var doc map[string]any
		if err := json.Unmarshal(s.Root, &doc); err != nil {
			t.Fatal(err)
		}
		for _, a := range doc[authority].([]any) {
			a.(map[string]any)["validFor"] = map[string]any{"start": "2020-01-01T00:00:00Z", "end": "2021-01-01T00:00:00Z"}
		}
		expired, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if _, refusal := identityVerifier(t, expired, release(provetest.Workflow)).Verify(bundle, image); refusal == nil || refusal.Reason != prove.ReasonSignature {
			t.Errorf("%s: %v", authority, refusal)
		}
	}
}

// Parts of a bundle are exchanged with those of another one of the same signer.
func TestExchangedParts(t *testing.T) {
	s := provetest.NewSigstore(t)
	v := identityVerifier(t, s.Root, release(provetest.Workflow))
	for log, paths := range map[string][]string{
		// A log of version 1 confirms the time itself, so a timestamp of another
		// signature is ignored there.
		"rekor v1": {"dsseEnvelope", "dsseEnvelope.payload", "dsseEnvelope.signatures", "verificationMaterial", "verificationMaterial.tlogEntries"},
		"rekor v2": {
			"dsseEnvelope", "dsseEnvelope.payload", "dsseEnvelope.signatures", "verificationMaterial", "verificationMaterial.tlogEntries",
			"verificationMaterial.timestampVerificationData",
		},
	} {
		signing, err := prove.KeylessSigning(workflow, services(s, log))
		if err != nil {
			t.Fatal(err)
		}
		bundle := func(result string) map[string]any {
			raw, err := signing.Sign(context.Background(), decision(t, image, result, noon))
			if err != nil {
				t.Fatal(err)
			}
			var doc map[string]any
			if err := json.Unmarshal(raw, &doc); err != nil {
				t.Fatal(err)
			}
			return doc
		}
		for _, path := range paths {
			mixed, from := bundle(prove.ResultFailed), bundle(prove.ResultPassed)
			at := mixed
			keys := strings.Split(path, ".")
			last := len(keys) - 1
			for _, key := range keys[:last] {
				at, from = at[key].(map[string]any), from[key].(map[string]any)
			}
			at[keys[last]] = from[keys[last]]
			raw, err := json.Marshal(mixed)
			if err != nil {
				t.Fatal(err)
			}
			if got, refusal := v.Verify(&prove.Attachment{Form: prove.FormBundle, Raw: raw}, image); refusal == nil {
				t.Errorf("%s, %s of another bundle: %+v", log, path, got)
			}
		}
	}
}

// Jobs that attach at the same time lose nothing, also where the list of referrers is
// a tag that all of them overwrite.
func TestAttachAtTheSameTime(t *testing.T) {
	const jobs = 4
	k := provetest.NewKey(t)
	for kind, host := range registries(t) {
		if host == "" {
			continue
		}
		img, err := random.Image(64, 1)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := name.NewTag(host+"/crowd:1", name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		if err := ggcr.Write(ref, img); err != nil {
			t.Fatal(err)
		}
		hash, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		var g errgroup.Group
		for i := range jobs {
			g.Go(func() error {
				client, err := remote.NewClient(t.Context(), remote.Options{})
				if err != nil {
					return err
				}
				defer func() { _ = client.Close() }()
				target, err := client.Repository(host + "/crowd")
				if err != nil {
					return err
				}
				m, err := target.Manifest(context.Background(), hash.String())
				if err != nil {
					return err
				}
				raw := sign(t, k, decision(t, hash.String(), prove.ResultPassed, noon.Add(time.Duration(i)*time.Minute)))
				return prove.Attach(context.Background(), target, m.Descriptor, raw, prove.Places{Referrer: true, Tag: true}, noon)
			})
		}
		if err := g.Wait(); err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		client, err := remote.NewClient(t.Context(), remote.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = client.Close() }()
		target, err := client.Repository(host + "/crowd")
		if err != nil {
			t.Fatal(err)
		}
		found, err := prove.Find(context.Background(), target, hash.String())
		if err != nil {
			t.Fatal(err)
		}
		places := map[string]int{}
		for _, a := range found.Attachments {
			kind, _, _ := strings.Cut(a.Place, " ")
			places[kind]++
		}
		if want := (map[string]int{"referrer": jobs, "tag": jobs}); fmt.Sprint(places) != fmt.Sprint(want) {
			t.Errorf("%s: %v are attached, want %v", kind, places, want)
		}
	}
}
