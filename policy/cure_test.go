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
	} {
		_, err := Parse("p", []byte("version: 1\n"+tt.wrong+"\n"))
		var wrong *Error
		if !errors.As(err, &wrong) || len(wrong.Diagnostics) != 1 || !strings.Contains(wrong.Diagnostics[0].Cure, tt.cure) {
			t.Errorf("%s: %v", tt.wrong, err)
		}
		if tt.right != "" {
			mustParse(t, "version: 1\n"+tt.right+"\n")
		}
	}
}
