package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// parseOn parses a policy above a base that it pins. Both files begin with two
// lines of their own.
func parseOn(base, child string) (*Policy, error) {
	baseSrc := "version: 1\nextends: default\n" + base
	load := func(_ string, b Base) (string, []byte, error) {
		switch {
		case b.VEX != nil && b.File == "b.json":
			return b.File, []byte(sampleVEX + "\n"), nil
		case b.VEX != nil:
			return b.File, []byte(sampleVEX), nil
		}
		return "base.yaml", []byte(baseSrc), nil
	}
	sum := sha256.Sum256([]byte(baseSrc))
	return ParseOn("child.yaml", fmt.Appendf(nil, "version: 1\nextends: {file: base.yaml, sha256: %s}\n%s", hex.EncodeToString(sum[:]), child), load)
}

func mustParseOn(t testing.TB, base, child string) *Policy {
	t.Helper()
	p, err := parseOn(base, child)
	if err != nil {
		t.Fatalf("Parse:\n%v\nof\n%s\non\n%s", err, child, base)
	}
	return p
}

// values are the values of a key in a base, and values of a policy above it.
type values struct {
	base          string
	with          string // what the base must also say for the value to matter
	loose, strict []string
}

// sectionValues holds the rows that the test file of a rule adds itself, see
// addValues.
var sectionValues = map[string]values{}

// addValues adds rows to those of keyValues.
func addValues(rows map[string]values) bool {
	maps.Copy(sectionValues, rows)
	return true
}

