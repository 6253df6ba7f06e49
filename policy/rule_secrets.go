package policy

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	ruleSecrets     = "secrets"
	ruleSecretPaths = "secrets.paths"
)

// The files in which secrets are looked for.
const (
	pathsAll         = "all"
	pathsApplication = "application"
)

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

var secretPathsKey = &setting[string]{
	path: ruleSecretPaths, doc: "The files in which secrets are looked for.",
	schema: enum(pathsApplication, pathsAll), read: oneOf(pathsAll, pathsApplication), order: strictest(pathsAll, pathsApplication),
	unset: new(pathsApplication),
}

// secretsAnywhere reports whether secrets are looked for in every file.
func secretsAnywhere(s *settings) bool { return secretPathsKey.value(s) == pathsAll }

// needSecrets returns what has to be collected to judge secrets.
func needSecrets(s *settings) evidence.Need {
	if secretsAnywhere(s) {
		return evidence.NeedSecrets | evidence.NeedSecretsAnywhere
	}
	return evidence.NeedSecrets
}

func secretSection() section {
	return section{name: ruleSecrets, doc: "Credentials in files and in the image config.", rules: []*Rule{{
		ID: ruleSecrets, Title: "There are not more secrets than allowed.",
		Why: "A key in a layer can be read by everyone who can pull the image, even when a later layer deletes it.",
		How: "revoke the secret, remove it from every layer and pass it at run time or as a build secret", Default: "not asked", Levels: true,
		Settings: "max: one number for all, or for each severity a number or unlimited; unknown counts as high unless listed",
		Example:  "secrets: {max: {critical: 0, high: 0}}\n",
		keys:     []key{secretMaxKey}, needs: needSecrets, check: checkSecrets,
	}, {
		ID: ruleSecretPaths, Title: "In which files secrets are looked for.", Setting: true,
		Why: "Packages of the distribution and installed dependencies hold many keys that are examples, and a search in all files takes longer. But a credential that is copied below node_modules can be read like any other.",
		How: "remove the secret, or except the file for which it is no secret",
		Settings: "application (files of the distribution, such as those below /usr/share and /usr/lib, installed dependencies, such as node_modules and site-packages, and media by name are left out, and a note counts them), " +
			"all (every file that can be text; a note counts the files that are no text). Files below 10 bytes hold no secret, and a file above the limit file-size is no verdict.",
		Default: pathsApplication, Example: "secrets: {max: 0, paths: all}\n",
		keys: []key{secretPathsKey}, modifies: true,
	}}}
}

func readSecretLimit(d *decoder, n *yaml.Node, name string) (secretLimit, bool) {
	if n.Kind == yaml.MappingNode {
		per := severities(d, n, name, secretLimitOf)
		return secretLimit{per: per}, len(per) > 0
	}
	v, ok := d.count(n, name)
	return secretLimit{total: option[int]{value: v, pos: d.pos(n), set: ok}}, ok
}

// secretLimitOf reads the limit of one severity. Date and requirement are those of all
// limits, because one number can bind all severities together.
func secretLimitOf(d *decoder, n *yaml.Node, name string) (int, bool) {
	if n.Kind == yaml.MappingNode && !d.bad[n] {
		d.fail(n, "write from and control beside all limits: max: {value: {high: 0}, from: 2027-03-01}", "%s is %s", name, describe(n))
		return 0, false
	}
	return limit(d, n, name)
}

// joinSecretLimits replaces limits severity by severity, and one number whole. One
// number of the base goes on binding the severities that are not listed.
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
	by.value.total, by.value.per = base.value.total, per
	by.node = nil // the whole is in no file
	return by
}

// String returns the limit as a policy file spells it. One number beside limits for
// severities comes from a base, and no single file can say both.
func (l secretLimit) String() string {
	var parts []string
	for _, sev := range inOrder(l.per) {
		n := itoa(l.per[sev].value)
		if l.per[sev].value == unlimitedMax {
			n = wordNoLimit
		}
		parts = append(parts, fmt.Sprintf("%s: %s", sev, n))
	}
	per := "{" + strings.Join(parts, ", ") + "}"
	switch {
	case len(l.per) == 0:
		return itoa(l.total.value)
	case l.total.set:
		return per + " and " + itoa(l.total.value) + " of all other severities"
	}
	return per
}

// exceeded reports whether the counts are over the limit.
func (l secretLimit) exceeded(counts map[evidence.Severity]int) bool {
	rest := 0
	for sev, n := range counts {
		bucket, _, _ := bucketOf(l.per, sev)
		if _, listed := l.per[bucket]; !listed {
			rest += n
		}
	}
	return l.total.set && rest > l.total.value || len(overLimit(l.per, counts, 0)) > 0
}

// text says what the limit allows.
func (l secretLimit) text() string {
	switch {
	case len(l.per) == 0:
		return "at most " + itoa(l.total.value)
	case l.total.set:
		return limitText(l.per) + ", and " + itoa(l.total.value) + " of all other severities"
	}
	return limitText(l.per)
}

// allows returns how many secrets of a severity a limit allows.
func (l secretLimit) allows(sev evidence.Severity) int {
	bucket, n, ok := bucketOf(l.per, sev)
	switch {
	case ok:
		return n
	case l.total.set && !l.per[bucket].set:
		return l.total.value
	}
	return unlimitedMax
}

// splitsUnknown reports whether child counts unknown by itself where base counts it
// with high. More could then pass together, unless it allows none.
func (l secretLimit) splitsUnknown(base secretLimit) bool {
	own := l.per[evidence.SeverityUnknown]
	return own.set && own.value != 0 && !base.per[evidence.SeverityUnknown].set && base.allows(evidence.SeverityHigh) != unlimitedMax
}

// fewerSecrets reports whether child allows no secrets that base does not allow.
func fewerSecrets(child, base secretLimit) bool {
	if child.splitsUnknown(base) {
		return false
	}
	sum, counted := 0, false
	for _, sev := range evidence.Severities() {
		n := child.allows(sev)
		if !smallerLimit(n, base.allows(sev)) {
			return false
		}
		_, own := base.per[sev]
		_, childOwn := child.per[sev]
		switch {
		case own || !base.total.set:
		case childOwn || !child.total.set:
			sum += n
		case !counted: // one number of the child for all of these
			sum, counted = sum+n, true
		}
	}
	return !base.total.set || sum <= base.total.value
}

func checkSecrets(j *judge) answer {
	sc, lack := j.scanned(needSecrets(j.s))
	if lack != nil && (j.img.Scan == nil || len(j.img.Scan.Secrets) == 0) {
		return *lack
	}
	if lack != nil {
		sc = j.img.Scan
	}
	counts := map[evidence.Severity]int{}
	var details []string
	total, excepted, leftOut := 0, 0, 0
	for i := range sc.Secrets {
		s := &sc.Secrets[i]
		if s.LeftOut && !secretsAnywhere(j.s) {
			leftOut++
			continue
		}
		line := secretLine(*s)
		if e := j.exceptSecret(s); e != nil {
			details = append(details, line+", "+e.until())
			excepted++
			continue
		}
		total++
		counts[normalSeverity(s.Severity)]++
		details = append(details, line)
	}
	a := passing("%s found", words.Plural(total, "secret"))
	if excepted > 0 {
		a.message += fmt.Sprintf(" beside %d excepted", excepted)
	}
	if leftOut > 0 {
		a.message += fmt.Sprintf("; %d in files that paths: application leaves out", leftOut)
	}
	a.details = details
	limit := secretMaxKey.value(j.s)
	a.allowed = limit.text()
	over := limit.exceeded(counts)
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
