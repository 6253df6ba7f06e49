package policy

import (
	"errors"
	"strings"
	"testing"
)

// The cure of a mistake that the writers of other organisations' policies made names what
// they should have written, and following it is no mistake.
func TestCuresOfCommonMistakes(t *testing.T) {
	for _, tt := range []struct{ wrong, cure, right string }{
		{"rules: [{id: x, message: m, deny: 'config.env.size() > 0'}]", "env_names", "rules: [{id: x, message: m, deny: 'config.env_names.size() > 0'}]"},
		{"rules: [{id: x, message: m, deny: 'config.zzzzzz'}]", "docs/policy.md", ""},
		{"secrets: {max: {high: {value: 0, from: 2027-03-01}}}", "max: {value: {high: 0}, from: 2027-03-01}", "secrets: {max: {value: {high: 0}, from: 2027-03-01}}"},
		{"severity: HIGH,CRITICAL", "vulnerabilities: {max: {critical: 0, high: 0}}", "vulnerabilities: {max: {critical: 0, high: 0}}"},
		{"ignore: [CVE-2026-12345]", "under exceptions", "exceptions: [{id: CVE-2026-12345, reason: x, owner: x, expires: 2027-01-31}]"},
		{"ignoreUnfixed: true", "unfixed: ignore", "vulnerabilities: {unfixed: ignore}"},
		{"config: {labels: [a]}", "did you mean require-labels?", "config: {require-labels: [a]}"},
		{"config: {env: [A]}", "did you mean deny-env?", "config: {deny-env: [A]}"},
		{"reference: {allow: [registry.example.no]}", "write registry.example.no/**", "reference: {allow: [registry.example.no/**]}"},
		{"exceptions: [{rule: no-curl, images: [r.no/a], reason: x, owner: x, expires: 2027-01-31}]", "rules.no-curl", ""},
		{"deadlines: {high: 30d}", "rows: [{severity: high, within: 30d}]", "deadlines: {rows: [{severity: high, within: 30d}]}"},
	} {
		_, err := Parse("p", []byte("version: 1\n"+tt.wrong+"\n"))
		var wrong *Error
		if !errors.As(err, &wrong) || len(wrong.Diagnostics) != 1 || !strings.Contains(wrong.Diagnostics[0].Cure, tt.cure) {
			t.Errorf("%s: %v", tt.wrong, err)
		}
		if tt.right != "" {
			if _, err := Parse("p", []byte("version: 1\n"+tt.right+"\n")); err != nil {
				t.Errorf("%s: %v", tt.right, err)
			}
		}
	}
}
