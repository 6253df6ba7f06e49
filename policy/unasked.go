package policy

import "slices"

// question is one of the main questions that a policy can ask of an image.
type question struct {
	name  string
	rules []string // any of them asks it
}

// mainQuestions are those that every report names when the policy does not ask them.
func (p *Policy) mainQuestions() []question {
	workload := question{name: "how its workload runs it"}
	for _, r := range p.lang.rules {
		if r.workload != nil {
			workload.rules = append(workload.rules, r.ID)
		}
	}
	return []question{
		{"vulnerabilities", []string{ruleMax, ruleDeny, ruleKEV, ruleEPSS}},
		{"the user that it runs as", []string{ruleUser}},
		{"its reference", []string{rulePin, ruleDenyTags, ruleAllow}},
		{"secrets", []string{ruleSecrets}},
		{"signatures", []string{ruleSignatures, ruleApprovals, ruleProvenance, ruleDecision}},
		workload,
	}
}

// Unasked lists the main questions that the policy does not ask of an image that no
// override matches. What the built-in policy does not ask either is named only for a
// policy that does not stand on it: the report of an ordinary policy would otherwise
// always begin with the same line.
func (p *Policy) Unasked() []string {
	var out []string
	builtIn := builtInPolicy()
	above := p.parts[0].SHA256 == builtIn.parts[0].SHA256
	for _, q := range p.mainQuestions() {
		if !p.asksAny(q.rules) && (!above || builtIn.asksAny(q.rules)) {
			out = append(out, q.name)
		}
	}
	return out
}

func (p *Policy) asksAny(rules []string) bool {
	return slices.ContainsFunc(p.lang.rules, func(r *Rule) bool {
		return slices.Contains(rules, r.ID) && r.active(&p.base)
	})
}
