package policy

import (
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	ruleCoverage     = "coverage."
	ruleEndOfLife    = "coverage.end-of-life"
	ruleDatabaseAge  = "coverage.database-max-age"
	ruleUnattributed = "coverage.unattributed"
	ruleBundledSBOMs = "coverage.bundled-sboms"
)

const maxDatabaseAge = 5 * 24 * time.Hour

var (
	endOfLifeKey = &setting[supportEnd]{
		path: ruleEndOfLife, doc: "The operating system is still supported.", schema: supportEndSchema(), read: (*decoder).supportEnd, order: supportEndAsStrict, unset: &supportEnd{level: levelFail},
	}
	bundledKey      = wordKey(ruleBundledSBOMs, "The image carries no software bills of materials of its own.", levelFail, levelWarn, levelIgnore).orElse(levelWarn)
	databaseAgeKey  = ageKey(ruleDatabaseAge, "How old the advisory database may be, by its build date.").orElse(maxDatabaseAge)
	unattributedKey = &setting[int]{
		path: ruleUnattributed + ".max", doc: "How many of them are allowed.", schema: numberSchema(),
		required: true, cure: "write unattributed: {max: 0}", read: (*decoder).count, order: smaller[int],
	}
	gapKeys = func() map[evidence.GapKind]*setting[string] {
		keys := map[evidence.GapKind]*setting[string]{}
		for _, t := range gapTexts() {
			keys[t.kind] = wordKey(ruleCoverage+string(t.kind), t.title, levelFail, levelWarn).orElse(t.level)
		}
		return keys
	}()
)

func coverageSection() section {
	s := section{name: "coverage", doc: "What the scan must have seen for a verdict."}
	for _, t := range gapTexts() {
		s.rules = append(s.rules, t.rule())
	}
	s.rules = append(s.rules, otherCoverageRules()...)
	for _, r := range s.rules {
		r.always = true
	}
	return s
}

// gapText is a kind of gap and the rule that judges it.
type gapText struct {
	kind            evidence.GapKind
	level           string // without a word of the policy
	title, why, how string
}

func (t gapText) rule() *Rule {
	id := ruleCoverage + string(t.kind)
	values := "fail (no verdict) or warn"
	if blinding(id) {
		values += "; warn only in an override that names its images"
	}
	return &Rule{
		ID: id, Title: t.title, Why: t.why, How: t.how, Settings: values, Default: t.level,
		Example: t.example(id), keys: []key{gapKeys[t.kind]},
		check: func(j *judge) answer { return checkGaps(j, t.kind) },
	}
}

func (t gapText) example(id string) string {
	_, last := splitPath(id)
	switch {
	case blinding(id):
		return "overrides:\n  - images: [\"registry.example.no/static/*\"]\n    coverage: {" + last + ": warn}\n    reason: a single static program\n    owner: team-platform\n    expires: 2027-01-31\n"
	case t.level == levelWarn:
		return "coverage: {" + last + ": fail}\n"
	}
	return "coverage: {" + last + ": warn}\n"
}

// gapRule returns the id of the coverage rule that judges a kind of gap. A
// kind this version does not know is judged as a scanner error, so that a new
// kind can never be overlooked.
func gapRule(k evidence.GapKind) string {
	if gapKeys[k] == nil {
		k = evidence.GapScannerErrors
	}
	return ruleCoverage + string(k)
}

// blinding reports the coverage rules without which an empty list of findings
// says nothing: only an override that names its images may soften them.
func blinding(id string) bool {
	switch id {
	case ruleCoverage + string(evidence.GapUnknownOS), ruleCoverage + string(evidence.GapUnsupportedOS),
		ruleCoverage + string(evidence.GapOSMismatch), ruleCoverage + string(evidence.GapPackageDatabase):
		return true
	}
	return false
}

// asksCoverage reports whether any key of the coverage section is set.
func (s *settings) asksCoverage() bool {
	for path := range s.values {
		if strings.HasPrefix(path, ruleCoverage) {
			return true
		}
	}
	return false
}
