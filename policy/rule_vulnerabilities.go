package policy

import (
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	ruleMax            = "vulnerabilities.max"
	ruleUnfixed        = "vulnerabilities.unfixed"
	ruleDistroOwned    = "vulnerabilities.distro-owned"
	ruleGrace          = "vulnerabilities.grace"
	ruleTypes          = "vulnerabilities.types"
	ruleSeveritySource = "vulnerabilities.severity-source"
	ruleDeny           = "vulnerabilities.deny"
)

// Words of the section.
const (
	wordAuto    = "auto"
	wordHighest = "highest"
	typeOS      = "os"
	typeLibrary = "library"
)

var (
	maxKey = unknownAsHigh(perSeverity(ruleMax,
		"How many findings of each severity are allowed. A severity left out is not limited; unknown counts as high unless listed.",
		limitSchema(), limit, smallerLimit, nil))
	unfixedKey = &setting[unfixedLevels]{
		path: ruleUnfixed, doc: "What findings without a fix do: fail like any other, warn, or ignore; one word, or words by severity and by status.",
		schema: unfixedSchema(), read: (*decoder).unfixed, order: unfixedAsStrict, unset: &unfixedLevels{all: levelFail},
	}
	distroOwnedKey = wordKey(ruleDistroOwned, "What findings in language packages do that the distribution installed: fail like any other, warn, or ignore.", levelFail, levelWarn, levelIgnore).orElse(levelWarn)
	graceKey       = perSeverity(ruleGrace, "How long after its publication a finding does not block yet.",
		durationSchema(), anyTime, smaller[time.Duration], new(time.Duration))
	typesKey = &setting[[]string]{
		path: ruleTypes, doc: "Packages to judge: os, library, or Trivy's names for package types.",
		schema: listOf(enum(packageTypes()...)), read: wordList(packageTypes()),
		order: judgesAll, unset: new([]string{typeOS, typeLibrary}),
	}
	// sourcesKey is auto, highest, or names in order.
	sourcesKey = &setting[[]string]{
		path: ruleSeveritySource, doc: "Whose severity counts: auto (Trivy's choice), highest, or sources in order.",
		schema: object{"oneOf": []any{enum(wordAuto, wordHighest), listOf(enum(severitySources()...))}},
		read:   (*decoder).sources, order: fixedList, unset: new([]string{wordAuto}),
	}
	denyKey = &setting[[]string]{
		path: ruleDeny, doc: "Vulnerabilities that always block: no severity, missing fix or exception lets them pass.",
		schema: listOf(pattern(idForm.String())), read: ids, order: longer(sameFold),
	}
)

// unknownAsHigh compares the limits of unknown as they apply. Without a limit of
// its own unknown counts against that of high. A new limit would be counted beside
// it, so that more could pass together: only 0 is as strict.
func unknownAsHigh(k *severitySetting[int]) *severitySetting[int] {
	k.each[rank(evidence.SeverityUnknown)].compare = func(child, base *settings) bool {
		c, b, high := k.at(child, evidence.SeverityUnknown), k.at(base, evidence.SeverityUnknown), k.at(base, evidence.SeverityHigh)
		switch {
		case b.set:
			return c.set && smallerLimit(c.value, b.value)
		case c.set && high.set && high.value != unlimitedMax:
			return c.value == 0
		}
		return true
	}
	return k
}

