package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const ruleDecision = "decision"

var (
	decisionByKey = &setting[[]string]{
		path: ruleDecision + ".signed-by", doc: "Signers whose decisions count.",
		schema: signerNamesSchema(), read: signerNames, order: shorter(same), global: true,
	}
	verifierKey = &setting[string]{
		path: ruleDecision + ".verifier-id", doc: "The verifier that the decision must name.",
		schema: textSchema(), read: (*decoder).text, order: order[string](same), global: true,
	}
	decisionMaxAgeKey = &setting[time.Duration]{
		path: ruleDecision + ".max-age", doc: "How old a decision may be.",
		schema: durationSchema(), read: someTime, order: smaller[time.Duration], global: true,
	}
	decisionPolicyKey = &setting[[]string]{
		path: ruleDecision + ".policy", doc: "Digests of the policies that may have decided.",
		schema: digestList(), read: readDigests, order: shorter(same), global: true,
	}
	decisionBaseKey = &setting[[]string]{
		path: ruleDecision + ".base-policy", doc: "Hashes of base policies, one of which the policy that decided must have built on.",
		schema: digestList(), read: readDigests, order: shorter(same), global: true,
	}
	insteadKey = &setting[bool]{
		path: ruleDecision + ".instead-of-scan", doc: "Whether check and promote take a valid decision and do not scan. It has an effect only in a base that --require-base-policy names.",
		schema: object{"type": "boolean"}, read: (*decoder).toggle, order: func(child, base bool) bool { return !child || base }, unset: ptrTo(false), global: true,
	}
)

func digestList() object { return listOf(pattern(`^sha256:[0-9a-f]{64}$`)) }

func readDigests(d *decoder, n *yaml.Node, name string) ([]string, bool) {
	return list(d, n, name, false, func(c *yaml.Node, item string) (string, bool) {
		s, ok := d.text(c, item)
		if ok && !contentForm.MatchString(s) {
			d.fail(c, "write sha256: and 64 hexadecimal digits, as imagegate policy validate prints them", "%s is %q", item, clip(s))
			return "", false
		}
		return s, ok
	})
}

func decisionRule() *Rule {
	return &Rule{
		ID: ruleDecision, Title: "The newest trusted decision about the image is that it may ship.",
		Why: "Weeks after the build nobody wants to scan again to know who judged a digest, by which policy, and what the answer was.",
		How: "judge the image and attach the decision: imagegate check --attest",
		Settings: "signed-by (names of signers from trust, with for: [decision], required), max-age (required), verifier-id, " +
			"policy (digests of the policies that may have decided; without it imagegate check --decision takes decisions by the same policy alone), base-policy (hashes of base policies, one of which must be below it) and instead-of-scan. " +
			"imagegate verify judges by this rule alone. imagegate check asks it with --decision, or when a base that --require-base-policy names says instead-of-scan: true; it then does not scan. " +
			"The newest decision counts, so that an older PASSED never hides a newer FAILED. A decision is about one repository and one digest, of the image or of its index.",
		Default: "not asked", NoLevel: "without it there is no verdict, so it has no level",
		Example: "trust:\n  - name: gate\n    key: |\n      " + indented(exampleKey, "      ") + "    for: [decision]\ndecision: {signed-by: [gate], verifier-id: \"https://example.no/imagegate\", max-age: 7d}\n",
		keys:    []key{decisionByKey, verifierKey, decisionMaxAgeKey, decisionPolicyKey, decisionBaseKey, insteadKey}, check: checkDecisionRule,
	}
}

// Decisions is what the policy asks of signed decisions.
type Decisions struct {
	SignedBy []Signer
	Verifier string // id; "" for any
	MaxAge   time.Duration
	Policy   []string // digests; none for any
	Base     []string // hashes of base policies; none for any
}

// Decisions returns what the policy asks of signed decisions, and false when it has
// no section for them.
func (p *Policy) Decisions() (Decisions, bool) { return decisionsOf(&p.base) }

func decisionsOf(s *settings) (Decisions, bool) {
	names := decisionByKey.value(s)
	return Decisions{
		SignedBy: s.signersOf(names, ForDecision), Verifier: verifierKey.value(s), MaxAge: decisionMaxAgeKey.value(s),
		Policy: decisionPolicyKey.value(s), Base: decisionBaseKey.value(s),
	}, len(names) > 0
}

// checkDecisionRule answers for a check that looks into the image: there a decision
// takes the place of nothing.
func checkDecisionRule(j *judge) answer {
	if j.policy.asksOnlyDecisions(j.s) {
		a := undecided("the policy judges images by signed decisions alone")
		a.cure = "run imagegate verify, or imagegate check --decision"
		return a
	}
	return off("it is asked by imagegate verify, and by imagegate check --decision")
}

// asksOnlyDecisions reports whether no other rule asks anything.
func (p *Policy) asksOnlyDecisions(s *settings) bool {
	return !s.asksCoverage() && !slices.ContainsFunc(p.lang.rules, func(r *Rule) bool {
		return r.ID != ruleDecision && !r.Setting && !r.modifies && !r.always && r.active(s)
	})
}

// Newest judges by the decisions in a proof. It takes the newest that a trusted
// signer made about this image in this repository, and then asks of it what the
// policy asks: an older decision never answers for a newer one. repository is the
// name of the image, registry/repository.
func (d *Decisions) Newest(img *evidence.Image, repository string, now time.Time) RuleResult {
	a := d.newest(img, repository, now)
	r := RuleResult{Rule: ruleDecision, Result: a.result, Message: a.message, Allowed: d.allowed(), Details: few(a.details), Cure: a.cure}
	if a.result != ResultPass && r.Cure == "" {
		r.Cure = decisionRule().How
	}
	return r
}

