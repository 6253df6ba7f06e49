package policy

import (
	"time"

	"gopkg.in/yaml.v3"
)

// settingFields is the grammar of everything that can stand at the top of a
// policy and in an override.
func settingFields() []field[*settings] {
	return []field[*settings]{
		{key: "reference", doc: "How the image is named and where it comes from.", fields: referenceFields()},
		{key: "config", doc: "What the image config says.", fields: configFields()},
		{
			key: "platforms", doc: "Platforms the image must offer: all, or a list such as [linux/amd64, linux/arm64].",
			schema: object{"oneOf": []any{enum(wordAll), listOf(pattern(platformForm.String()))}},
			decode: bind((*decoder).platforms, func(s *settings) *option[[]string] { return &s.platforms }),
		},
		{key: "vulnerabilities", doc: "Which vulnerabilities block.", fields: vulnerabilityFields()},
		{key: "secrets", doc: "Credentials in files and in the image config.", fields: []field[*settings]{{
			key: "max", doc: "How many secrets are allowed: one number, or one for each severity.",
			schema: object{"oneOf": []any{numberSchema(), severitySchema(limitSchema())}},
			decode: decodeSecretMax,
		}}},
		{key: "licenses", doc: "Licences of the packages.", fields: licenseFields()},
		{
			key: "coverage", doc: "What the scan must have seen for a verdict.", fields: coverageFields(),
			enter: func(p Position, s *settings) { s.coverage = option[bool]{true, p, true} },
		},
		{
			key: "levels", doc: "What a rule does when it is not met: fail (the default), warn or off.",
			schema: levelsSchema(), decode: decodeLevels,
		},
	}
}

func referenceFields() []field[*settings] {
	return []field[*settings]{
		{
			key: "pin", doc: "How exactly the reference must name the image.",
			schema: enum(pinDigest, pinVersion, wordAny),
			decode: bind(oneOf(pinDigest, pinVersion, wordAny), func(s *settings) *option[string] { return &s.pin }),
		},
		{
			key: "deny-tags", doc: "Tags that may not ship. Globs.",
			schema: listOf(textSchema()),
			decode: bind(globs(tagGlob, true), func(s *settings) *option[[]string] { return &s.denyTags }),
		},
		{
			key: "allow", doc: "Registries and repositories that images may come from. Globs on registry/repository.",
			schema: listOf(textSchema()),
			decode: bind(globs(allowGlob, false), func(s *settings) *option[[]string] { return &s.allow }),
		},
	}
}

func configFields() []field[*settings] {
	return []field[*settings]{
		{
			key: "user", doc: "Who the image may run as.",
			schema: enum(userNonRoot, userNumeric, wordAny),
			decode: bind(oneOf(userNonRoot, userNumeric, wordAny), func(s *settings) *option[string] { return &s.user }),
		},
		{
			key: "deny-ports", doc: "Ports the image may not expose: 22, \"53/udp\", \"8000-8100\".",
			schema: listOf(object{"oneOf": []any{object{"type": "integer", "minimum": 1, "maximum": 65535}, pattern(portForm.String())}}),
			decode: bind((*decoder).ports, func(s *settings) *option[[]portRange] { return &s.denyPorts }),
		},
		{
			key: "require-labels", doc: "Labels that must be set and not empty.",
			schema: listOf(textSchema()),
			decode: bind(texts, func(s *settings) *option[[]string] { return &s.requireLabels }),
		},
		{
			key: "max-age", doc: "How long ago the image may have been built.",
			schema: durationSchema(),
			decode: bind(someTime, func(s *settings) *option[time.Duration] { return &s.maxAge }),
		},
		{
			key: "max-size", doc: "How large the compressed layers may be together.",
			schema: pattern(sizeForm.String()),
			decode: bind((*decoder).size, func(s *settings) *option[int64] { return &s.maxSize }),
		},
		{
			key: "require-healthcheck", doc: "Whether a HEALTHCHECK must be set.",
			schema: object{"type": "boolean"},
			decode: bind((*decoder).toggle, func(s *settings) *option[bool] { return &s.healthcheck }),
		},
		{
			key: "deny-env", doc: "Names of environment variables that the image may not set. Globs.",
			schema: listOf(textSchema()),
			decode: bind(globs(nameGlob, true), func(s *settings) *option[[]string] { return &s.denyEnv }),
		},
	}
}

