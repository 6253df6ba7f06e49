package policy

import (
	"fmt"
	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const ruleSecrets = "secrets"

// secretLimit is either one number for all secrets or one per severity.
type secretLimit struct {
	total option[int]
	per   map[evidence.Severity]option[int]
}

var secretMaxKey = &setting[secretLimit]{
	path: ruleSecrets + ".max", doc: "How many secrets are allowed: one number, or one for each severity.",
	schema: object{"oneOf": []any{numberSchema(), severitySchema(limitSchema())}},
	read:   readSecretLimit, join: joinSecretLimits, order: fewerSecrets,
}

func secretSection() section {
	return section{name: ruleSecrets, doc: "Credentials in files and in the image config.", rules: []*Rule{{
		ID: ruleSecrets, Title: "There are not more secrets than allowed.",
		Why: "A key in a layer can be read by everyone who can pull the image, even when a later layer deletes it.",
		How: "revoke the secret, remove it from every layer and pass it at run time or as a build secret", Default: "not asked", Levels: true,
		Settings: "max: one number for all, or for each severity a number or unlimited; unknown counts as high unless listed",
		Example:  "secrets: {max: {critical: 0, high: 0}}\n",
		keys:     []key{secretMaxKey}, needs: func(*settings) evidence.Need { return evidence.NeedSecrets }, check: checkSecrets,
	}}}
}

func readSecretLimit(d *decoder, n *yaml.Node, name string) (secretLimit, bool) {
	if n.Kind == yaml.MappingNode {
		per := severities(d, n, name, limit)
		return secretLimit{per: per}, len(per) > 0
	}
	v, ok := d.count(n, name)
	return secretLimit{total: option[int]{value: v, pos: d.pos(n), set: ok}}, ok
}

// joinSecretLimits replaces limits severity by severity, and one number whole.
func joinSecretLimits(base, by option[secretLimit]) option[secretLimit] {
	if by.value.total.set {
		return by
	}
	per := map[evidence.Severity]option[int]{}
	for _, m := range []map[evidence.Severity]option[int]{base.value.per, by.value.per} {
		for sev, o := range m {
			per[sev] = o
		}
	}
	by.value.per = per
	return by
}

// fewerSecrets reports whether child allows no secrets that base does not allow.
func fewerSecrets(child, base secretLimit) bool {
	allowed := func(l secretLimit, sev evidence.Severity) int {
		if l.total.set {
			return l.total.value
		}
		if _, n, ok := bucketOf(l.per, sev); ok {
			return n
		}
		return unlimitedMax
	}
	if base.total.set {
		sum := 0
		for _, sev := range evidence.Severities() {
			n := allowed(child, sev)
			if n == unlimitedMax {
				return false
			}
			if sum += n; child.total.set {
				sum = n
			}
		}
		return sum <= base.total.value
	}
	for _, sev := range evidence.Severities() {
		if !smallerLimit(allowed(child, sev), allowed(base, sev)) {
			return false
		}
	}
	return true
}

func checkSecrets(j *judge) answer {
	sc, lack := j.scanned(evidence.NeedSecrets)
	if lack != nil && (j.img.Scan == nil || len(j.img.Scan.Secrets) == 0) {
		return *lack
	}
	if lack != nil {
		sc = j.img.Scan
	}
	counts := map[evidence.Severity]int{}
	var details []string
	total := 0
	for i := range sc.Secrets {
		s := &sc.Secrets[i]
		line := secretLine(*s)
		if e := j.exceptSecret(s); e != nil {
			details = append(details, line+", "+e.until())
			continue
		}
		total++
		counts[normalSeverity(s.Severity)]++
		details = append(details, line)
	}
	a := passing("%s found", words.Plural(total, "secret"))
	if n := len(sc.Secrets) - total; n > 0 {
		a.message += fmt.Sprintf(" beside %d excepted", n)
	}
	if len(sc.Secrets) > 0 {
		a.details = details
	}
	limit := secretMaxKey.value(j.s)
	over := limit.total.set && total > limit.total.value
	a.allowed = "at most " + itoa(limit.total.value)
	if !limit.total.set {
		over = len(overLimit(limit.per, counts)) > 0
		a.allowed = limitText(limit.per)
	}
	switch {
	case over:
		a.result = ResultFail
	case lack != nil:
		return *lack
	}
	return a
}

func secretLine(s evidence.Secret) string {
	line := s.Path
	if s.StartLine > 0 {
		line = fmt.Sprintf("%s:%d", line, s.StartLine)
	}
	line = fmt.Sprintf("%s: %s (%s)", line, s.RuleID, normalSeverity(s.Severity))
	if s.Content != "" {
		line += ", content " + s.Content
	}
	return line
}
