package prove

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Reasons why a decision of a trusted signer does not count.
const (
	ReasonVerifier Reason = "other-verifier" // another tool or service decided
	ReasonResource Reason = "other-resource" // it is about another repository
	ReasonPolicy   Reason = "other-policy"   // another policy decided
	ReasonTime     Reason = "wrong-time"     // it says that it was made later than it can have been
	ReasonAge      Reason = "expired"        // it is older than it may be
)

// skew is how far clocks may be apart.
const skew = 5 * time.Minute

// Demand is what a decision must meet to count. Empty fields ask nothing.
type Demand struct {
	// Signers are the names of those whose decisions count; nil is every trusted
	// signer.
	Signers []string
	// Verifier is the id of who decided.
	Verifier string
	// Resources are what the decision may be about, see [Resource.URI]: the
	// repositories under which the image is known.
	Resources []string
	// Policy is the digest over all that was applied, sha256:HEX.
	Policy string
	// BasePolicy is the digest of a policy file that was applied, as the policy or as
	// a base that it names by its digest, sha256:HEX.
	BasePolicy string
	// MaxAge bounds the age of the decision; 0 does not.
	MaxAge time.Duration
	// Now is the time to compare with.
	Now time.Time
}

// Decision is what the newest decision that counts says.
type Decision struct {
	Verified
	// Summary is empty when it cannot be read.
	Summary *Summary
	// Expired is true when it passed and is older than it may be.
	Expired bool
	// Refused is why it decides nothing although it is the newest, nil when it does.
	// A denial is never refused: no policy and no age makes it a pass.
	Refused *Refusal
}

// Passed reports whether the image may be used.
func (d *Decision) Passed() bool {
	return d != nil && d.Refused == nil && d.Summary.Result == ResultPassed
}

// Failed reports whether the image was judged and denied.
func (d *Decision) Failed() bool {
	return d != nil && d.Refused == nil && d.Summary.Result == ResultFailed
}

// InputBase is the name of a policy among the inputs of a decision.
const InputBase = "policy"

// Decide returns the newest of the decisions that count, nil if there is none, and
// why the others do not count. A newer FAILED so beats an older PASSED. Of two that
// were made in the same second, the one that failed counts. What is asked of the
// policy and of the age is asked of the newest alone: an older decision never answers
// for a newer one. A decision that passed at a time that has not come is left out. One
// that failed then is not: the clock of who signed it was fast, and an older PASSED must
// not hide it. It makes the answer unknown.
func Decide(verified []Verified, d Demand) (*Decision, []Refusal) {
	var newest, ahead *Decision
	var refused []Refusal
	for _, v := range verified {
		if v.Statement == nil || v.Statement.PredicateType != PredicateSummary {
			continue
		}
		refuse := func(reason Reason, err error) *Refusal {
			return &Refusal{Place: v.Attachment.Place, Reason: reason, Err: err}
		}
		if d.Signers != nil && !slices.ContainsFunc(v.Signers, func(name string) bool { return slices.Contains(d.Signers, name) }) {
			refused = append(refused, *refuse(ReasonSigner, fmt.Errorf("%s signed it, whose decisions do not count", strings.Join(v.Signers, ", "))))
			continue
		}
		s, err := v.Statement.Summary()
		if err != nil {
			// It may be the newest, and may deny the image.
			return &Decision{Verified: v, Summary: &Summary{}, Refused: refuse(ReasonMalformed, err)}, refused
		}
		if reason, err := d.check(&v, s); err != nil {
			if reason == ReasonTime && s.Result != ResultPassed {
				ahead = &Decision{Verified: v, Summary: s, Refused: refuse(reason, err)}
				continue
			}
			refused = append(refused, *refuse(reason, err))
			continue
		}
		if one := (&Decision{Verified: v, Summary: s}); newest == nil || one.newer(newest) {
			newest = one
		}
	}
	if ahead != nil && !newest.Failed() {
		return ahead, refused
	}
	if newest.Passed() {
		newest.Refused = d.checkNewest(newest)
		newest.Expired = newest.Refused != nil && newest.Refused.Reason == ReasonAge
	}
	return newest, refused
}