// keyValues has a row for every key of the language but levels, whose rows are made
// from those of the rules.
func keyValues() map[string]values {
	perSeverity := func(out map[string]values, path string, v values) {
		for _, sev := range severityWords() {
			out[path+"."+sev] = v
		}
	}
	level := values{base: levelFail, loose: []string{levelWarn}, strict: []string{levelFail}}
	out := map[string]values{
		rulePin:                      {base: "version", loose: []string{"any"}, strict: []string{"version", "digest"}},
		ruleReleaseTags:              {base: "[build-*, v-*]", loose: []string{"[build-*, x-*]", "[b*]", "[build-1*]"}, strict: []string{"[build-*]"}},
		ruleDenyTags:                 {base: "[latest, edge]", loose: []string{"[latest]", "[latest, edg*x]"}, strict: []string{"[Edge, LATEST, x]"}},
		ruleAllow:                    {base: "['r.example.no/a/**']", loose: []string{"['r.example.no/**']", "['q.example.no/a/x']", "['r.example.no/a/**', 'docker.io/library/x']", "['r.example.no/*/x']"}, strict: []string{"['r.example.no/a/b']", "['r.example.no/a/*/c', 'r.example.no/a/b/**']"}},
		ruleUser:                     {base: "numeric", loose: []string{"non-root", "any"}, strict: []string{"numeric"}},
		ruleDenyPorts:                {base: "[22, 23]", loose: []string{"[22]", "['22/tcp', 23]"}, strict: []string{"['20-25']", "[23, 22, 80]"}},
		ruleLabels:                   {base: "{a: 'x.*', b: y}", loose: []string{"{a: 'x.*'}", "[a, b]", "{a: '.*', b: y}"}, strict: []string{"{a: 'x.*', b: y, c: z}"}},
		ruleMaxAge:                   {base: "30d", loose: []string{"31d"}, strict: []string{"29d", "30d"}},
		ruleMaxSize:                  {base: "100MB", loose: []string{"101MB"}, strict: []string{"99MB"}},
		ruleMaxLayers:                {base: "10", loose: []string{"11"}, strict: []string{"9"}},
		ruleDenyHistory:              {base: "[remote-add]", strict: []string{"[remote-add]"}}, // there is one word
		ruleHealthcheck:              {base: "true", loose: []string{"false"}, strict: []string{"true"}},
		ruleDenyEnv:                  {base: "['*TOKEN*', A]", loose: []string{"[A]", "['*TOKEN', A]"}, strict: []string{"[a, '*token*', B]"}},
		rulePlatforms:                {base: "[linux/amd64, linux/arm64]", loose: []string{"[linux/amd64]", "all"}, strict: []string{"[linux/amd64, linux/arm64, linux/s390x]"}},
		ruleUnfixed:                  {base: "{critical: fail, high: warn}", loose: []string{"warn", "ignore", "{critical: warn, high: warn}", "{critical: fail, high: ignore}"}, strict: []string{"fail", "{critical: fail}"}},
		ruleDistroOwned:              {base: "warn", loose: []string{"ignore"}, strict: []string{"warn", "fail"}},
		ruleTypes:                    {base: "[os, npm]", loose: []string{"[os]", "[library]", "[debian, npm]"}, strict: []string{"[os, library]"}},
		ruleSeveritySource:           {base: "auto", loose: []string{"highest", "[nvd]"}, strict: []string{"auto"}},
		ruleDeny:                     {base: "[CVE-2021-44228, CVE-2024-3094]", loose: []string{"[CVE-2021-44228]"}, strict: []string{"[cve-2024-3094, CVE-2021-44228, CVE-2014-0160]"}},
		"secrets.max":                {base: "{critical: 0, high: 2}", loose: []string{"{high: 3}", "{high: unlimited}", "1", "{unknown: 1}", "{unknown: unlimited}"}, strict: []string{"0", "{high: 1}", "{low: 5}", "{unknown: 0}"}},
		ruleSecretPaths:              {base: "all", with: "secrets: {max: 0}\n", loose: []string{"application"}, strict: []string{"all"}},
		"licenses.deny":              {base: "[AGPL-3.0, 'SSPL-*']", loose: []string{"[AGPL-3.0]", "['SSPL-1*', AGPL-3.0]"}, strict: []string{"['sspl-*', AGPL-3.0, X]"}},
		"licenses.allow":             {base: "[MIT, ISC]", loose: []string{"[MIT, X]", "['*']", "[MIT, unknown]"}, strict: []string{"[MIT]", "[isc]"}},
		"licenses.types":             {base: "[library]", with: "licenses: {deny: [X]}\n", loose: []string{"[npm]", "[os]"}, strict: []string{"[os, library]"}},
		"licenses.level":             {base: levelFail, with: "licenses: {deny: [X]}\n", loose: []string{levelWarn}, strict: []string{levelFail}},
		rulePackagesDeny:             {base: "[telnet, 'gcc-*']", loose: []string{"[telnet]", "['gcc-1*', telnet]"}, strict: []string{"['gcc-*', telnet, gdb]"}},
		rulePackagesRequire:          {base: "[ca-certificates, tzdata]", loose: []string{"[tzdata]"}, strict: []string{"[tzdata, ca-certificates, x]"}},
		ruleSetuid + ".max":          {base: "2", loose: []string{"3"}, strict: []string{"1", "0"}},
		ruleSetuid + ".allow":        {base: "[usr/bin/su, 'opt/*/s']", loose: []string{"[usr/bin/su, usr/bin/mount]", "['usr/bin/*']", "['opt/**/s']"}, strict: []string{"[/usr/bin/su]", "[opt/a/s]"}},
		ruleEndOfLife:                {base: "{level: fail, warn-before: 90d}", loose: []string{levelFail, levelWarn, "{warn-before: 30d}", "{level: warn, warn-before: 90d}"}, strict: []string{"{warn-before: 120d}"}},
		ruleDatabaseAge:              {base: "3d", loose: []string{"4d"}, strict: []string{"2d"}},
		ruleUnattributed + ".max":    {base: "2", loose: []string{"3"}, strict: []string{"1"}},
		rulePodSecurity:              {base: "baseline@1.36", loose: []string{"baseline@1.35", "restricted@1.35", "baseline@1.37"}, strict: []string{"restricted@1.36"}},
		ruleRunAsNonRoot:             {base: "true", loose: []string{"false"}, strict: []string{"true"}},
		ruleStarts:                   {base: "true", loose: []string{"false"}, strict: []string{"true"}},
		workloadCapabilitiesKey.path: {base: "[NET_BIND_SERVICE, CHOWN]", loose: []string{"[SYS_ADMIN]", "[CHOWN, KILL]"}, strict: []string{"none", "[CHOWN]"}},
		ruleReadOnlyRoot:             {base: "true", loose: []string{"false"}, strict: []string{"true"}},
		ruleDenyPrivileged:           {base: "true", loose: []string{"false"}, strict: []string{"true"}},
		ruleDenyHost:                 {base: "[network, pid]", loose: []string{"[network]", "[ipc, ports]"}, strict: []string{"[pid, network, ipc]"}},
		ruleDenyMounts:               {base: "[container-runtime, /etc/kubernetes]", loose: []string{"[container-runtime]", "[/etc/kubernetes]", "[container-runtime, /etc/kubernetes/pki]"}, strict: []string{"[host-path]", "[container-runtime, /etc]", "[/etc/kubernetes, container-runtime, /srv]"}},
		ruleWorkloadPorts:            {base: "[2375, 2376]", loose: []string{"[2375]", "['2375/tcp', 2376]"}, strict: []string{"['2370-2380']", "[2376, 2375, 22]"}},
		ruleNetworkPolicy:            {base: "ingress", loose: []string{"any"}, strict: []string{"default-deny", "ingress"}},
		ruleRuntimeClasses:           {base: "[kata, kata-qemu]", loose: []string{"[kata, runc]", "[Kata]"}, strict: []string{"[kata-qemu]"}},
		rulePullPolicy:               {base: "always", loose: []string{"any"}, strict: []string{"always"}},
		ruleDockerfilePin:            {base: "version", loose: []string{"any", "tag"}, strict: []string{"version", "digest"}},
		ruleDockerfileUser:           {base: "non-root", loose: []string{"any"}, strict: []string{"non-root", "numeric"}},
		ruleDockerfileImages:         {base: "judge", loose: []string{"name"}, strict: []string{"judge"}},
		ruleTemplates:                {base: "{argoproj.io/Rollout: spec.template, a.example/A: spec.template}", loose: []string{"{argoproj.io/Rollout: spec}", "{a.example/B: spec.template}"}, strict: []string{"{argoproj.io/Rollout: spec.template}"}},
		ruleIgnoreKinds:              {base: "[a.example/Aa, b.example/B]", loose: []string{"[c.example/C]", "[a.example/AA]"}, strict: []string{"[b.example/B]"}},
		ruleBundledSBOMs:             {base: levelFail, loose: []string{levelWarn, "ignore"}, strict: []string{levelFail}},
	}
	out[ruleCustom] = values{
		base: `[{id: tag, deny: image.tag == "x", message: m, level: warn}, {id: size, deny: config.size > 3, message: m}]`,
		loose: []string{
			`[{id: size, deny: config.size > 4, message: m}]`, `[{id: size, deny: config.size > 3, message: m, level: warn}]`,
			`[{id: tag, deny: image.tag == "x", message: m, level: "off"}]`, `[{id: tag, deny: image.tag == "x", message: other}]`,
		},
		strict: []string{`[{id: new, deny: config.size > 4, message: m}]`, `[{id: tag, deny: image.tag == "x", message: m}]`},
	}
	for _, rule := range []string{ruleCapabilities, ruleWorldWritable} {
		out[rule+".max"], out[rule+".allow"] = out[ruleSetuid+".max"], out[ruleSetuid+".allow"]
	}
	maps.Copy(out, sectionValues)
	perSeverity(out, ruleMax, values{base: "2", loose: []string{"3", "unlimited"}, strict: []string{"2", "0"}})
	perSeverity(out, ruleGrace, values{base: "2d", with: "vulnerabilities: {max: {critical: 0, high: 0, medium: 0, low: 0, unknown: 0}}\n", loose: []string{"3d"}, strict: []string{"1d"}})
	for _, t := range gapTexts() {
		out[ruleCoverage+string(t.kind)] = level
	}
	return out
}

