package prove_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/gate/prove"
)

// summary is what a decision says by default.
func summary(change func(*prove.Summary)) prove.Summary {
	v := prove.Summary{
		Party: prove.VerifierID{ID: "https://example.no/imagegate"}, TimeVerified: noon, ResourceURI: "oci://registry.example.no/app",
		Policy:            prove.Resource{URI: "imagegate.yaml", Digest: map[string]string{"sha256": strings.Repeat("c", 64)}},
		InputAttestations: []prove.Resource{{Name: prove.InputBase, Digest: map[string]string{"sha256": strings.Repeat("d", 64)}}},
		Result:            prove.ResultPassed, Levels: []string{"IMAGEGATE_POLICY_PASSED"},
	}
	if change != nil {
		change(&v)
	}
	return v
}

// attached signs the decisions and attaches them to the image.
func attached(t testing.TB, k provetest.Key, changes ...func(*prove.Summary)) *provetest.Repository {
	t.Helper()
	repo := provetest.NewRepository("registry.example.no/app")
	for _, change := range changes {
		s, err := prove.NewStatement(subject(image), summary(change))
		if err != nil {
			t.Fatal(err)
		}
		repo.Push(image, provetest.Bundle(sign(t, k, s)))
	}
	return repo
}

func decide(t testing.TB, repo promote.Repository, v *prove.Verifier, d prove.Demand) (*prove.Decision, []prove.Refusal) {
	t.Helper()
	found, err := prove.Find(context.Background(), repo, image)
	if err != nil {
		t.Fatal(err)
	}
	verified, refused := v.VerifyAll(found.Attachments, image)
	got, more := prove.Decide(verified, d)
	return got, append(refused, more...)
}

func failed(at time.Time) func(*prove.Summary) {
	return func(v *prove.Summary) { v.Result, v.TimeVerified = prove.ResultFailed, at }
}

func passed(at time.Time) func(*prove.Summary) {
	return func(v *prove.Summary) { v.TimeVerified = at }
}

// The newest decision counts, whatever the order in which they were attached.
func TestTheNewestDecisionCounts(t *testing.T) {
	k := provetest.NewKey(t)
	for name, c := range map[string]struct {
		attached []func(*prove.Summary)
		want     string
	}{
		"one that passed":                    {[]func(*prove.Summary){passed(noon)}, prove.ResultPassed},
		"one that failed":                    {[]func(*prove.Summary){failed(noon)}, prove.ResultFailed},
		"failed after passed":                {[]func(*prove.Summary){passed(noon), failed(noon.Add(time.Hour))}, prove.ResultFailed},
		"failed after passed, other order":   {[]func(*prove.Summary){failed(noon.Add(time.Hour)), passed(noon)}, prove.ResultFailed},
		"passed after failed":                {[]func(*prove.Summary){passed(noon.Add(time.Hour)), failed(noon)}, prove.ResultPassed},
		"both in one second":                 {[]func(*prove.Summary){passed(noon), failed(noon)}, prove.ResultFailed},
		"both in one second, in other order": {[]func(*prove.Summary){failed(noon), passed(noon)}, prove.ResultFailed},
	} {
		got, refused := decide(t, attached(t, k, c.attached...), verifier(t, k), prove.Demand{Now: noon.Add(2 * time.Hour)})
		if got == nil || got.Summary.Result != c.want || refused != nil || got.Passed() != (c.want == prove.ResultPassed) || got.Failed() == got.Passed() {
			t.Errorf("%s: %+v, refused %v", name, got, refused)
		}
	}
}

