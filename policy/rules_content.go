package policy

import "github.com/imagegate/imagegate/policy/evidence"

func vulnerabilityRules() []*Rule {
	severityNote := "For each of critical, high, medium, low and unknown"
	return []*Rule{
		{
			ID: ruleMax, Title: "There are not more findings of a severity than allowed.",
			Why: "Known vulnerabilities are what attackers try first.",
			How: "update the packages to their fixed versions, rebuild on a newer base image, or add an exception that ends",
			Settings: severityNote + " a number, or unlimited. A severity left out is not limited; unknown counts as high unless listed. " +
				"What counts is what is left after types, exceptions, unfixed and grace; above the number, all of that severity block.",
			Default: "not asked", Example: "vulnerabilities: {max: {critical: 0, high: 0, medium: 20}}\n", Levels: true,
			where: whereMax, check: checkMax,
		},
		{
			ID: ruleUnfixed, Title: "What findings without a fix do.",
			Why:      "Nobody can update to a version that does not exist; but the risk is there.",
			How:      "watch for a fix, choose another base image, or remove the package",
			Settings: "fail (they count like any other), warn (they are reported and do not block), ignore (listed only)",
			Default:  "fail", Example: "vulnerabilities: {max: {critical: 0}, unfixed: warn}\n",
			where: optionAt(func(s *settings) *option[string] { return &s.unfixed }), check: checkUnfixed,
		},
		{
			ID: ruleGrace, Title: "How long after its publication a finding does not block yet.", Setting: true,
			Why:      "A team needs time to rebuild; a release should not break on what was published an hour ago.",
			How:      "rebuild before the grace ends",
			Settings: severityNote + " a time such as 7d or 36h. No date of publication, no grace; a severity left out has none.",
			Default:  "none", Example: "vulnerabilities: {max: {high: 0}, grace: {high: 7d}}\n",
		},
		{
			ID: ruleTypes, Title: "Which packages are judged.", Setting: true,
			Why:      "Some teams answer for their libraries and not for the operating system.",
			How:      "add the type",
			Settings: "a list of os, library, or Trivy's types: alpine, debian, npm, gobinary, jar and so on. Findings of other types are listed and do not count.",
			Default:  "every type", Example: "vulnerabilities: {max: {critical: 0}, types: [library]}\n",
		},
		{
			ID: ruleSeveritySource, Title: "Whose severity counts.", Setting: true,
			Why:      "A vendor may say low where NVD says critical.",
			How:      "choose the source your organisation goes by",
			Settings: "auto (Trivy's choice: the vendor of the package first), highest (the worst that anyone says), or a list in order, such as [nvd, ghsa]; where none of them rated, Trivy's choice counts",
			Default:  "auto", Example: "vulnerabilities: {max: {critical: 0}, severity-source: [nvd, ghsa]}\n",
		},
		{
			ID: ruleDeny, Title: "None of these vulnerabilities is in the image.",
			Why: "Some are so bad that no number, grace or exception may let them through.",
			How: "update or remove the package", Default: "not asked", Levels: true,
			Settings: "a list of ids; any alias of a finding matches. It holds for packages of every type.",
			Example:  "vulnerabilities: {deny: [CVE-2021-44228, CVE-2024-3094]}\n",
			where:    optionAt(func(s *settings) *option[[]string] { return &s.deny }), check: checkDeny,
		},
	}
}

func whereMax(s *settings) (Position, bool) {
	for _, sev := range inOrder(s.max) {
		return s.max[sev].pos, true
	}
	return Position{}, false
}

func contentRules() []*Rule {
	return []*Rule{
		{
			ID: ruleSecrets, Title: "There are not more secrets than allowed.",
			Why: "A key in a layer can be read by everyone who can pull the image, even when a later layer deletes it.",
			How: "revoke the secret, remove it from every layer and pass it at run time or as a build secret", Default: "not asked", Levels: true,
			Settings: "max: one number for all, or for each severity a number or unlimited; unknown counts as high unless listed. No exception covers a secret.",
			Example:  "secrets: {max: 0}\n",
			where: func(s *settings) (Position, bool) {
				for _, sev := range inOrder(s.secrets.per) {
					return s.secrets.per[sev].pos, true
				}
				return s.secrets.total.pos, s.secrets.total.set
			},
			check: checkSecrets,
		},
		{
			ID: ruleLicenses, Title: "The packages have licences that may ship.",
			Why: "Shipping an image is distribution, and some licences then ask for more than a company wants to give.",
			How: "replace the package, or let legal change the list", Default: "not asked",
			Settings: "deny and allow: lists of SPDX ids, globs allowed, compared without regard to case; AGPL-3.0 means its -only and -or-later forms too. " +
				"Of licences joined by OR one has to be fine, of those joined by AND all. With allow, a package without a known licence has the licence unknown. level: fail or warn.",
			Example: "licenses: {deny: [AGPL-3.0, \"SSPL-*\"], level: warn}\n",
			where: func(s *settings) (Position, bool) {
				if s.licenseDeny.set {
					return s.licenseDeny.pos, true
				}
				return s.licenseAllow.pos, s.licenseAllow.set
			},
			check: checkLicenses,
		},
	}
}

