//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"regexp"

	"github.com/aquasecurity/trivy/pkg/fanal/secret"
)

// placeholders are texts that Trivy's rules take for secrets and that are none.
// Each expression matches the whole text that a rule has found, so that nothing
// beside a placeholder is left out.
var placeholders = secret.AllowRules{
	// ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx in a README. No generator makes
	// sixteen equal letters.
	{ID: "placeholder-x", Regex: &secret.Regexp{Regexp: regexp.MustCompile(`^[^0-9A-Za-z]?[0-9A-Za-z_-]{0,12}(x{16,}|X{16,})[^0-9A-Za-z]?$`)}},
	// The examples in the settings.xml that comes with Maven.
	{ID: "placeholder-maven", Regex: &secret.Regexp{Regexp: regexp.MustCompile(`^<(password>repopwd</password|passphrase>optional; leave empty if not used\.</passphrase)>$`)}},
}