// valuesOf returns the row of a key. Levels matter where the base asks the rule.
func valuesOf(t *testing.T, l leaf) values {
	t.Helper()
	all := keyValues()
	rule, isLevel := strings.CutPrefix(l.keyPath(), levelsPrefix)
	if !isLevel {
		v, ok := all[l.keyPath()]
		if !ok || len(v.strict) == 0 || len(v.loose) == 0 && l.keyPath() != ruleDenyHistory {
			t.Fatalf("%s has no row in keyValues: say which values loosen and tighten it", l.keyPath())
		}
		return v
	}
	with := ""
	if keys := Lookup(rule).keys; len(keys) > 0 {
		first := keys[0].leaves()[0].keyPath()
		with = join(all[first].with, nest(first, all[first].base))
	}
	return values{base: levelFail, with: with, loose: []string{levelWarn, levelOff}, strict: []string{levelFail}}
}

// nest writes a key as the mapping that its path names.
func nest(path, value string) string {
	if rule, ok := strings.CutPrefix(path, levelsPrefix); ok {
		return "levels: {" + rule + ": " + value + "}\n"
	}
	keys := strings.Split(path, ".")
	return strings.Join(keys, ": {") + ": " + value + strings.Repeat("}", len(keys)-1) + "\n"
}

// join merges pieces that may have the same section.
func join(pieces ...string) string {
	var out []string
	for p := range strings.Lines(strings.Join(pieces, "")) {
		section, rest, _ := strings.Cut(p, ": {")
		i := slices.IndexFunc(out, func(o string) bool { return strings.HasPrefix(o, section+": {") })
		if p == "" {
			continue
		}
		if i < 0 || rest == "" {
			out = append(out, p)
			continue
		}
		out[i] = strings.TrimSuffix(out[i], "}\n") + ", " + rest
	}
	return strings.Join(out, "")
}