func (d *Decisions) allowed() string {
	var names []string
	for _, s := range d.SignedBy {
		names = append(names, s.Name)
	}
	out := "PASSED by " + words.Or(names)
	if d.Verifier != "" {
		out += " as " + d.Verifier
	}
	return out + ", at most " + words.Duration(d.MaxAge) + " old"
}

func (d *Decisions) newest(img *evidence.Image, repository string, now time.Time) answer {
	j := &judge{img: img, now: now}
	proof, lack := j.attached(d.SignedBy)
	switch {
	case lack != nil:
		return *lack
	case now.IsZero():
		return missing("the time is not known")
	case d.MaxAge <= 0 || len(d.SignedBy) == 0:
		return missing("the policy does not say whose decisions count, and for how long")
	}
	newest, refused := d.pick(j, proof, repository)
	if newest == nil {
		a := undecided("there is no decision by a trusted signer about this image in %s", repository)
		if proof.Root == nil && slices.ContainsFunc(d.SignedBy, func(s Signer) bool { return s.Key == "" }) {
			a.message += "; certificates could not be verified without a trusted root"
			a.cure = "name the trusted root: --trusted-root FILE"
		}
		a.details = refused
		for _, g := range slices.Concat(proof.Gaps, proof.Unverified) {
			a.details = append(a.details, g.From+": "+g.Reason)
		}
		return a
	}
	a := d.judge(newest, now)
	a.details = append(a.details, refused...)
	if a.result == ResultPass && len(proof.Gaps) > 0 {
		a.result = ResultUndecided
		a.message += fmt.Sprintf("; but %s could not be read and may hold a newer decision", words.Plural(len(proof.Gaps), "attachment"))
		for _, g := range proof.Gaps {
			a.details = append(a.details, g.From+": "+g.Reason)
		}
		a.cure = "remove what cannot be read, or try again"
	}
	return a
}

// signedDecision is a decision, who signed it, and when.
type signedDecision struct {
	*evidence.Decided
	from   string
	signer *Signer
	at     time.Time // of the signature where that is known, otherwise as the verifier says
}

// pick returns the newest decision of a trusted signer about the image, and says
// what does not count. Of two of the same time the one that is not PASSED counts.
func (d *Decisions) pick(j *judge, proof *evidence.Proof, repository string) (newest *signedDecision, refused []string) {
	for i := range proof.Statements {
		s := &proof.Statements[i]
		if s.PredicateType != DecisionType || s.Embedded {
			continue
		}
		signer, by := signedBy(d.SignedBy, s.Signers)
		switch {
		case signer == nil:
			refused = append(refused, s.From+": signed by "+words.And(signerNamesOf(s.Signers))+", who is not trusted for decisions")
			continue
		case !j.isSubject(s.Subject):
			refused = append(refused, s.From+": it is about another image")
			continue
		case s.Decision == nil:
			// It may be the newest, and then it is no decision to ship.
			return &signedDecision{Decided: &evidence.Decided{Result: s.Problem}, from: s.From, signer: signer}, refused
		case !sameRepository(s.Decision.Resource, repository):
			refused = append(refused, s.From+": it is about "+clip(s.Decision.Resource))
			continue
		case d.Verifier != "" && s.Decision.Verifier != d.Verifier:
			refused = append(refused, s.From+": it is by the verifier "+clip(s.Decision.Verifier))
			continue
		}
		one := &signedDecision{Decided: s.Decision, from: s.From, signer: signer, at: s.Decision.Time}
		if by.Time != nil && by.Time.Before(one.at) {
			one.at = *by.Time
		}
		if newest == nil || one.at.After(newest.at) || one.at.Equal(newest.at) && one.Result != resultPassed {
			newest = one
		}
	}
	return newest, refused
}

const (
	resultPassed = "PASSED"
	resultFailed = "FAILED"
)

// DecisionType is the predicate type of a decision: a SLSA verification summary.
const DecisionType = "https://slsa.dev/verification_summary/v1"

// sameRepository compares the resource URI of a decision with the name of an image.
func sameRepository(resource, repository string) bool {
	return repository != "" && resource == "oci://"+repository
}

// judge asks of the newest decision what the policy asks.
func (d *Decisions) judge(s *signedDecision, now time.Time) answer {
	when := s.at.UTC().Format("2006-01-02 15:04 UTC")
	age := now.Sub(s.at)
	switch {
	case s.Result != resultPassed && s.Result != resultFailed:
		return undecided("the decision %s by %s cannot be read: %s", s.from, s.signer.Name, cmp.Or(clip(s.Result), "it has no result"))
	case s.at.IsZero():
		return undecided("the newest decision, by %s, has no time", s.signer.Name)
	case age < -clockSkew:
		return undecided("the newest decision, by %s, is of %s, which is in the future", s.signer.Name, when)
	case s.Result == resultFailed:
		a := failing("the newest decision, by %s on %s, is that the image may not ship", s.signer.Name, when)
		a.cure = "mend the image; imagegate check says what is wrong"
		return a
	case age > d.MaxAge:
		return undecided("the newest decision, by %s, is of %s, %s ago", s.signer.Name, when, words.Duration(age))
	case len(d.Policy) > 0 && !slices.Contains(d.Policy, s.Policy):
		return undecided("the newest decision, by %s on %s, was made by the policy %s", s.signer.Name, when, cmp.Or(clip(s.Policy), "without a digest"))
	case len(d.Base) > 0 && !slices.ContainsFunc(d.Base, func(b string) bool { return slices.Contains(s.Base, b) }):
		return undecided("the newest decision, by %s on %s, was made by a policy that builds on none of the base policies", s.signer.Name, when)
	}
	return passing("%s decided on %s that the image may ship", s.signer.Name, when)
}