func exceptionRules() []*Rule {
	return []*Rule{
		{
			ID: ruleExceptions, Title: "What became of the exceptions.",
			Why: "An exception is a promise to come back. It ends at the end of its last day, UTC, and is reported before and after.",
			How: "fix the finding, or decide again and write a new date",
			Settings: "a list of id, reason and expires (required), package (a name, or a purl with a version range such as pkg:npm/lodash@>=4.17.0 <4.17.21), " +
				"images, paths (globs) and owner. An exception covers one id, matched with every alias, and never coverage, secrets or config.",
			Default: "none",
			Example: "exceptions:\n  - id: CVE-2026-12345\n    package: pkg:deb/debian/zlib1g\n    reason: minizip is not built\n    owner: team-shop\n    expires: 2027-01-31\n",
			check:   checkExceptionUse,
		},
		{
			ID: ruleExceptionLimits, Title: "Exceptions stay within what the policy allows.",
			Why: "Without limits an exception until 2099 is a policy change that nobody decided.",
			How: "shorten the exception, or fix the finding", Default: "not asked", Levels: true,
			Settings: "max-days: how many days ahead an exception may end; a later one does not apply, and it fails an image that needs it. " +
				"require: keys every exception must have (owner, package, images). never: {severity: high}: findings of this severity or worse are covered by no exception; unknown counts as high.",
			Example: "exception-limits: {max-days: 90, require: [owner], never: {severity: critical}}\n",
			check:   checkExceptionLimits,
		},
		{
			ID: ruleOverrides, Title: "Other settings for images with certain names.", Setting: true,
			Why:      "One policy for all, and the differences in one place.",
			How:      "put the override for the narrower name first",
			Settings: "a list of images (globs on registry/repository, required) and any of the sections reference, config, platforms, vulnerabilities, secrets, licenses, coverage, levels. The first override that matches applies, and only that one. It replaces key by key: a key it does not name stays as it is. Inside max and grace it replaces severity by severity, and lists are replaced whole.",
			Default:  "none",
			Example:  "overrides:\n  - images: [\"registry.example.no/static/*\"]\n    coverage: {unknown-os: warn}\n",
		},
		{
			ID: ruleLevels, Title: "What a rule does when it is not met.", Setting: true,
			Why:      "A new rule is better introduced as a warning.",
			How:      "remove the level once every image meets the rule",
			Settings: "a mapping from rule id to fail (the default), warn or off. Rules whose own value is a level (coverage, unfixed, licenses.level) are set there. Warn never covers evidence that was not collected.",
			Default:  "fail",
			Example:  "levels: {config.require-labels: warn}\n",
		},
	}
}

func coverageRules() []*Rule {
	var out []*Rule
	for _, t := range gapTexts() {
		kind := t.kind
		id := ruleCoverage + string(kind)
		values := "fail (no verdict) or warn"
		if blinding(id) {
			values += "; warn only in an override that names its images"
		}
		out = append(out, &Rule{
			ID: id, Title: t.title, Why: t.why, How: t.how, Settings: values, Default: defaultLevel(id), gap: true,
			Example: gapExample(id),
			where:   func(s *settings) (Position, bool) { return s.gaps[id].pos, s.gaps[id].set },
			check:   func(j *judge) answer { return checkGaps(j, kind) },
		})
	}
	return append(out, otherCoverageRules()...)
}

func gapExample(id string) string {
	_, key := splitPath(id)
	if blinding(id) {
		return "overrides:\n  - images: [\"registry.example.no/static/*\"]\n    coverage: {" + key + ": warn}\n"
	}
	if defaultLevel(id) == levelWarn {
		return "coverage: {" + key + ": fail}\n"
	}
	return "coverage: {" + key + ": warn}\n"
}

type gapText struct {
	kind            evidence.GapKind
	title, why, how string
}