func vulnerabilitySection() section {
	severityNote := "For each of critical, high, medium, low and unknown"
	return section{name: "vulnerabilities", doc: "Which vulnerabilities block.", rules: []*Rule{
		{
			ID: ruleMax, Title: "There are not more findings of a severity than allowed.",
			Why: "Known vulnerabilities are what attackers try first.",
			How: "update the packages to their fixed versions, rebuild on a newer base image, or add an exception that ends",
			Settings: severityNote + " a number, or unlimited. A severity left out is not limited; unknown counts as high unless listed. " +
				"Findings count that no other class takes; above the number, all of that severity block.",
			Default: "not asked", Example: "vulnerabilities: {max: {critical: 0, high: 0, medium: 20}}\n", Levels: true,
			keys: []key{maxKey}, needs: needFindings, check: checkMax,
		},
		{
			ID: ruleUnfixed, Title: "What findings without a fix do.",
			Why: "There is no version to update to; but the risk is there.",
			How: "watch for a fix, choose another base image, or remove the package",
			Settings: "fail (they count like any other), warn (they are reported and do not block), ignore (listed only). One word for all, or words by severity " +
				"and by status: {critical: fail, high: warn, status: {will_not_fix: fail}}. The statuses are affected, under_investigation, will_not_fix, fix_deferred, end_of_life and unknown. " +
				"Where both are listed the stricter word counts; a severity that is left out beside others fails, and so does a finding that nothing lists.",
			Default: levelFail, Example: "vulnerabilities: {max: {critical: 0}, unfixed: warn}\n",
			keys: []key{unfixedKey}, modifies: true, check: checkUnfixed,
		},
		{
			ID: ruleDistroOwned, Title: "What findings in language packages do that the distribution installed.",
			Why: "A distribution fixes its packages without raising their versions. Advisories of the language know nothing of that, and the advisories of the distribution are matched anyway.",
			How: "update the package of the distribution; the report names it",
			Settings: "fail (they count like any other), warn (they are reported and do not block), ignore (listed only). A package is the distribution's only if " +
				"its database of installed packages lists the file with the hash that the file has.",
			Default: levelWarn, Example: "vulnerabilities: {max: {critical: 0}, distro-owned: fail}\n", Setting: true,
			keys: []key{distroOwnedKey}, modifies: true,
		},
		{
			ID: ruleGrace, Title: "How long after its publication a finding does not block yet.", Setting: true,
			Why:      "A team needs time to rebuild; a release should not break on an advisory that was published an hour ago.",
			How:      "rebuild before the grace ends",
			Settings: severityNote + " a time such as 7d or 36h. A finding without a date of publication has no grace, and neither has a severity that is left out.",
			Default:  "none", Example: "vulnerabilities: {max: {high: 0}, grace: {high: 7d}}\n",
			keys: []key{graceKey}, modifies: true,
		},
		{
			ID: ruleTypes, Title: "Which packages are judged.", Setting: true,
			Why:      "Some teams answer for their libraries and not for the operating system.",
			How:      "add the type",
			Settings: "a list of os, library, or Trivy's types: alpine, debian, npm, gobinary, jar and so on. Findings of other types are listed and do not count.",
			Default:  "every type", Example: "vulnerabilities: {max: {critical: 0}, types: [library]}\n",
			keys: []key{typesKey}, modifies: true,
		},
		{
			ID: ruleSeveritySource, Title: "Whose severity counts.", Setting: true,
			Why:      "A vendor may say low where NVD says critical.",
			How:      "choose the source that your organisation goes by",
			Settings: "auto (Trivy's choice: the vendor of the package first), highest (the worst of all sources), or a list in order, such as [nvd, ghsa]; where none of them rated, Trivy's choice counts",
			Default:  wordAuto, Example: "vulnerabilities: {max: {critical: 0}, severity-source: [nvd, ghsa]}\n",
			keys: []key{sourcesKey}, modifies: true,
		},
		{
			ID: ruleDeny, Title: "None of these vulnerabilities is in the image.",
			Why: "Some are so bad that no number, grace or exception may let them through.",
			How: "update or remove the package", Default: "not asked", Levels: true,
			Settings: "a list of ids; any alias of a finding matches. It holds for packages of every type.",
			Example:  "vulnerabilities: {deny: [CVE-2021-44228, CVE-2024-3094]}\n",
			keys:     []key{denyKey}, needs: needFindings, check: checkDeny,
		},
	}}
}

// needFindings is what has to be collected to know the findings.
func needFindings(s *settings) evidence.Need {
	if s.judgesType("jar", evidence.ClassLanguage) {
		return evidence.NeedPackages | evidence.NeedJava
	}
	return evidence.NeedPackages
}

// limited returns the severity whose limit holds for sev, and the limit; ok is
// false when nothing limits it. A finding that was not rated may be anything: it
// counts as high unless the policy lists unknown.
func (s *settings) limited(sev evidence.Severity) (bucket evidence.Severity, limit int, ok bool) {
	l := maxKey.at(s, sev)
	if sev == evidence.SeverityUnknown && !l.set {
		sev = evidence.SeverityHigh
		l = maxKey.at(s, sev)
	}
	return sev, l.value, l.set && l.value != unlimitedMax
}

func bucketOf(max map[evidence.Severity]option[int], sev evidence.Severity) (evidence.Severity, int, bool) {
	if sev == evidence.SeverityUnknown && !max[sev].set {
		sev = evidence.SeverityHigh
	}
	l := max[sev]
	return sev, l.value, l.set && l.value != unlimitedMax
}

// judgesType reports whether vulnerabilities.types covers a package.
func (s *settings) judgesType(typ string, class evidence.Class) bool {
	return listsType(typesKey.value(s), typ, class)
}

// listsType reports whether a list of types covers a package. A package that
// Trivy calls neither OS package nor library is judged: leaving it out would be a
// guess.
func listsType(types []string, typ string, class evidence.Class) bool {
	for _, t := range types {
		switch {
		case t == typ,
			t == typeOS && class != evidence.ClassLanguage,
			t == typeLibrary && class != evidence.ClassOS:
			return true
		}
	}
	return class != evidence.ClassOS && class != evidence.ClassLanguage
}

// judgesAll reports whether child judges every type that base judges.
func judgesAll(child, base []string) bool {
	covers := func(types []string, class evidence.Class) bool {
		for _, t := range types {
			if listsType(base, t, class) && !listsType(child, t, class) {
				return false
			}
		}
		return true
	}
	return covers(evidence.OSTypes(), evidence.ClassOS) && covers(evidence.LibraryTypes(), evidence.ClassLanguage)
}
