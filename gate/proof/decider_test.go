package proof

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// decided attaches a decision that a key signed.
func (w *world) decided(k provetest.Key, digest string, change func(*prove.Summary)) {
	w.t.Helper()
	v := prove.Summary{
		Party: prove.VerifierID{ID: "v"}, TimeVerified: now.Add(-time.Hour), ResourceURI: prove.RepositoryURI(repository),
		Policy: prove.Resource{Digest: map[string]string{"sha256": strings.Repeat("c", 64)}}, Result: prove.ResultPassed, Levels: []string{"x"},
	}
	if change != nil {
		change(&v)
	}
	s, err := prove.NewStatement(prove.Resource{Name: repository, Digest: map[string]string{"sha256": strings.TrimPrefix(digest, "sha256:")}}, v)
	if err != nil {
		w.t.Fatal(err)
	}
	w.repo.Push(digest, w.signed(k, s))
}

// The newest trusted decision about this image in this repository decides, whether it
// is about the image or about its index.
func TestDecisions(t *testing.T) {
	failed := func(v *prove.Summary) { v.Result = prove.ResultFailed }
	older := func(change func(*prove.Summary)) func(*prove.Summary) {
		return func(v *prove.Summary) {
			v.TimeVerified = now.Add(-2 * time.Hour)
			if change != nil {
				change(v)
			}
		}
	}
	for name, c := range map[string]struct {
		attach func(w *world)
		want   policy.Result
		say    string
	}{
		"about the image":                  {func(w *world) { w.decided(w.gate, w.image, nil) }, policy.ResultPass, "by gate on"},
		"about the index":                  {func(w *world) { w.decided(w.gate, w.index, nil) }, policy.ResultPass, ""},
		"failed":                           {func(w *world) { w.decided(w.gate, w.image, failed) }, policy.ResultFail, "may not ship"},
		"older PASSED behind newer FAILED": {func(w *world) { w.decided(w.gate, w.image, older(nil)); w.decided(w.gate, w.image, failed) }, policy.ResultFail, ""},
		"FAILED of the index":              {func(w *world) { w.decided(w.gate, w.image, older(nil)); w.decided(w.gate, w.index, failed) }, policy.ResultFail, ""},
		"older FAILED":                     {func(w *world) { w.decided(w.gate, w.index, older(failed)); w.decided(w.gate, w.image, nil) }, policy.ResultPass, ""},
		"none":                             {func(*world) {}, policy.ResultUndecided, "no decision that counts"},
		"another signer":                   {func(w *world) { w.decided(w.release, w.image, nil) }, policy.ResultUndecided, "not signed with a trusted key"},
		"another subject":                  {func(w *world) { w.decided(w.gate, otherImage, nil) }, policy.ResultUndecided, ""},
		"another repository": {func(w *world) {
			w.decided(w.gate, w.image, func(v *prove.Summary) { v.ResourceURI = "oci://registry.example.no/other" })
		}, policy.ResultUndecided, "oci://registry.example.no/other"},
		"another policy": {func(w *world) {
			w.decided(w.gate, w.image, func(v *prove.Summary) { v.Policy.Digest["sha256"] = strings.Repeat("d", 64) })
		}, policy.ResultUndecided, "another policy"},
		"too old": {func(w *world) {
			w.decided(w.gate, w.image, func(v *prove.Summary) { v.TimeVerified = now.Add(-25 * time.Hour) })
		}, policy.ResultUndecided, "longer ago"},
		"a registry that fails": {func(w *world) {
			w.decided(w.gate, w.image, nil)
			w.repo.Fail = func(what string) error {
				if strings.Contains(what, w.index) {
					return errors.New("503")
				}
				return nil
			}
		}, policy.ResultUndecided, "503"},
	} {
		w := newWorld(t)
		c.attach(w)
		v, err := prove.NewVerifier(SignersOf([]policy.Signer{{Name: "gate", Key: string(w.gate.Public)}}))
		if err != nil {
			t.Fatal(err)
		}
		d := &Decider{
			Repository: func(string) (promote.Repository, error) { return w.repo, nil }, Verifier: v,
			Demand: DemandOf(policy.Decisions{Verifier: "v", MaxAge: 24 * time.Hour, Policy: "sha256:" + strings.Repeat("c", 64)}, now),
		}
		r, decision, err := d.Decide(context.Background(), w.target())
		text := r.Message + "\n" + strings.Join(r.Details, "\n")
		if err != nil || r.Result != c.want || !strings.Contains(text, c.say) || (r.Cure == "") != (c.want == policy.ResultPass) {
			t.Errorf("%s: %+v, %v; want %s with %q", name, r, err, c.want, c.say)
		}
		if c.want == policy.ResultPass && (decision == nil || decision.Time.After(now) || decision.From == "" || decision.Signers[0].Key == "") {
			t.Errorf("%s: %+v", name, decision)
		}
		local := w.target()
		local.Image.Reference = evidence.Reference{Source: evidence.SourceOCI, Name: "oci:x"}
		if r, _, err := d.Decide(context.Background(), local); err != nil || r.Result != policy.ResultUndecided {
			t.Errorf("a local image: %+v, %v", r, err)
		}
	}
}
