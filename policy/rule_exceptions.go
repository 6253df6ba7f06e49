package policy

const (
	ruleExceptions      = "exceptions"
	ruleExceptionLimits = "exception-limits"
	ruleOverrides       = "overrides"
	ruleLevels          = "levels"
)

func exceptionsRule() *Rule {
	return &Rule{
		ID: ruleExceptions, Title: "What became of the exceptions.",
		Why: "An exception is a promise to come back. It ends at the end of its last day, UTC, and is reported before and after.",
		How: "fix the finding, or decide again and write a new date",
		Settings: "a list of mappings, each with reason, expires and one of id, secret, license, gap and rule. " +
			"id: a vulnerability, matched with every alias; it can have package (a name, or a purl with a version range such as pkg:npm/lodash@>=4.17.0 <4.17.21), images, paths and justification. " +
			"secret: the rule that found it, with path and content (the hash of the file that the report prints). license: with package. " +
			"gap: scanner-errors, no-advisories or hidden-files, with images, cause (a part of what the report says), and paths or a package with one version. " +
			"rule: a rule about the reference, the config, the platforms, the modes of files or workloads, or one of the rules of the policy, with images. All can have owner, ticket, approved-by and added.",
		Default: "none",
		Example: "exceptions:\n  - id: CVE-2026-12345\n    package: pkg:deb/debian/zlib1g\n    reason: minizip is not built\n    owner: team-shop\n    expires: 2027-01-31\n",
		check:   checkExceptionUse,
		always:  true,
	}
}

func exceptionLimitSection() section {
	return section{rules: []*Rule{{
		ID: ruleExceptionLimits, Title: "Exceptions stay within what the policy allows.",
		Why: "Without limits an exception until 2099 changes the policy for good, without a decision to change it.",
		How: "shorten the exception, or fix the finding", Default: "not asked", Levels: true,
		Settings: "max-days: how many days ahead an exception may end, one number or one for each severity and one for other; a later one does not apply, and it fails an image that needs it. " +
			"require: keys every exception must have (owner, ticket, approved-by, added, package, images, justification), where its kind has them. never: {severity: high}: findings of this severity or worse are covered by no exception; unknown counts as high. Overrides that loosen the policy are bound too.",
		Example: "exception-limits: {max-days: 90, require: [owner], never: {severity: critical}}\n",
		check:   checkExceptionLimits,
		always:  true,
	}}}
}

func overridesRule() *Rule {
	return &Rule{
		ID: ruleOverrides, Title: "Other settings for images with certain names.",
		Why: "One policy for all, and the differences in one place.",
		How: "remove the override once the image meets the policy; put \"final: true\" into one after which no other may apply",
		Settings: "a list of images (globs on registry/repository, required) and any of the sections of the policy but exceptions. All overrides that match apply, in order, up to one that has final: true. " +
			"Each replaces key by key: a key it does not name stays as it is. Inside max and grace it replaces severity by severity, and lists are replaced whole. " +
			"It can have reason, owner, ticket, approved-by, added and expires. After that day it loosens nothing any more, and what it tightens stays. Every report says what it loosens.",
		Default: "none",
		Example: "overrides:\n  - images: [\"registry.example.no/static/*\"]\n    coverage: {unknown-os: warn}\n    reason: a single static program\n    owner: team-platform\n    expires: 2027-01-31\n",
		check:   checkOverrides, always: true,
	}
}

func levelsRule() *Rule {
	return &Rule{
		ID: ruleLevels, Title: "What a rule does when it is not met.", Setting: true,
		Why:      "A new rule is better introduced as a warning.",
		How:      "remove the level once every image meets the rule",
		Settings: "a mapping from rule id to fail (the default), warn or off. Rules whose own value is a level (coverage, unfixed, licenses.level) are set there. Warn never covers evidence that was not collected.",
		Default:  "fail",
		Example:  "levels: {config.require-labels: warn}\n",
	}
}