// DecideIndex is [Decide] for an index, with what is signed about each of its platforms.
// An index has no platform that failed after it passed: a runtime that is given the
// index runs one of them. A platform that passed is no decision about the index.
func DecideIndex(index []Verified, platforms [][]Verified, d Demand) (*Decision, []Refusal) {
	newest, refused := Decide(index, d)
	for _, platform := range platforms {
		one, _ := Decide(slices.Concat(index, platform), d)
		switch {
		case one.Failed() && !newest.Failed(), newest.Passed() && !one.Passed():
			newest = one
		}
	}
	return newest, refused
}

func (d *Decision) newer(other *Decision) bool {
	a, b := d.Summary, other.Summary
	if a.TimeVerified.Equal(b.TimeVerified) {
		return a.Result == ResultFailed
	}
	return a.TimeVerified.After(b.TimeVerified)
}

// check says why a decision does not count.
func (d *Demand) check(v *Verified, s *Summary) (Reason, error) {
	switch {
	case d.Verifier != "" && s.Party.ID != d.Verifier:
		return ReasonVerifier, fmt.Errorf("%q decided, not %s", s.Party.ID, d.Verifier)
	case len(d.Resources) > 0 && !slices.Contains(d.Resources, s.ResourceURI):
		return ReasonResource, fmt.Errorf("it is about %q, not %s", s.ResourceURI, strings.Join(d.Resources, " or "))
	case s.TimeVerified.After(d.Now.Add(skew)):
		// It would be the newest for ever.
		return ReasonTime, fmt.Errorf("it says that it was made at %s, which has not come yet", s.TimeVerified.UTC().Format(time.RFC3339))
	case !v.Signed.IsZero() && s.TimeVerified.After(v.Signed.Add(skew)):
		return ReasonTime, fmt.Errorf("it says that it was made at %s, but was signed before, at %s", s.TimeVerified.UTC().Format(time.RFC3339), v.Signed.Format(time.RFC3339))
	}
	return "", nil
}

// checkNewest says why the newest decision decides nothing, nil when it does.
func (d *Demand) checkNewest(n *Decision) *Refusal {
	s := n.Summary
	refuse := func(reason Reason, format string, args ...any) *Refusal {
		return &Refusal{Place: n.Attachment.Place, Reason: reason, Err: fmt.Errorf(format, args...)}
	}
	switch {
	case d.Policy != "" && !sameDigest(s.Policy, d.Policy):
		return refuse(ReasonPolicy, "another policy decided: %s", digests(s.Policy))
	case d.BasePolicy != "" && !s.appliedBase(d.BasePolicy):
		return refuse(ReasonPolicy, "the policy that decided does not build on %s", d.BasePolicy)
	case d.MaxAge > 0 && d.Now.Sub(s.TimeVerified) > d.MaxAge:
		return refuse(ReasonAge, "it was made at %s, and may be %s old at most", s.TimeVerified.UTC().Format(time.RFC3339), d.MaxAge)
	}
	return nil
}

// appliedBase reports whether the policy file with the digest was applied.
func (v *Summary) appliedBase(digest string) bool {
	return slices.ContainsFunc(v.InputAttestations, func(r Resource) bool { return r.Name == InputBase && sameDigest(r, digest) })
}

// sameDigest reports whether the resource has the digest, sha256:HEX.
func sameDigest(r Resource, digest string) bool {
	algorithm, hex, ok := strings.Cut(digest, ":")
	return ok && hex != "" && r.Digest[algorithm] == hex
}

// digests are the digests of a resource, for messages.
func digests(r Resource) string {
	if len(r.Digest) == 0 {
		return "it has no digest"
	}
	var all []string
	for algorithm, hex := range r.Digest {
		all = append(all, fmt.Sprintf("%.80q", algorithm+":"+hex))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// errNoDecision is told when nothing that is attached is a decision that counts.
var errNoDecision = errors.New("no signed decision about the image counts")

// Why says in one sentence why there is no decision.
func Why(found *Found, refused []Refusal) error {
	switch {
	case len(found.Attachments) == 0 && len(found.Skipped) == 0:
		return errors.New("nothing is attached to the image: neither signature nor decision")
	case len(refused) == 0:
		return errNoDecision
	case len(refused) == 1:
		return fmt.Errorf("%w: %w", errNoDecision, &refused[0])
	}
	return fmt.Errorf("%w; of %d attachments none does, the first because %s", errNoDecision, len(refused), refused[0].Err)
}

// RepositoryURI is the resource of a decision about an image of a repository, such
// as registry.example.no/shop/app.
func RepositoryURI(repository string) string { return "oci://" + repository }
