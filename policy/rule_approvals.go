package policy

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const ruleApprovals = "approvals"

// ApprovalType is the predicate type of an approval. Its predicate is
// {"policy": {"digest": {"sha256": HEX}}, "reason": TEXT}.
const ApprovalType = "https://github.com/imagegate/imagegate/approval/v1"

// approvalRule asks that some people approve the image.
type approvalRule struct {
	by      []string // names of signers
	atLeast int
}

var approvalsKey = &setting[[]approvalRule]{
	path: ruleApprovals, doc: "People who must have approved the image under exactly this policy.",
	schema: listOf(schemaOf(approvalFields())), read: readApprovals, order: longer(approvalAsStrict),
}

func approvalFields() []field[*approvalRule] {
	return []field[*approvalRule]{
		{
			key: "by", doc: "Signers who may approve.", required: true, cure: "say who may approve: by: [risk-board]",
			schema: signerNamesSchema(), decode: func(d *decoder, n *yaml.Node, name string, a *approvalRule) { a.by, _ = signerNames(d, n, name) },
		},
		{
			key: "at-least", doc: "How many different people must approve.", required: true, cure: "say how many people must approve: at-least: 2",
			schema: object{"type": "integer", "minimum": 1},
			decode: func(d *decoder, n *yaml.Node, name string, a *approvalRule) { a.atLeast, _ = d.countFromOne(n, name) },
		},
	}
}

func readApprovals(d *decoder, n *yaml.Node, name string) ([]approvalRule, bool) {
	mistakes := len(d.diags)
	if d.bad[n] {
		return nil, false
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		d.fail(n, "write a list: [{by: [risk-board], at-least: 2}]", "%s is %s", name, emptyOr(n))
		return nil, false
	}
	var out []approvalRule
	for i, c := range n.Content {
		var a approvalRule
		listed(d, c, fmt.Sprintf("item %d of %s", i+1, name), approvalFields(), &a)
		out = append(out, a)
	}
	return out, len(d.diags) == mistakes
}

// approvalAsStrict reports whether child asks for as many people, out of no others.
func approvalAsStrict(child, base approvalRule) bool {
	return child.atLeast >= base.atLeast && !slices.ContainsFunc(child.by, func(name string) bool { return !slices.Contains(base.by, name) })
}

func approvalsRule() *Rule {
	return &Rule{
		ID: ruleApprovals, Title: "As many different people have approved the image under this policy.",
		Why: "A policy in a file can be changed by one person. Approvals name the digest of the policy, so that a second person has seen what applies.",
		How: "let the people approve this digest under this policy: imagegate approve IMAGE@DIGEST",
		Settings: "a list of mappings of by (names of signers from trust, with for: [approval]) and at-least (a number of people). Each must be met. " +
			"An approval is a signed in-toto statement about the image or its index with the predicate type " + ApprovalType + " that names the digest of the policy. " +
			"Signers are told apart by key and by identity: the same key under two names, and the same identity from two issuers, count once. That two keys belong to one person cannot be seen.",
		Default: "not asked", Levels: true,
		Example: "trust:\n  - {name: risk-board, identity: \"*@risk.example.no\", issuer: \"https://login.example.no\", for: [approval]}\napprovals: [{by: [risk-board], at-least: 2}]\n",
		keys:    []key{approvalsKey}, check: checkApprovals,
	}
}

func checkApprovals(j *judge) answer {
	var signers []Signer
	rules := approvalsKey.value(j.s)
	for _, r := range rules {
		signers = append(signers, j.s.signersOf(r.by, ForApproval)...)
	}
	proof, lack := j.attached(signers)
	if lack != nil {
		return *lack
	}
	var met, notMet, allowed []string
	var others []string
	for _, r := range rules {
		people, refused := j.approvers(proof, j.s.signersOf(r.by, ForApproval))
		text := fmt.Sprintf("%d of %d by %s", len(people), r.atLeast, words.Or(r.by))
		allowed = append(allowed, fmt.Sprintf("%s by %s", words.Plural(r.atLeast, "person"), words.Or(r.by)))
		if len(people) >= r.atLeast {
			met = append(met, text+": "+words.And(people))
			continue
		}
		notMet, others = append(notMet, text), append(others, refused...)
	}
	a := passing("approved: %s", strings.Join(met, "; "))
	if len(notMet) > 0 {
		a = unproven(proof, signers, "approved by too few people: %s", strings.Join(notMet, "; "))
		a.details = append(a.details, others...)
	}
	a.allowed = "an image approved by " + words.And(allowed) + " under policy " + j.policy.Digest()
	return a
}

// approvers lists the people who approved the image under this policy, and the
// approvals that do not count.
func (j *judge) approvers(proof *evidence.Proof, trusted []Signer) (people, refused []string) {
	seen := map[string]bool{}
	for i := range proof.Statements {
		s := &proof.Statements[i]
		if s.PredicateType != ApprovalType || s.Embedded {
			continue
		}
		switch digest := j.policy.Digest(); {
		case s.Approval == nil:
			refused = append(refused, s.From+": the approval cannot be read: "+s.Problem)
			continue
		case !j.isSubject(s.Subject):
			refused = append(refused, s.From+": it approves another image")
			continue
		case s.Approval.Policy != digest:
			refused = append(refused, s.From+": it approves the image under policy "+clip(s.Approval.Policy)+", and this one is "+digest)
			continue
		}
		for k := range s.Signers {
			by := &s.Signers[k]
			if signer, _ := signedBy(trusted, s.Signers[k:k+1]); signer != nil && !seen[personOf(by)] {
				seen[personOf(by)] = true
				people = append(people, signerText(*by))
			}
		}
	}
	slices.Sort(people)
	return people, refused
}

// personOf is what tells people apart: the key, or the identity whoever vouches for
// it.
func personOf(s *evidence.Signer) string {
	if s.Key != "" {
		return s.Key
	}
	return strings.ToLower(s.Identity)
}

// checkApprovalsCanBeMet reports rules that ask for more people than there are.
func (d *decoder) checkApprovalsCanBeMet(p *Policy, o option[[]approvalRule]) {
	for _, r := range o.value {
		keys, open := map[string]bool{}, false
		for _, s := range p.base.signersOf(r.by, ForApproval) {
			switch {
			case s.Key != "":
				keys[s.Fingerprint] = true
			case strings.ContainsAny(s.Identity, wildcards):
				open = true
			default:
				keys[strings.ToLower(s.Identity)] = true
			}
		}
		if !open && len(keys) < r.atLeast {
			d.failPos(o.pos, "trust more signers for approval, or lower at-least", "approvals asks for %d people, and %s can be %d", r.atLeast, words.And(r.by), len(keys))
		}
	}
}