func vulnerabilityFields() []field[*settings] {
	return []field[*settings]{
		{
			key: "max", doc: "How many findings of each severity are allowed. A severity left out is not limited; unknown counts as high unless listed.",
			schema: severitySchema(limitSchema()),
			decode: func(d *decoder, n *yaml.Node, name string, s *settings) { s.max = severities(d, n, name, limit) },
		},
		{
			key: "unfixed", doc: "What findings without a fix do: fail like any other, warn, or ignore.",
			schema: enum(levelFail, levelWarn, levelIgnore),
			decode: bind(oneOf(levelFail, levelWarn, levelIgnore), func(s *settings) *option[string] { return &s.unfixed }),
		},
		{
			key: "grace", doc: "How long after its publication a finding does not block yet.",
			schema: severitySchema(durationSchema()),
			decode: func(d *decoder, n *yaml.Node, name string, s *settings) { s.grace = severities(d, n, name, anyTime) },
		},
		{
			key: "types", doc: "Packages to judge: os, library, or Trivy's names for package types.",
			schema: listOf(enum(packageTypes()...)),
			decode: bind(wordList(packageTypes()), func(s *settings) *option[[]string] { return &s.types }),
		},
		{
			key: "severity-source", doc: "Whose severity counts: auto (Trivy's choice), highest, or sources in order.",
			schema: object{"oneOf": []any{enum(wordAuto, wordHighest), listOf(enum(severitySources()...))}},
			decode: bind((*decoder).sources, func(s *settings) *option[[]string] { return &s.sources }),
		},
		{
			key: "deny", doc: "Vulnerabilities that always block, whatever their severity, fix or exception.",
			schema: listOf(pattern(idForm.String())),
			decode: bind(ids, func(s *settings) *option[[]string] { return &s.deny }),
		},
	}
}

func licenseFields() []field[*settings] {
	return []field[*settings]{
		{
			key: "deny", doc: "Licences that may not ship: SPDX ids, globs allowed.",
			schema: listOf(textSchema()),
			decode: bind(globs(nameGlob, true), func(s *settings) *option[[]string] { return &s.licenseDeny }),
		},
		{
			key: "allow", doc: "The only licences that may ship. List unknown to allow packages without a known licence.",
			schema: listOf(textSchema()),
			decode: bind(globs(nameGlob, true), func(s *settings) *option[[]string] { return &s.licenseAllow }),
		},
		{
			key: "level", doc: "What a licence that may not ship does.",
			schema: enum(levelFail, levelWarn),
			decode: bind(oneOf(levelFail, levelWarn), func(s *settings) *option[string] { return &s.licenseLevel }),
		},
	}
}

func coverageFields() []field[*settings] {
	var out []field[*settings]
	for _, k := range gapKinds() {
		out = append(out, gapField(string(k), levelFail, levelWarn))
	}
	return append(out,
		gapField("end-of-life", levelFail, levelWarn),
		field[*settings]{
			key: "database-max-age", doc: "How old the advisory database may be, by its build date.",
			schema: durationSchema(),
			decode: bind(someTime, func(s *settings) *option[time.Duration] { return &s.databaseMaxAge }),
		},
		field[*settings]{key: "unattributed", doc: "Executables that no package, build info or owner accounts for.", fields: []field[*settings]{{
			key: "max", doc: "How many of them are allowed.", schema: numberSchema(), required: true, cure: "write unattributed: {max: 0}",
			decode: bind((*decoder).count, func(s *settings) *option[int] { return &s.unattributed }),
		}}},
		gapField("bundled-sboms", levelFail, levelWarn, levelIgnore),
	)
}

func gapField(key string, levels ...string) field[*settings] {
	id := ruleCoverage + key
	return field[*settings]{
		key: key, doc: ruleTitle(id), schema: enum(levels...),
		decode: func(d *decoder, n *yaml.Node, name string, s *settings) {
			if w, ok := d.choice(n, name, levels); ok {
				s.gaps = merge(s.gaps, map[string]option[string]{id: {w, d.pos(n), true}})
			}
		},
	}
}
