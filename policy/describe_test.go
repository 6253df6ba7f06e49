package policy

import (
	"slices"
	"testing"
)

// Every key that a policy or a base sets is listed with its value and its place.
func TestSettingsNameTheirOrigin(t *testing.T) {
	base := "config: {user: numeric}\nsecrets: {max: {low: 2}}\n"
	p := mustParseOn(t, base, "secrets: {max: {medium: 1}}\n")
	want := map[string]struct {
		value  string
		origin SettingOrigin
		line   int
	}{
		"config.user":                  {"numeric", OriginBase, 3},
		"reference.pin":                {"version", OriginBuiltIn, 0},
		"secrets.max":                  {"{critical: 0, high: 0, medium: 1, low: 2}", OriginFile, 3},
		"vulnerabilities.distro-owned": {"warn", OriginUnset, 0},
		"exception-limits.require":     {"[owner]", OriginBuiltIn, 0},
	}
	for _, s := range p.Settings() {
		if w, ok := want[s.Key]; ok {
			if s.Value != w.value || s.Origin != w.origin || s.Position.Line != w.line {
				t.Errorf("%s is %q, %s, %v", s.Key, s.Value, s.Origin, s.Position)
			}
			delete(want, s.Key)
		}
	}
	if len(want) > 0 {
		t.Errorf("not listed: %v", want)
	}
	if unset := p.Unset(); !slices.Contains(unset, ruleDenyTags) || slices.Contains(unset, ruleUser) {
		t.Errorf("Unset = %v", unset)
	}
}

// A rule tells what the built-in policy sets apart from what applies without its key.
func TestRulesInTheBuiltInPolicy(t *testing.T) {
	for id, want := range map[string][]string{
		ruleUser:              {"config.user: non-root"},
		ruleMax:               {"vulnerabilities.max.critical: 0", "vulnerabilities.max.high: 0"},
		"exception-limits":    {"exception-limits.max-days: 180", "exception-limits.require: [owner]"},
		ruleMaxAge:            nil,
		ruleEvidence:          nil,
		ruleDistroOwned:       nil,
		"coverage.unknown-os": {"coverage.unknown-os: fail"},
	} {
		var got []string
		for _, s := range Lookup(id).InBuiltIn() {
			got = append(got, s.Key+": "+s.Value)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}