// What a decision must meet, and the reason when it does not.
func TestDemands(t *testing.T) {
	k := provetest.NewKey(t)
	met := prove.Demand{
		Signers: []string{"gate"}, Verifier: "https://example.no/imagegate", Resources: []string{"oci://registry.example.no/app"},
		Policy: "sha256:" + strings.Repeat("c", 64), BasePolicy: "sha256:" + strings.Repeat("d", 64), MaxAge: time.Hour, Now: noon.Add(time.Hour),
	}
	if got, refused := decide(t, attached(t, k, nil), verifier(t, k), met); !got.Passed() || refused != nil {
		t.Fatalf("%+v, refused %v", got, refused)
	}
	for name, c := range map[string]struct {
		demand func(*prove.Demand)
		change func(*prove.Summary)
		reason prove.Reason
	}{
		"another role":       {func(d *prove.Demand) { d.Signers = []string{"release"} }, nil, prove.ReasonSigner},
		"no role":            {func(d *prove.Demand) { d.Signers = []string{} }, nil, prove.ReasonSigner},
		"another verifier":   {nil, func(v *prove.Summary) { v.Party.ID = "https://example.com/other" }, prove.ReasonVerifier},
		"another repository": {nil, func(v *prove.Summary) { v.ResourceURI = "oci://registry.example.no/test/app" }, prove.ReasonResource},
		"another policy": {nil, func(v *prove.Summary) {
			v.Policy.Digest = map[string]string{"sha256": strings.Repeat("e", 64)}
		}, prove.ReasonPolicy},
		"no policy":                 {nil, func(v *prove.Summary) { v.Policy = prove.Resource{} }, prove.ReasonPolicy},
		"another base":              {nil, func(v *prove.Summary) { v.InputAttestations[0].Digest["sha256"] = strings.Repeat("e", 64) }, prove.ReasonPolicy},
		"an input, not a base":      {nil, func(v *prove.Summary) { v.InputAttestations[0].Name = "evidence" }, prove.ReasonPolicy},
		"made in the future":        {nil, passed(noon.Add(2 * time.Hour)), prove.ReasonTime},
		"failed made in the future": {nil, failed(noon.Add(2 * time.Hour)), prove.ReasonTime},
	} {
		demand := met
		if c.demand != nil {
			c.demand(&demand)
		}
		got, refused := decide(t, attached(t, k, c.change), verifier(t, k), demand)
		if got.Passed() || got.Failed() || c.reason != reasonOf(got, refused) {
			t.Errorf("%s: %+v, refused %v, want %s", name, got, refused, c.reason)
		}
		if c.change == nil {
			continue
		}
		// An older decision that would be accepted does not answer for one by another
		// policy. It does for one that is not about the image at this place.
		demand.Now = noon.Add(time.Minute)
		older := passed(noon.Add(-time.Minute))
		got, _ = decide(t, attached(t, k, older, c.change), verifier(t, k), demand)
		newest := c.reason == prove.ReasonPolicy || name == "failed made in the future"
		if got.Passed() == newest || got.Failed() {
			t.Errorf("%s, with an older decision: %+v", name, got)
		}
	}
	late := met
	late.Now = noon.Add(time.Hour + time.Second)
	if got, refused := decide(t, attached(t, k, nil), verifier(t, k), late); reasonOf(got, refused) != prove.ReasonAge || got.Passed() || got.Failed() {
		t.Errorf("an old decision: %+v", got)
	}
	late.Policy = ""
	if got, _ := decide(t, attached(t, k, failed(noon)), verifier(t, k), late); !got.Failed() {
		t.Errorf("an old denial: %+v", got)
	}
}

// reasonOf is why there is no decision.
func reasonOf(d *prove.Decision, refused []prove.Refusal) prove.Reason {
	switch {
	case d != nil && d.Refused != nil:
		return d.Refused.Reason
	case len(refused) > 0:
		return refused[0].Reason
	}
	return ""
}

// A decision of a trusted signer that cannot be read may be the newest, and may deny
// the image.
func TestDecisionThatCannotBeRead(t *testing.T) {
	k := provetest.NewKey(t)
	repo := attached(t, k, nil)
	s := decision(t, image, prove.ResultPassed, noon)
	for _, predicate := range []string{`{}`, `{"verificationResult":"PASSED"}`, `[]`} {
		s.Predicate = []byte(predicate)
		repo.Push(image, provetest.Bundle(sign(t, k, s)))
	}
	got, _ := decide(t, repo, verifier(t, k), prove.Demand{Now: noon.Add(time.Minute)})
	if got.Passed() || got.Failed() || reasonOf(got, nil) != prove.ReasonMalformed {
		t.Errorf("%+v", got)
	}
}

