package policy

import (
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
)

const ruleDecision = "decision"

var (
	decisionByKey = signersKey(ruleDecision+".signed-by", "Signers whose decisions count.", shorter(same)).ofPolicy()
	verifierKey   = &setting[string]{
		path: ruleDecision + ".verifier-id", doc: "The verifier that the decision must name.",
		schema: textSchema(), read: (*decoder).text, order: order[string](same), global: true,
	}
	decisionMaxAgeKey = ageKey(ruleDecision+".max-age", "How old a decision may be.").ofPolicy()
	decisionPolicyKey = &setting[string]{
		path: ruleDecision + ".policy", doc: "The digest of the policy that must have decided, over all that applies.",
		schema: digestSchema(), read: (*decoder).digest, order: order[string](same), global: true,
	}
	decisionBaseKey = &setting[string]{
		path: ruleDecision + ".base-policy", doc: "The hash of the base policy that the policy which decided must be or build on.",
		schema: digestSchema(), read: (*decoder).digest, order: order[string](same), global: true,
	}
	insteadKey = &setting[bool]{
		path: ruleDecision + ".instead-of-scan", doc: "Whether check and promote take a valid decision and do not scan. It has an effect only in a base that --require-base-policy names.",
		schema: object{"type": "boolean"}, read: (*decoder).toggle, order: func(child, base bool) bool { return !child || base }, unset: new(false), global: true,
	}
)

func digestSchema() object { return pattern(contentForm.String()) }

// digest reads a SHA-256 digest.
func (d *decoder) digest(n *yaml.Node, name string) (string, bool) {
	s, ok := d.text(n, name)
	if ok && !contentForm.MatchString(s) {
		d.fail(n, "write sha256: and 64 hexadecimal digits, as imagegate policy validate prints them", "%s is %q", name, clip(s))
		return "", false
	}
	return s, ok
}

func decisionRule() *Rule {
	return &Rule{
		ID: ruleDecision, Title: "The newest trusted decision about the image is that it may ship.",
		Why: "A deployment weeks after the build needs the answer of the gate, and no scanner and no database to get it.",
		How: "judge the image and attach the decision: imagegate check --attest",
		Settings: "signed-by (names of signers from trust, with for: [decision], required), max-age (required), verifier-id, " +
			"policy (the digest of the policy that must have decided), base-policy (the hash of the base that it must be or build on) and instead-of-scan. Without policy and base-policy, imagegate check --decision takes decisions by the same policy alone. " +
			"imagegate verify judges by this rule alone. imagegate check asks it with --decision, or when a base that --require-base-policy names says instead-of-scan: true; it then does not scan. " +
			"The newest decision counts, so that an older PASSED never hides a newer FAILED. A decision is about one repository and one digest, of the image or of its index.",
		Default: "not asked", NoLevel: "without it there is no verdict, so it has no level",
		Example: "trust:\n  - name: gate\n    key: |\n      " + indented(exampleKey, "      ") + "    for: [decision]\ndecision: {signed-by: [gate], verifier-id: \"https://example.no/imagegate\", max-age: 7d}\n",
		keys:    []key{decisionByKey, verifierKey, decisionMaxAgeKey, decisionPolicyKey, decisionBaseKey, insteadKey}, check: judgedByDecisions,
	}
}

// Decisions is what the policy asks of signed decisions.
type Decisions struct {
	SignedBy   []Signer
	Verifier   string // id; "" for any
	MaxAge     time.Duration
	Policy     string // digest; "" for any
	BasePolicy string // hash of a base policy; "" for none
	// Position is where the policy says whose decisions count.
	Position Position
}

// Decisions returns what the policy asks of signed decisions at a moment, and false
// when it has no section for them.
func (p *Policy) Decisions(now time.Time) (Decisions, bool) {
	s := p.base.at(now, p.lang.leaves)
	by := decisionByKey.of(s)
	return Decisions{
		SignedBy: s.signersOf(by.value, ForDecision), Verifier: verifierKey.value(s), MaxAge: decisionMaxAgeKey.value(s),
		Policy: decisionPolicyKey.value(s), BasePolicy: decisionBaseKey.value(s), Position: by.pos,
	}, len(by.value) > 0
}

// RestsOnDecisions reports whether the policy wants images to be judged by signed
// decisions and not by a scan. base is the hash of the base policy that the caller
// demands: only that base, and those below it, may say so, because everyone who may
// change a file above it could let an old decision take the place of a scan.
func (p *Policy) RestsOnDecisions(base string, now time.Time) bool {
	s := p.base.at(now, p.lang.leaves)
	o := insteadKey.of(s)
	return o.set && o.value && p.saidBelow(o.pos, base)
}

// SaidBelow reports whether whose decisions count is said by the base policy with
// this hash, or by one below it.
func (d *Decisions) SaidBelow(p *Policy, base string) bool { return p.saidBelow(d.Position, base) }

func (p *Policy) saidBelow(pos Position, base string) bool {
	named := slices.IndexFunc(p.parts, func(part Part) bool { return base != "" && part.SHA256 == base })
	said := slices.IndexFunc(p.parts, func(part Part) bool { return part.Name == pos.File })
	return said >= 0 && said <= named
}

// EvaluateByDecision judges an image by a signed decision about it instead of by its
// layers. decision is the answer of the rule about decisions. Rules that need no
// layer are judged as always.
func (p *Policy) EvaluateByDecision(img *evidence.Image, now time.Time, decision RuleResult) Verdict {
	if !p.canJudge(img) {
		return nothingToJudge()
	}
	decision.Rule = ruleDecision
	j := p.newJudge(img, now)
	j.decision, j.need = &decision, 0
	return j.verdict()
}

// judgedByDecisions answers for a check that looks into the image: there a decision
// takes the place of nothing.
func judgedByDecisions(j *judge) answer {
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
