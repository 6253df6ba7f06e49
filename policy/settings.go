package policy

import (
	"maps"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

// The words of the policy language that stand for a level.
const (
	levelFail   = "fail"
	levelWarn   = "warn"
	levelOff    = "off"
	levelIgnore = "ignore"
)

// The words for how an image is named and who it runs as.
const (
	pinDigest    = "digest"
	pinVersion   = "version"
	userNonRoot  = "non-root"
	userNumeric  = "numeric"
	wordAny      = "any"
	wordAll      = "all"
	wordAuto     = "auto"
	wordHighest  = "highest"
	wordNoLimit  = "unlimited"
	typeOS       = "os"
	typeLibrary  = "library"
	maxDBAge     = 5 * 24 * time.Hour
	unlimitedMax = -1
)

// settings is what the rules are set to: the policy itself, or what one
// override changes. A key that is not set asks for nothing, with one exception:
// coverage rules fail unless they are told otherwise.
type settings struct {
	pin      option[string]
	denyTags option[[]string]
	allow    option[[]string]

	user          option[string]
	denyPorts     option[[]portRange]
	requireLabels option[[]string]
	maxAge        option[time.Duration]
	maxSize       option[int64]
	healthcheck   option[bool]
	denyEnv       option[[]string]

	platforms option[[]string] // none: all

	max     map[evidence.Severity]option[int]
	unfixed option[string]
	grace   map[evidence.Severity]option[time.Duration]
	types   option[[]string]
	sources option[[]string] // auto, highest, or names in order
	deny    option[[]string]

	secrets secretLimit

	licenseDeny  option[[]string]
	licenseAllow option[[]string]
	licenseLevel option[string]

	coverage       option[bool] // whether the section is there
	gaps           map[string]option[string]
	databaseMaxAge option[time.Duration]
	unattributed   option[int]

	levels map[string]option[string]
}

// secretLimit is either one number for all secrets or one per severity.
type secretLimit struct {
	total option[int]
	per   map[evidence.Severity]option[int]
}

func (l secretLimit) set() bool { return l.total.set || len(l.per) > 0 }

// with returns the settings after an override: key by key, and severity by
// severity inside max and grace, so that an override which raises one limit
// lifts no other by leaving it out. Lists are replaced whole.
func (s settings) with(o *settings) settings {
	s.pin.override(o.pin)
	s.denyTags.override(o.denyTags)
	s.allow.override(o.allow)
	s.user.override(o.user)
	s.denyPorts.override(o.denyPorts)
	s.requireLabels.override(o.requireLabels)
	s.maxAge.override(o.maxAge)
	s.maxSize.override(o.maxSize)
	s.healthcheck.override(o.healthcheck)
	s.denyEnv.override(o.denyEnv)
	s.platforms.override(o.platforms)
	s.max = merge(s.max, o.max)
	s.unfixed.override(o.unfixed)
	s.grace = merge(s.grace, o.grace)
	s.types.override(o.types)
	s.sources.override(o.sources)
	s.deny.override(o.deny)
	s.secrets = s.secrets.with(o.secrets)
	s.licenseDeny.override(o.licenseDeny)
	s.licenseAllow.override(o.licenseAllow)
	s.licenseLevel.override(o.licenseLevel)
	s.coverage.override(o.coverage)
	s.gaps = merge(s.gaps, o.gaps)
	s.databaseMaxAge.override(o.databaseMaxAge)
	s.unattributed.override(o.unattributed)
	s.levels = merge(s.levels, o.levels)
	return s
}

func (l secretLimit) with(o secretLimit) secretLimit {
	switch {
	case o.total.set:
		return o
	case len(o.per) > 0:
		return secretLimit{per: merge(l.per, o.per)}
	}
	return l
}

// merge returns a new map: the base must stay as it is for the next image.
func merge[K comparable, V any](base, by map[K]option[V]) map[K]option[V] {
	out := maps.Clone(base)
	if out == nil {
		out = map[K]option[V]{}
	}
	maps.Copy(out, by)
	return out
}

// level returns what levels say about a rule: fail unless told otherwise.
func (s *settings) level(rule string) string {
	if l := s.levels[rule]; l.set {
		return l.value
	}
	return levelFail
}

// gapLevel returns the level of a coverage rule: what the policy says, else
// what applies without a word.
func (s *settings) gapLevel(id string) string {
	if l := s.gaps[id]; l.set {
		return l.value
	}
	return defaultLevel(id)
}

// defaultLevel is the level of a coverage rule of which the policy says nothing.
func defaultLevel(id string) string {
	switch id {
	case ruleBundledSBOMs, ruleCoverage + string(evidence.GapNoAdvisories):
		return levelWarn
	}
	return levelFail
}

// limited returns the severity whose limit holds for sev, and the limit; ok is
// false when nothing limits it. A finding that nobody rated may be anything:
// it counts as high unless the policy lists unknown.
func (s *settings) limited(sev evidence.Severity) (bucket evidence.Severity, limit int, ok bool) {
	return bucketOf(s.max, sev)
}

func bucketOf(max map[evidence.Severity]option[int], sev evidence.Severity) (evidence.Severity, int, bool) {
	if sev == evidence.SeverityUnknown && !max[sev].set {
		sev = evidence.SeverityHigh
	}
	l := max[sev]
	return sev, l.value, l.set && l.value != unlimitedMax
}

// judgesVulnerabilities reports whether a finding can block at all.
func (s *settings) judgesVulnerabilities() bool {
	return len(s.max) > 0 && s.level(ruleMax) != levelOff || s.deny.set && s.level(ruleDeny) != levelOff
}

// needs returns what has to be collected to judge by these settings.
func (s *settings) needs() evidence.Need {
	var n evidence.Need
	if s.user.set && s.user.value != wordAny && s.level(ruleUser) != levelOff {
		n |= evidence.NeedUser
	}
	if s.secrets.set() && s.level(ruleSecrets) != levelOff {
		n |= evidence.NeedSecrets
	}
	// A licence belongs to a package: without all packages there is no telling
	// that all licences were seen.
	if s.licenseDeny.set || s.licenseAllow.set {
		n |= evidence.NeedLicenses | evidence.NeedPackages
	}
	if s.coverage.set || s.judgesVulnerabilities() {
		n |= evidence.NeedPackages
		if s.judgesType("jar", evidence.ClassLanguage) {
			n |= evidence.NeedJava
		}
	}
	return n
}

// judgesType reports whether vulnerabilities.types covers a package. What
// Trivy calls neither OS package nor library is judged: leaving it out would be
// a guess.
func (s *settings) judgesType(typ string, class evidence.Class) bool {
	if !s.types.set {
		return true
	}
	for _, t := range s.types.value {
		switch {
		case t == typ,
			t == typeOS && class != evidence.ClassLanguage,
			t == typeLibrary && class != evidence.ClassOS:
			return true
		}
	}
	return class != evidence.ClassOS && class != evidence.ClassLanguage
}

// maxAgeOfDatabase returns how old the advisory database may be.
func (s *settings) maxAgeOfDatabase() time.Duration {
	if s.databaseMaxAge.set {
		return s.databaseMaxAge.value
	}
	return maxDBAge
}