// looser returns the mistakes of a policy about what is less strict than its base.
func looser(err error) []Diagnostic {
	var e *Error
	if !errors.As(err, &e) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(e.Diagnostics), func(d Diagnostic) bool { return !strings.Contains(d.Msg, "less strict than in the base base.yaml") })
}

// Whatever key a policy loosens above a pinned base, and however it does it, is a
// mistake at its place; what tightens is none.
func TestEveryKeyCanOnlyBeTightened(t *testing.T) {
	for _, l := range newLanguage().leaves {
		t.Run(l.keyPath(), func(t *testing.T) {
			if !l.hasOrder() {
				t.Fatal("the key has no order")
			}
			v := valuesOf(t, l)
			base := join(v.with, nest(l.keyPath(), v.base))
			for _, value := range v.loose {
				forms := map[string]string{
					"plain":        nest(l.keyPath(), value),
					"in force":     nest(l.keyPath(), "{value: "+value+", from: 2020-01-01}"),
					"later":        nest(l.keyPath(), "{value: "+value+", from: 2099-01-01}"),
					"with control": nest(l.keyPath(), "{value: "+value+", control: X}"),
				}
				if l.inOverrides() {
					forms["override"] = "overrides:\n- images: ['registry.example.no/x']\n  reason: x\n  owner: x\n  expires: 2026-07-01\n  " + forms["plain"]
				}
				for form, child := range forms {
					_, err := parseOn(base, child)
					found := looser(err)
					if len(found) == 0 {
						t.Errorf("%s %q above %q is no mistake: %v", form, value, v.base, err)
						continue
					}
					if d := found[0]; d.Pos.File != "child.yaml" || d.Pos.Line < 3 || d.Pos.Column < 2 || !strings.Contains(d.Msg, l.keyPath()) || d.Cure == "" {
						t.Errorf("%s %q: %+v", form, value, d)
					}
				}
			}
			for _, value := range append(v.strict, v.base) {
				if _, err := parseOn(base, nest(l.keyPath(), value)); len(looser(err)) > 0 {
					t.Errorf("%q above %q: %v", value, v.base, err)
				}
				if !l.inOverrides() {
					continue
				}
				if _, err := parseOn(base, "overrides:\n- images: ['registry.example.no/x']\n  "+nest(l.keyPath(), value)); len(looser(err)) > 0 {
					t.Errorf("override: %q above %q: %v", value, v.base, err)
				}
			}
		})
	}
}

