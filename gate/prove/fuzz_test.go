package prove_test

import (
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/prove"
)

// Whatever is attached, it is believed only if the payload is one that was signed.
func FuzzVerify(f *testing.F) {
	k := provetest.NewKey(f)
	v := verifier(f, k)
	good := sign(f, k, decision(f, image, prove.ResultPassed, noon))
	signedOnce, err := prove.ParseBundle(good)
	if err != nil {
		f.Fatal(err)
	}
	payload := string(signedOnce.GetDsseEnvelope().GetPayload())
	f.Add("bundle", good, "", "", "")
	f.Add("bundle", []byte(`{}`), "", "", "")
	f.Add("envelope", []byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"AA=="}]}`), "", "", "")
	f.Add("simple", []byte(`{"critical":{"image":{"docker-manifest-digest":"`+image+`"}}}`), "AAAA", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", `{"SignedEntryTimestamp":"AA==","Payload":{"body":"e30=","integratedTime":1,"logIndex":1,"logID":"00"}}`)
	f.Fuzz(func(t *testing.T, form string, raw []byte, signature, certificate, log string) {
		a := &prove.Attachment{Form: prove.Form(form), Raw: raw, Annotations: map[string]string{
			"dev.cosignproject.cosign/signature": signature, "dev.sigstore.cosign/certificate": certificate,
			"dev.sigstore.cosign/bundle": log, "dev.sigstore.cosign/rfc3161timestamp": log,
		}}
		got, refusal := v.Verify(a, image)
		switch {
		case (got == nil) == (refusal == nil):
			t.Fatalf("got %+v, refusal %v", got, refusal)
		case refusal != nil:
			if text := refusal.Error(); len(text) > 2000 || strings.ContainsAny(text, "\x00\x1b\n\r") {
				t.Errorf("the reason cannot be shown: %q", text)
			}
		case got.Statement == nil:
			t.Fatal("a signature was believed that was never made")
		default:
			b, err := prove.ParseBundle(raw)
			if err != nil || string(b.GetDsseEnvelope().GetPayload()) != payload {
				t.Fatalf("%s was never signed", raw)
			}
		}
	})
}

// A statement that is read says the same after it was written and read again.
func FuzzStatement(f *testing.F) {
	s := decision(f, image, prove.ResultFailed, noon)
	payload, err := s.Payload()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"digest":{"sha256":"aa"}}],"predicateType":"https://slsa.dev/verification_summary/v1","predicate":{}}`))
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"aa"}}],"predicateType":"x","predicate":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := prove.ParseStatement(raw)
		if err != nil {
			return
		}
		v, err := s.Summary()
		if err != nil {
			return
		}
		if v.Result != prove.ResultPassed && v.Result != prove.ResultFailed || v.Party.ID == "" || v.TimeVerified.IsZero() || v.ResourceURI == "" {
			t.Fatalf("%+v leaves open what was decided", v)
		}
		again, err := prove.NewStatement(s.Subject[0], *v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := again.Summary()
		if err != nil || got.Result != v.Result || !got.TimeVerified.Equal(v.TimeVerified.Truncate(time.Second)) || got.Policy.URI != v.Policy.URI {
			t.Fatalf("%+v became %+v: %v", v, got, err)
		}
	})
}

// Roots are foreign bytes where somebody keeps them in a repository.
func FuzzRoots(f *testing.F) {
	s := provetest.StartSigstore()
	defer s.Close()
	f.Add(s.Root)
	f.Add([]byte("{}\n{}\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		roots, err := prove.ParseRoots(raw)
		if (err == nil) != (len(roots) > 0) {
			t.Fatalf("%d roots, %v", len(roots), err)
		}
	})
}
