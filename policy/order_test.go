package policy

import (
	"slices"
	"strings"
	"testing"
)

// leafAt returns the key with a path.
func leafAt(t *testing.T, path string) leaf {
	t.Helper()
	all := newLanguage().leaves
	i := slices.IndexFunc(all, func(l leaf) bool { return l.keyPath() == path })
	if i < 0 {
		t.Fatalf("there is no key %s", path)
	}
	return all[i]
}

// settingsWith returns what applies when a policy sets a key to a value, nil where only
// a policy for some images may.
func settingsWith(t *testing.T, with, path, value string) *settings {
	t.Helper()
	src := "version: 1\n" + join(with, nest(path, value))
	load := func(_ string, b Base) (string, []byte, error) {
		if b.File == "b.json" {
			return b.File, []byte(sampleVEX + "\n"), nil
		}
		return b.File, []byte(sampleVEX), nil
	}
	p, err := ParseOn("policy.yaml", []byte(src), load)
	switch {
	case err != nil && strings.Contains(err.Error(), "set it in an override"):
		return nil
	case err != nil:
		t.Fatalf("%v\nof\n%s", err, src)
	}
	return &p.base
}

// unordered are keys that may not change above a base, so that no value is stricter
// than another.
func unordered() []string {
	return []string{
		ruleSeveritySource, ruleDeadlines, ruleExposure, verifierKey.path, decisionPolicyKey.path, decisionBaseKey.path,
	}
}

// The rows of keyValues tell the order of a key from its reverse and from mere
// equality: otherwise a mistake in the order would not be noticed. Every value is as
// strict as itself.
func TestRowsTellTheOrder(t *testing.T) {
	leaves := newLanguage().leaves
	for _, l := range leaves {
		path := l.keyPath()
		if strings.HasPrefix(path, levelsPrefix) || path == ruleDenyHistory {
			continue
		}
		v := valuesOf(t, l)
		base := settingsWith(t, v.with, path, v.base)
		stricter, looser := false, false
		for _, value := range v.strict {
			s := base.with(settingsWith(t, v.with, path, value), leaves) // some values are joined with those of the base
			stricter = stricter || l.atLeastAsStrict(s, base) && !l.atLeastAsStrict(base, s)
			if !l.atLeastAsStrict(s, base) || !l.atLeastAsStrict(s, s) {
				t.Errorf("%s: %q is not as strict as %q, or as itself", path, value, v.base)
			}
		}
		for _, value := range v.loose {
			s := settingsWith(t, v.with, path, value)
			looser = looser || s == nil || !l.atLeastAsStrict(s, base) && l.atLeastAsStrict(base, s)
			if s != nil && l.atLeastAsStrict(s, base) {
				t.Errorf("%s: %q is as strict as %q", path, value, v.base)
			}
		}
		if !stricter && !looser && !slices.Contains(unordered(), path) {
			t.Errorf("%s: no row is strictly stricter or looser than %q", path, v.base)
		}
	}
}

// Every pair of words of a key is in order, the strictest word first.
func TestOrderOfWords(t *testing.T) {
	for path, row := range map[string]struct{ with, words string }{
		rulePin:                   {"", "digest version any"},
		ruleUser:                  {"", "numeric non-root any"},
		ruleDistroOwned:           {"", "fail warn ignore"},
		ruleUnfixed:               {"", "fail warn ignore"},
		ruleSecretPaths:           {"secrets: {max: 0}\n", "all application"},
		"licenses.level":          {"licenses: {deny: [X]}\n", "fail warn"},
		ruleBundledSBOMs:          {"", "fail warn ignore"},
		ruleKEV:                   {"", "fail warn"},
		ruleBaseImage + ".pin":    {"base-image: {allow: ['r.example.no/b/*']}\n", "digest any"},
		ruleDockerfilePin:         {"", "digest version tag any"},
		ruleDockerfileUser:        {"", "numeric non-root any"},
		ruleDockerfileImages:      {"", "judge name"},
		ruleNetworkPolicy:         {"", "default-deny ingress any"},
		rulePullPolicy:            {"", "always any"},
		levelsPrefix + rulePin:    {"", "fail warn 'off'"},
		"coverage.scanner-errors": {"", "fail warn"},
	} {
		l := leafAt(t, path)
		all := strings.Fields(row.words)
		for i, child := range all {
			for j, base := range all {
				got := l.atLeastAsStrict(settingsWith(t, row.with, path, child), settingsWith(t, row.with, path, base))
				if want := i <= j; got != want {
					t.Errorf("%s: %s above %s is as strict: %v, want %v", path, child, base, got, want)
				}
			}
		}
	}
}

// Keys about documents, and about who signs, are for a whole policy: no
// override for some images has them.
func TestKeysThatNoOverrideHas(t *testing.T) {
	for _, l := range newLanguage().leaves {
		path := strings.TrimPrefix(l.keyPath(), levelsPrefix)
		section, _, _ := strings.Cut(path, ".")
		r := Lookup(path)
		release := r != nil && r.ofRelease() || slices.Contains([]string{"workload", "dockerfile", "trust", "decision"}, section) && l.keyPath() == path || path == "promote.emergency"
		if release == l.inOverrides() {
			t.Errorf("%s can be in overrides: %v", l.keyPath(), l.inOverrides())
		}
	}
}