// Where the base does not set a key, or sets it for some images only, the same holds
// for what follows from other keys.
func TestWhatLoosensWithAnotherKey(t *testing.T) {
	const images = "overrides:\n- images: ['registry.example.no/x']\n  "
	for name, c := range map[string]struct {
		base, child string
		key         string // "" for a policy without a mistake
	}{
		"unknown beside high":                   {"vulnerabilities: {max: {high: 2}}\n", "vulnerabilities: {max: {unknown: 2}}\n", "vulnerabilities.max.unknown"},
		"unknown above high":                    {"vulnerabilities: {max: {high: 2}}\n", "vulnerabilities: {max: {unknown: unlimited}}\n", "vulnerabilities.max.unknown"},
		"unknown 1 and high 1":                  {"vulnerabilities: {max: {high: 2}}\n", "vulnerabilities: {max: {high: 1, unknown: 1}}\n", "vulnerabilities.max.unknown"},
		"no unknown":                            {"vulnerabilities: {max: {high: 2}}\n", "vulnerabilities: {max: {unknown: 0}}\n", ""},
		"unknown above unlimited high":          {"vulnerabilities: {max: {high: unlimited}}\n", "vulnerabilities: {max: {unknown: 5}}\n", ""},
		"unknown where an override limits high": {"vulnerabilities: {max: {high: unlimited}}\n" + images + "vulnerabilities: {max: {high: 2}}\n", "vulnerabilities: {max: {unknown: 5}}\n", "vulnerabilities.max.unknown"},
		"release tags for a version":            {"reference: {pin: version}\n", "reference: {release-tags: [x-*]}\n", ruleReleaseTags},
		"release tags for a digest":             {"reference: {pin: digest}\n" + images + "reference: {pin: version}\n  owner: x\n  expires: 2026-08-01\n  reason: x\n", "reference: {release-tags: [x-*]}\n", ruleReleaseTags},
		"release tags with their pin":           {"reference: {pin: any}\n", "reference: {pin: version, release-tags: [x-*]}\n", ""},
		"release tags above an override":        {"reference: {pin: any}\n" + images + "reference: {pin: version}\n", "reference: {release-tags: [x-*]}\n", ruleReleaseTags},
		"level of a rule that is not asked":     {"", "config: {max-layers: 9}\nlevels: {config.max-layers: warn}\n", ""},
		"level of a rule of an override":        {images + "config: {max-layers: 9}\n", "levels: {config.max-layers: warn}\n", "levels.config.max-layers"},
		"level above two overrides": {
			"config: {max-age: 9d}\nlevels: {config.max-age: warn}\n" + "overrides:\n- {images: ['registry.example.no/*'], config: {max-layers: 9}}\n- {images: ['registry.example.no/x'], levels: {config.max-age: fail}}\n",
			images + "levels: {config.max-age: warn}\n", "levels.config.max-age",
		},
		"value of an override":              {images + "config: {user: numeric}\n", "config: {user: non-root}\n", ""},
		"value that comes into force later": {"config: {user: {value: any, from: 2099-01-01}}\n", "config: {user: any}\n", ruleUser},
		"value that keeps its day":          {"config: {user: {value: any, from: 2099-01-01}}\n", "config: {user: {value: any, from: 2099-01-01}}\n", ""},
		"stricter value later":              {"config: {user: non-root}\n", "config: {user: {value: numeric, from: 2099-01-01}}\n", ""},
		"one number above several":          {"secrets: {max: {critical: 0, high: 0, low: 3}}\n", "secrets: {max: 1}\n", "secrets.max"},
		"several above one number":          {"secrets: {max: 1}\n", "secrets: {max: {low: 1}}\n", "secrets.max"},
		"zero above one number":             {"secrets: {max: 1}\n", "secrets: {max: {low: 0}}\n", ""},
		"an override above an override":     {images + "config: {user: numeric}\n", images + "config: {user: non-root}\n", ruleUser},
		"days of exceptions":                {"exception-limits: {max-days: 30}\n", "exception-limits: {max-days: 31}\n", "exception-limits.max-days"},
		"days of exceptions for a severity": {"exception-limits: {max-days: 30}\n", "exception-limits: {max-days: {critical: 31, other: 10}}\n", "exception-limits.max-days"},
		"fewer days":                        {"exception-limits: {max-days: 30}\n", "exception-limits: {max-days: 29}\n", ""},
		"never for a worse severity":        {"exception-limits: {never: {severity: high}}\n", "exception-limits: {never: {severity: critical}}\n", "exception-limits.never"},
		"never for more":                    {"exception-limits: {never: {severity: high}}\n", "exception-limits: {never: {severity: low}}\n", ""},
		"the same limits":                   {"exception-limits: {max-days: 30, never: {severity: high}}\n", "exception-limits: {max-days: 30, never: {severity: high}}\n", ""},
		"tightening below a lax override":   {"config: {user: any}\n" + images + "config: {user: non-root}\n", "config: {user: numeric}\n", ""},
		"a glob that fits samples":          {"reference: {allow: ['r.no/*5x', 'r.no/q7z']}\n", "reference: {allow: ['r.no/*']}\n", ruleAllow},
		"a deep glob that fits samples":     {"reference: {allow: ['r.no/q7z/*', 'r.no/q7z/v2w/*']}\n", "reference: {allow: ['r.no/**/*']}\n", ruleAllow},
		"a glob for deeper names":           {"reference: {allow: ['r.no/*/**']}\n", "reference: {allow: ['r.no/a/**']}\n", ""},
		"a coverage level in an override":   {"", images + "coverage: {unknown-os: warn}\n  owner: x\n  reason: x\n  expires: 2026-08-01\n", "coverage.unknown-os"},
		"an open override that loosens":     {"open: [overrides]\n", images + "config: {user: any}\n  owner: x\n  reason: x\n  expires: 2026-08-01\n", ""},
	} {
		_, err := parseOn(c.base, c.child)
		found := looser(err)
		switch {
		case c.key == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.key != "" && (len(found) != 1 || !strings.Contains(found[0].Msg, c.key+" is less strict")):
			t.Errorf("%s: %v", name, err)
		}
	}
}
