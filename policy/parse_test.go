package policy

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Every line of the policy has a mistake, marked where it begins. All of them
// must be reported at once, each at its place.
func TestParseReportsEveryMistake(t *testing.T) {
	src, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse("mistakes.yaml", alone(string(src)))
	var e *Error
	if p != nil || !errors.As(err, &e) {
		t.Fatalf("Parse = %v, %v, want an *Error", p, err)
	}
	golden(t, "testdata/mistakes.txt", e.Error()+"\n")
	lines := map[int]bool{}
	for _, d := range e.Diagnostics {
		lines[d.Pos.Line] = true
		if d.Cure == "" {
			t.Errorf("%v: no cure", d)
		}
	}
	for i, line := range strings.Split(string(src), "\n") {
		if strings.Contains(line, "# wrong") && !lines[i+1] {
			t.Errorf("line %d has a mistake that is not reported: %s", i+1, line)
		}
	}
}

// badPolicies are policies with one mistake each and how its report begins.
func badPolicies() map[string]string {
	const ok = "version: 1\nsecrets: {max: 0}\n"
	return map[string]string{
		"":                                                       "1:1: the policy is empty",
		"# nothing\n":                                            "1:1: the policy is empty",
		"---\n":                                                  "1:1: the policy is empty",
		"null\n":                                                 "1:1: the policy is empty",
		"version: 1\n":                                           "1:1: the policy asks nothing",
		"version: 1\nplatforms: all\n":                           "1:1: the policy asks nothing",
		"secrets: {max: 0}\n":                                    `1:1: the policy has no "version"`,
		"version: 2\nsecrets: {max: 0}\n":                        "1:10: version 2 of the policy language is not known",
		"version: \"1\"\nsecrets: {max: 0}\n":                    `1:10: version is the text "1" (remove the quotes)`,
		"version: 1.0\nsecrets: {max: 0}\n":                      "1:10: version is the number 1.0",
		"[1]\n":                                                  "1:1: the policy is a list",
		"text\n":                                                 `1:1: the policy is the text "text"`,
		ok + "---\nversion: 1\n":                                 "3:1: a second YAML document",
		ok + "---\n":                                             "3:1: a second YAML document",
		ok + "secrets: {max: 1}\n":                               `3:1: key "secrets" is twice`,
		ok + "config:\n\tuser: any\n":                            "4:1: a tab",
		ok + "config: {user: any\n":                              "not valid YAML",
		ok + "\xff\n":                                            "3:1: byte 0xff",
		ok + "# \x00\n":                                          "3:3: invisible character U+0000",
		ok + "# \u202e\n":                                        "3:3: invisible character U+202E",
		ok + "config: &c {user: any}\n":                          "3:9: anchor &c",
		ok + "config: *c\n":                                      "3:9: alias *c",
		ok + "x: &x [a]\nplatforms: *x\n":                        "4:12: alias *x",
		ok + "config: {<<: {user: any}}\n":                       "3:10: merge key",
		ok + "config: !!map {user: any}\n":                       "3:9: explicit tag !!map",
		ok + "config: {user: !x any}\n":                          "3:16: explicit tag !x",
		ok + "config:\n":                                         "3:1: config has no value",
		ok + "config: {user: ~}\n":                               "3:10: config.user has no value",
		ok + "config: {}\n":                                      "3:9: config is an empty mapping",
		ok + "? [a]\n: 1\n":                                      "3:3: a key of the policy is a list",
		ok + "1: 2\n":                                            `3:1: unknown key "1"`,
		ok + "pin: digest\n":                                     "3:1: unknown key \"pin\" in the policy (pin belongs into section reference, section base-image or section dockerfile)",
		ok + "vulnerabilties: {max: {high: 0}}\n":                "3:1: unknown key \"vulnerabilties\" in the policy (did you mean vulnerabilities?)",
		ok + "config: {maxAge: 7d}\n":                            "3:10: unknown key \"maxAge\" in config (did you mean max-age?)",
		ok + "config: {user: Non-Root}\n":                        `3:16: config.user is the text "Non-Root" (did you mean non-root?`,
		ok + "config: {user: 0}\n":                               "3:16: config.user is the number 0",
		ok + "config: {max-age: 0d}\n":                           "3:19: config.max-age is 0d",
		ok + "config: {max-age: 99999w}\n":                       "3:19: config.max-age is 99999w",
		ok + "config: {max-age: -7d}\n":                          `3:19: config.max-age is the text "-7d"`,
		ok + "config: {max-size: 0B}\n":                          `3:20: config.max-size is the text "0B"`,
		ok + "config: {require-labels: [1.0]}\n":                 "3:27: item 1 of config.require-labels is the number 1.0 (put it in quotes",
		ok + "config: {require-labels: [a, a]}\n":                `3:30: "a" is twice in config.require-labels`,
		ok + "config: {require-labels: []}\n":                    "3:26: config.require-labels is an empty list",
		ok + "config: {require-labels: [\" \"]}\n":               "3:27: item 1 of config.require-labels is empty",
		ok + "config: {require-healthcheck: TRUE}\n":             "3:31: config.require-healthcheck is the switch TRUE",
		ok + "config: {deny-ports: [0]}\n":                       "3:23: item 1 of config.deny-ports",
		ok + "config: {deny-ports: [\"90-80\"]}\n":               "3:23: item 1 of config.deny-ports",
		ok + "config: {deny-env: [\"[\"]}\n":                     "3:21: item 1 of config.deny-env is \"[\", which is no valid glob",
		ok + "reference: {deny-tags: [\"a:b\"]}\n":               "3:25: item 1 of reference.deny-tags is \"a:b\", which is no tag",
		ok + "reference: {allow: [\"https://r/**\"]}\n":          "which is a URL",
		ok + "reference: {allow: [\"r/x@sha256:0\"]}\n":          "which has a tag or digest",
		ok + "reference: {allow: [\"r.no/\"]}\n":                 "which ends with a slash",
		ok + "reference: {allow: [\"r.no/App\"]}\n":              "which has upper-case letters",
		ok + "reference: {allow: [\"*/**\"]}\n":                  "which allows every registry",
		ok + "reference: {allow: [\"[a-z]*/**\"]}\n":             "which allows every registry",
		ok + "reference: {allow: [shop/app]}\n":                  "which has no registry, so it matches no image (write it whole: docker.io/shop/app or",
		ok + "reference: {allow: [index.docker.io/library/x]}\n": "(write docker.io/library/x)",
		ok + "reference: {deny-tags: [\" x\"]}\n":                "begins or ends with a space",
		ok + "reference: {deny-tags: [\"" + strings.Repeat("x", 300) + "\"]}\n": "is longer than 256 bytes",
		ok + "reference: {deny-tags: [\"" + strings.Repeat("*x", 20) + "\"]}\n": "has too many wildcards",
		ok + "reference: {deny-tags: [\"{a,b}{c,d}{e,f}{g,h}\"]}\n":             "has too many wildcards",
		ok + "reference: {pin: [digest]}\n":                                     "3:18: reference.pin is a list (use digest, version or any)",
		ok + "levels: {secrets: }\n":                                            "3:10: levels.secrets has no value",
		ok + "config: {max-age: 2026-01-01}\n":                                  "config.max-age is the date 2026-01-01",
		ok + "platforms: linux\nconfig: 1\nlevels: x\n":                         "5:9: levels is the text \"x\"",
		ok + "overrides: [{images: [r.no/a], secrets: {max: 1}}, x]\n":          "3:52: override 2 is the text \"x\"",
		ok + "maxAge: 7d\n":                                          "max-age belongs into section config",
		ok + "reference: {platforms: all}\n":                         "platforms belongs into the top level",
		ok + "platforms: [amd64]\n":                                  `3:13: item 1 of platforms is "amd64"`,
		ok + "platforms: linux/amd64\n":                              `3:12: platforms is the text "linux/amd64"`,
		ok + "vulnerabilities: {unfixed: warn}\n":                    "3:1: vulnerabilities has neither max nor deny",
		ok + "vulnerabilities: {max: {high: 0}, grace: {low: 7d}}\n": "3:48: vulnerabilities.grace.low has no effect",
		ok + "vulnerabilities: {max: 0}\n":                           "3:24: vulnerabilities.max is the number 0 (write a value for each severity",
		ok + "vulnerabilities: {max: {high: 1e3}}\n":                 "3:31: vulnerabilities.max.high is the number 1e3",
		ok + "vulnerabilities: {max: {high: 0x10}}\n":                "3:31: vulnerabilities.max.high is the number 0x10",
		ok + "vulnerabilities: {max: {high: 1_0}}\n":                 "3:31: vulnerabilities.max.high is the number 1_0",
		ok + "vulnerabilities: {max: {HIGH: 0}}\n":                   `3:25: a severity of vulnerabilities.max is the text "HIGH" (did you mean high?`,
		ok + "vulnerabilities: {deny: [CVE-2026]}\n":                 "3:26: item 1 of vulnerabilities.deny",
		ok + "vulnerabilities: {deny: [GHSA-1234]}\n":                "which is no complete id",
		ok + "vulnerabilities: {deny: [openssl]}\n":                  "which is no id of a vulnerability",
		ok + "licenses: {level: warn}\n":                             "3:19: licenses.level has no effect",
		ok + "coverage: {package-database: warn}\n":                  "3:30: coverage.package-database is warn for every image",
		ok + "coverage: {unsupported-os: warn}\n":                    "3:28: coverage.unsupported-os is warn for every image",
		ok + "coverage: {os-mismatch: warn}\n":                       "3:25: coverage.os-mismatch is warn for every image",
		ok + "coverage: {unknown-os: off}\n":                         `3:24: coverage.unknown-os is the text "off" (use fail or warn)`,
		ok + "coverage: {unattributed: {}}\n":                        "3:26: coverage.unattributed is an empty mapping",
		ok + "levels: {config.user: warn}\n":                         "3:10: levels.config.user has no effect",
		ok + "levels: {coverage.end-of-life: warn}\n":                "3:10: levels cannot set \"coverage.end-of-life\" (set it at its own key",
		ok + "levels: {evidence: off}\n":                             "3:10: levels cannot set \"evidence\" (without it there is no verdict",
		ok + "levels: {coverage.database-max-age: off}\n":            "3:10: levels cannot set \"coverage.database-max-age\" (without it there is no verdict",
		ok + "levels: {licenses: warn}\n":                            "(set licenses.level instead)",
		ok + "levels: {vulnerabilities.grace: off}\n":                "(it shapes another rule",
		ok + "exceptions: []\n":                                      "3:13: exceptions is an empty list",
		ok + "exceptions: {id: x}\n":                                 "3:13: exceptions is a mapping",
		ok + "overrides: []\n":                                       "3:12: overrides is an empty list",
		ok + "overrides: [{images: [r.no/a]}]\n":                     "3:13: override 1 changes nothing",
		ok + "overrides: [{secrets: {max: 1}}]\n":                    "3:13: override 1 has no \"images\"",
		ok + "exception-limits: {max-days: 0}\n":                     "3:30: exception-limits.max-days is 0",
		ok + "exception-limits: {never: {severity: unknown}}\n":      "3:38: exception-limits.never.severity",
		ok + "exception-limits: {never: {id: x}}\n":                  "3:28: unknown key \"id\"",
	}
}