// A trusted time bounds what the statement says about itself.
func TestDecisionSaysThatItWasMadeLater(t *testing.T) {
	s := provetest.NewSigstore(t)
	signing, err := prove.KeylessSigning(workflow, services(s, "rekor v1"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	raw, err := signing.Sign(context.Background(), decision(t, image, prove.ResultPassed, now.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	repo := provetest.NewRepository("registry.example.no/app")
	repo.Push(image, provetest.Bundle(raw))
	got, refused := decide(t, repo, identityVerifier(t, s.Root, release(provetest.Workflow)), prove.Demand{Now: now.Add(2 * time.Hour)})
	if got != nil || len(refused) != 1 || refused[0].Reason != prove.ReasonTime {
		t.Errorf("%+v, refused %v", got, refused)
	}
}

// What strangers attach costs bounded work and changes no decision.
func TestStrangersAttach(t *testing.T) {
	k, stranger := provetest.NewKey(t), provetest.NewKey(t)
	demand := prove.Demand{Now: noon.Add(time.Hour)}
	good := func() *provetest.Repository { return attached(t, k, passed(noon)) }
	foreign := sign(t, stranger, decision(t, image, prove.ResultFailed, noon.Add(time.Minute)))
	for name, change := range map[string]func(*provetest.Repository){
		"a decision of their own": func(r *provetest.Repository) { r.Push(image, provetest.Bundle(foreign)) },
		"rubbish":                 func(r *provetest.Repository) { r.Push(image, provetest.Bundle([]byte("rubbish"))) },
		"a bundle of 100 MB": func(r *provetest.Repository) {
			raw := make([]byte, 5<<20)
			r.Push(image, provetest.Bundle(raw))
		},
		"a manifest of another subject in the list": func(r *provetest.Repository) {
			m := r.Push(other, provetest.Bundle(sign(t, k, decision(t, other, prove.ResultFailed, noon.Add(time.Minute)))))
			r.List(image, m.Descriptor)
		},
		"an entry of the list without manifest": func(r *provetest.Repository) {
			r.List(image, promote.Descriptor{Digest: other})
		},
		"an SBOM": func(r *provetest.Repository) {
			r.Push(image, provetest.Layer{Type: "application/vnd.cyclonedx+json", Raw: []byte("{}")})
		},
		"a tag of cosign with rubbish": func(r *provetest.Repository) {
			r.PushTag(image, ".att", provetest.Layer{Type: "application/vnd.dsse.envelope.v1+json", Raw: []byte("{")})
			r.PushTag(image, ".sig", provetest.Layer{Type: "application/vnd.dev.cosign.simplesigning.v1+json", Raw: []byte("{}")})
		},
		"hundreds of referrers": func(r *provetest.Repository) {
			for i := range 900 {
				r.Push(image, provetest.Layer{Type: "text/plain", Raw: fmt.Append(nil, i)})
			}
		},
	} {
		repo := good()
		change(repo)
		if got, _ := decide(t, repo, verifier(t, k), demand); !got.Passed() {
			t.Errorf("%s: %+v", name, got)
		}
	}
	repo := good()
	for i := range 1000 {
		repo.Push(image, provetest.Layer{Type: "text/plain", Raw: fmt.Append(nil, i)})
	}
	if _, err := prove.Find(context.Background(), repo, image); err == nil || !strings.Contains(err.Error(), "1001 manifests refer to") {
		t.Errorf("more referrers than are looked at: %v", err)
	}
	repo = good()
	for i := range 20 {
		repo.Push(image, provetest.Bundle(append(make([]byte, 4<<20-1), byte(i))))
	}
	if _, err := prove.Find(context.Background(), repo, image); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("more bytes than are looked at: %v", err)
	}
}

// A request that fails means that nothing is known. It is not an image without
// decision, and not one whose newest decision is an older one.
func TestRequestsThatFail(t *testing.T) {
	k := provetest.NewKey(t)
	var requests atomic.Int64
	repo := attached(t, k, passed(noon), failed(noon.Add(time.Minute)))
	repo.Fail = func(string) error { requests.Add(1); return nil }
	if _, err := prove.Find(context.Background(), repo, image); err != nil || requests.Load() < 5 {
		t.Fatalf("%d requests, %v", requests.Load(), err)
	}
	for i := range requests.Load() {
		var n atomic.Int64
		repo.Fail = func(string) error {
			if n.Add(1) == i+1 {
				return errors.New("503")
			}
			return nil
		}
		if found, err := prove.Find(context.Background(), repo, image); err == nil {
			t.Errorf("request %d fails: found %+v", i, found)
		}
	}
}

// A platform that failed after the index passed is the answer about the index, and one
// that passed is none.
func TestDecideIndex(t *testing.T) {
	k := provetest.NewKey(t)
	signed := func(changes ...func(*prove.Summary)) []prove.Verified {
		found, err := prove.Find(t.Context(), attached(t, k, changes...), image)
		if err != nil {
			t.Fatal(err)
		}
		all, _ := verifier(t, k).VerifyAll(found.Attachments, image)
		return all
	}
	list := func(c ...func(*prove.Summary)) []func(*prove.Summary) { return c }
	soon, late := noon.Add(time.Hour), noon.Add(48*time.Hour)
	for name, c := range map[string]struct {
		index, platform []func(*prove.Summary)
		want            string
	}{
		"nothing about the platform":    {list(passed(noon)), nil, "pass"},
		"platform failed later":         {list(passed(noon)), list(failed(soon)), "fail"},
		"platform failed before":        {list(passed(soon)), list(failed(noon)), "pass"},
		"platform passed later":         {list(failed(noon)), list(passed(soon)), "fail"},
		"only the platform passed":      {nil, list(passed(noon)), "none"},
		"only the platform failed":      {nil, list(failed(noon)), "fail"},
		"failed, then passed":           {list(passed(noon)), list(failed(noon.Add(time.Minute)), passed(soon)), "pass"},
		"platform failed in the future": {list(passed(noon)), list(failed(late)), "none"},
	} {
		got, _ := prove.DecideIndex(signed(c.index...), [][]prove.Verified{nil, signed(c.platform...)}, prove.Demand{Now: noon.Add(2 * time.Hour)})
		answer := "none"
		switch {
		case got.Failed():
			answer = "fail"
		case got.Passed():
			answer = "pass"
		}
		if answer != c.want {
			t.Errorf("%s: %s, want %s", name, answer, c.want)
		}
	}
}