func TestParseRefuses(t *testing.T) {
	for src, want := range badPolicies() {
		_, err := Parse("p", alone(src))
		if err == nil {
			t.Errorf("Parse(%q) takes it, want %q", src, want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) =\n%v\nwant %q", src, err, want)
		}
	}
}

func TestParseLimits(t *testing.T) {
	deep := "version: 1\nsecrets: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "\n"
	for name, src := range map[string]string{
		"more than the limit":     strings.Repeat("#", maxSource+1),
		"nested more than":        deep,
		"more than 30000 entries": "version: 1\nplatforms: [" + strings.Repeat("a,", maxElement) + "]\n",
		"more than 300 entries":   "version: 1\nsecrets: {max: 0}\noverrides:\n" + strings.Repeat("- {images: [r.no/a], secrets: {max: 1}}\n", maxOverrides+1),
	} {
		if _, err := Parse("p", alone(src)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %.200v", name, err)
		}
	}
}

func TestParseRefusesExceptions(t *testing.T) {
	const head = "version: 1\nvulnerabilities: {max: {high: 0}, deny: [CVE-2026-9999]}\nexceptions:\n"
	const tail = ", reason: because, expires: 2027-01-31}\n"
	for src, want := range map[string]string{
		"- {id: CVE-2026-1234, expires: 2027-01-31}\n":                            `4:3: exception 1 has no "reason"`,
		"- {id: CVE-2026-1234, reason: because}\n":                                `4:3: exception 1 has no "expires"`,
		"- {reason: because, expires: 2027-01-31}\n":                              `4:3: exception 1 does not say what it is for`,
		"- {id: CVE-2026-1234, reason: because, expires: 2027-02-29}\n":           "there is no such day",
		"- {id: CVE-2026-1234, reason: because, expires: 2027-1-31}\n":            "write the last day as year-month-day",
		"- {id: CVE-2026-1234, reason: because, expires: 2027-01-31T00:00:00Z}\n": "write the last day as year-month-day",
		"- {id: CVE-2026-1234, reason: because, expires: never}\n":                "write the last day as year-month-day",
		"- {id: CVE-2026-1234, reason: because, expired_at: 2027-01-31}\n":        `unknown key "expired_at" in exception 1`,
		"- {id: \"*\"" + tail:                                                        "patterns are refused",
		"- {id: \"CVE-*\"" + tail:                                                    "patterns are refused",
		"- {id: \"CVE-2026-123?\"" + tail:                                            "patterns are refused",
		"- {id: \"\"" + tail:                                                         "exception 1.id is empty",
		"- {id: CVE-2026-9999" + tail:                                                "which line 2 denies always",
		"- {id: cve-2026-9999" + tail:                                                "which line 2 denies always",
		"- {id: CVE-2026-1234, package: \"lib*\"" + tail:                             "patterns are refused",
		"- {id: CVE-2026-1234, package: \"pkg:npm/*\"" + tail:                        "patterns are refused",
		"- {id: CVE-2026-1234, package: lodash@4" + tail:                             "a version needs a purl",
		"- {id: CVE-2026-1234, package: \"pkg:deb/zlib1g\"" + tail:                   "it has no distribution",
		"- {id: CVE-2026-1234, package: \"pkg:npm/a#b\"" + tail:                      "cannot be matched",
		"- {id: CVE-2026-1234, package: \"a b\"" + tail:                              "has no spaces",
		"- {id: CVE-2026-1234, package: \"pkg:npm\"" + tail:                          "exception 1.package is",
		"- {id: CVE-2026-1234, package: \"pkg:npm/lodash@^4.1.0\"" + tail:            "is no bound",
		"- {id: CVE-2026-1234, package: \"pkg:npm/lodash@<4.x\"" + tail:              "is no npm version that can be ordered",
		"- {id: CVE-2026-1234, package: \"pkg:npm/lodash@\"" + tail:                  "no version after the @",
		"- {id: CVE-2026-1234, package: \"pkg:npm/lodash@vers:npm/<4\"" + tail:       "write the range as",
		"- {id: CVE-2026-1234, images: [app]" + tail:                                 "which has no registry",
		"- {id: CVE-2026-1234, paths: [\"{\"]" + tail:                                "is no valid glob",
		"- {id: CVE-2026-1234" + tail + "- {id: cve-2026-1234" + tail:                "5:3: exception 2 is for the same id",
		"- {id: CVE-2026-1234" + tail + "exception-limits: {require: [owner]}\n":     `4:3: exception 1 has no "owner" (add it: exception-limits.require at p:5:29 asks for it)`,
		"- {id: CVE-2026-1234" + tail + "exception-limits: {require: [package]}\n":   `4:3: exception 1 has no "package"`,
		"- {id: CVE-2026-1234" + tail + "exception-limits: {require: [reasoning]}\n": "did you mean reason?",
	} {
		if _, err := Parse("p", alone(head+src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s=\n%v\nwant %q", src, err, want)
		}
	}
}

// An override that never applies is a mistake: somebody relies on it.
func TestParseReportsUnreachableOverrides(t *testing.T) {
	for _, c := range []struct {
		first, second string
		hidden        bool
	}{
		{`"r.no/**"`, `"r.no/a"`, true},
		{`"r.no/**"`, `"r.no/a/*"`, true},
		{`"r.no/a"`, `"r.no/a"`, true},
		{`"**"`, `"r.no/**"`, true},
		{`"r.no/*"`, `"r.no/*"`, true},
		{`"r.no/a", "r.no/b"`, `"r.no/b", "r.no/a"`, true},
		{`"r.no/*"`, `"r.no/**"`, false},
		{`"r.no/a/*"`, `"r.no/**"`, false},
		{`"r.no/a"`, `"r.no/a", "r.no/b"`, false},
		{`"r.no/*-x"`, `"r.no/*"`, false},
	} {
		src := fmt.Sprintf("version: 1\nsecrets: {max: 0}\noverrides:\n- {images: [%s], final: true, secrets: {max: 1}}\n- {images: [%s], secrets: {max: 2}}\n", c.first, c.second)
		_, err := Parse("p", alone(src))
		if got := err != nil && strings.Contains(err.Error(), "5:3: override 2 is never reached: the one on line 4"); got != c.hidden {
			t.Errorf("%s before %s: hidden = %v, want %v (%v)", c.first, c.second, got, c.hidden, err)
		}
	}
}

// Only images that are named may lack what every image has.
func TestBlindingNeedsNames(t *testing.T) {
	for glob, named := range map[string]bool{
		"registry.example.no/static/*": true, "registry.example.no/**": true, "*.example.no/static/**": true,
		"oci:build/static": true, "**/static": true,
		"**": false, "*/**": false, "?*/**": false, "[!x]*/**": false, "{a,b}*/**": false, "oci:**": false, "*:**": false,
		"**/*": false, "*/*": false,
	} {
		src := "version: 1\nsecrets: {max: 0}\noverrides:\n- images: [" + fmt.Sprintf("%q", glob) + "]\n  coverage: {unknown-os: warn}\n"
		_, err := Parse("p", alone(src))
		if (err == nil) != named {
			t.Errorf("%s: %v, want named = %v", glob, err, named)
		}
	}
}

func TestNeeds(t *testing.T) {
	for src, want := range map[string]string{
		"reference: {pin: digest}":                                    "",
		"config: {user: non-root}":                                    "the user",
		"config: {user: any, deny-ports: [22]}":                       "",
		"secrets: {max: 0}":                                           "secrets",
		"licenses: {deny: [MIT]}":                                     "packages and licences",
		"vulnerabilities: {max: {high: 0}}":                           "packages and jars",
		"vulnerabilities: {max: {high: 0}, types: [os]}":              "packages",
		"vulnerabilities: {deny: [CVE-2026-1234]}":                    "packages and jars",
		"coverage: {end-of-life: fail}":                               "packages and jars",
		"secrets: {max: 0}\nlevels: {secrets: off}\nplatforms: [a/b]": "",
	} {
		p := mustParse(t, "version: 1\n"+src+"\n")
		if got := needText(p.Needs()); got != want {
			t.Errorf("%s: needs %q, want %q", src, got, want)
		}
	}
}

func TestNeedsUnderOverrides(t *testing.T) {
	p := mustParse(t, "version: 1\nreference: {pin: version}\noverrides:\n- {images: [r.no/a], secrets: {max: 0}, coverage: {database-max-age: 12h}}\n")
	ref := goodImage().Reference
	if got := needText(p.NeedsFor(ref)); got != "" {
		t.Errorf("base needs %q, want nothing", got)
	}
	ref.Name = "r.no/a"
	want := "packages, secrets and jars"
	if got := needText(p.NeedsFor(ref)); got != want {
		t.Errorf("override needs %q, want %q", got, want)
	}
	if got := needText(p.Needs()); got != want {
		t.Errorf("all need %q, want %q", got, want)
	}
	if got := p.DatabaseMaxAge(); got != 12*time.Hour {
		t.Errorf("DatabaseMaxAge = %v, want the smallest, 12h", got)
	}
}

// golden compares text with a file; UPDATE=1 rewrites it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if update() {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
